"""Entries of listings: read as botocore reads them, or left to it."""

from __future__ import annotations

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import ResponseParserError, create_parser
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from asyncload.s3.hooks.events import read_entries
from asyncload.s3.listings import take_entries

SERVICE = Session().get_service_model("s3")
OUTPUT = SERVICE.operation_model("ListObjectsV2").output_shape
PARSER = create_parser("rest-xml")
NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def parse(body, *, quickly, status=200):
    """Return what the client would make of a page: its entries, and the rest; or the error."""
    response = {"status_code": status, "headers": HeadersDict({}), "body": body, "context": {}}
    taken = {}
    if quickly:
        read_entries(take_entries, response, taken)
    try:
        parsed = PARSER.parse(response, OUTPUT)
    except (ResponseParserError, TypeError, ValueError) as error:
        return type(error)
    parsed.update(taken)
    if status != 200:
        return parsed
    entries = parsed.pop("Contents", [])
    return [{n: once(e.get(n)) for n in ("Key", "Size", "ETag")} for e in entries], parsed


def once(value):
    """botocore gives a list of an element that comes twice, which no reader takes."""
    return "twice" if isinstance(value, list) else value


def page(*entries, root="ListBucketResult", namespace=NAMESPACE, more=""):
    contents = "".join(f"<Contents>{entry}</Contents>" for entry in entries)
    return (
        f'<?xml version="1.0"?><{root}{namespace}><Name>lake</Name>{contents}'
        f"<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>"
        f"{more}</{root}>"
    ).encode()


FULL = (
    "<Key>a%20b&amp;\u00e9.csv</Key><LastModified>2022-05-02T12:00:00.000Z</LastModified>"
    "<ETag>&quot;e&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>17</Size>"
    "<StorageClass>STANDARD</StorageClass><Owner><ID>1</ID><DisplayName>me</DisplayName></Owner>"
)
ELEMENTS = st.sampled_from(
    [
        "<Key>k</Key>",
        "<Key/>",
        "<Size>1</Size>",
        "<Size>-1</Size>",
        "<Size>x</Size>",
        "<Size/>",
        "<ETag>e</ETag>",
        "<ETag/>",
        "<Key><b>k</b></Key>",
        "<Other>1</Other>",
        " ",
    ]
)


@pytest.mark.parametrize("namespace", [NAMESPACE, ""])
def test_a_page_is_read_as_by_botocore(namespace):
    """Its entries, its marker, and everything else."""
    body = page(FULL, "<Key>k</Key><Size>0</Size>", namespace=namespace)
    entries, rest = parse(body, quickly=True)
    assert (entries, rest) == parse(body, quickly=False)
    assert entries[0] == {"Key": "a%20b&\u00e9.csv", "Size": 17, "ETag": '"e"'}
    assert rest["NextContinuationToken"] == "t&1"
    assert rest["CommonPrefixes"] == [{"Prefix": "p/"}]


@given(st.lists(st.lists(ELEMENTS, max_size=5).map("".join), max_size=4))
def test_any_entry_is_read_as_by_botocore(entries):
    """With elements that come twice, are empty, lacking, or no numbers."""
    body = page(*entries)
    assert parse(body, quickly=True) == parse(body, quickly=False)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"<", 200),
        (b"<html/>", 200),
        (page(FULL, root="Error"), 200),
        (page(FULL), 503),
        (page(), 200),
    ],
)
def test_other_documents_are_left_to_botocore(body, status):
    """An error, a page for people, or nothing."""
    assert parse(body, quickly=True, status=status) == parse(body, quickly=False, status=status)
