"""The fast lane's signatures equal botocore's, for any request."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple
from unittest import mock
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import StoreRefused
from asyncload.s3.fast.headers import make_head
from asyncload.s3.fast.sigv4 import EMPTY_PAYLOAD, UNSIGNED_PAYLOAD, RequestSigner

words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
hosts = st.sampled_from(
    ["127.0.0.1:9000", "lake.s3.eu-west-1.amazonaws.com", "s3.example.com", "[::1]:8333"]
)
digests = st.one_of(st.just(UNSIGNED_PAYLOAD), st.binary(min_size=32, max_size=32).map(bytes.hex))


class Frozen(NamedTuple):
    """Credentials as botocore freezes them."""

    access_key: str
    secret_key: str
    token: str | None


class Oracle(auth.S3SigV4Auth):
    """botocore's signer, with the payload given."""

    digest = UNSIGNED_PAYLOAD

    def payload(self, request):
        return self.digest


def botocore_headers(credentials, region, when, url, headers, digest, method="PUT"):
    """Return what botocore makes of the same request."""
    request = AWSRequest(method, url, headers)
    signer = Oracle(Credentials(*credentials), "s3", region)
    signer.digest = digest
    # The one thing to hold still is botocore's clock.
    with mock.patch.object(auth, "get_current_datetime", return_value=when):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    key=keys,
    host=hosts,
    secure=st.booleans(),
    region=st.sampled_from(["us-east-1", "sa-east-1", "auto"]),
    access_key=words,
    secret=words,
    token=st.none() | words,
    upload_id=st.none() | words,
    digest=digests,
    when=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001  # bounds
    create_only=st.booleans(),
)
def test_a_signed_put_is_botocores_to_the_letter(
    key, host, secure, region, access_key, secret, token, upload_id, digest, when, create_only
):
    """Any key, host, region, token and date: all headers are equal."""
    headers = {"content-type": "text/csv", "x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}
    if create_only:
        headers["if-none-match"] = "*"
    path = "/lake/" + quote(key, safe="/~")
    query = "" if upload_id is None else f"partNumber=1&uploadId={quote(upload_id, safe='-_.~')}"
    url = f"{'https' if secure else 'http'}://{host}{path}" + (f"?{query}" if query else "")
    credentials = Frozen(access_key, secret, token)
    signed = RequestSigner(region, host).sign(
        credentials,
        timestamp=when.strftime("%Y%m%dT%H%M%SZ"),
        path=path,
        query=query,
        headers=headers,
        payload=digest,
    )
    assert signed.pop("host") == host
    assert signed == botocore_headers(credentials, region, when, url, headers, digest)


@given(
    key=keys,
    host=hosts,
    access_key=words,
    secret=words,
    token=st.none() | words,
    digest=st.sampled_from([EMPTY_PAYLOAD, UNSIGNED_PAYLOAD]),
    owner=st.none() | st.from_regex(r"[0-9]{12}", fullmatch=True),
    checksums=st.booleans(),
)
def test_a_signed_head_is_botocores_to_the_letter(
    key, host, access_key, secret, token, digest, owner, checksums
):
    """With and without the checksum mode and the bucket's owner: all headers are equal."""
    headers = {"x-amz-checksum-mode": "ENABLED"} if checksums else {}
    if owner is not None:
        headers["x-amz-expected-bucket-owner"] = owner
    path, when = "/lake/" + quote(key, safe="/~"), datetime(2022, 5, 2, 12, tzinfo=UTC)
    credentials = Frozen(access_key, secret, token)
    signed = RequestSigner("eu-west-1", host).sign(
        credentials,
        method="HEAD",
        timestamp="20220502T120000Z",
        path=path,
        query="",
        headers=headers,
        payload=digest,
    )
    assert signed.pop("host") == host
    url = f"https://{host}{path}"
    assert signed == botocore_headers(
        credentials, "eu-west-1", when, url, headers, digest, method="HEAD"
    )
    lines = make_head("HEAD", path, signed, 0).decode().split("\r\n")
    assert lines[0] == f"HEAD {path} HTTP/1.1"
    assert lines[1:-2] == [f"{name}: {value}" for name, value in signed.items()]


spaced = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@pytest.mark.fault("E6")
@given(
    st.dictionaries(
        st.from_regex(r"x-amz-meta-[a-z0-9]{1,8}|content-type|x-amz-tagging", fullmatch=True),
        spaced,
        max_size=5,
    )
)
def test_headers_are_signed_with_single_spaces_and_sent_as_they_are(headers):
    """With spaces at either end or inside: as botocore signs it."""
    when = datetime(2022, 5, 2, 12, tzinfo=UTC)
    credentials = Frozen("AKIAEXAMPLE", "secret", None)
    signed = RequestSigner("us-east-1", "lake.s3.amazonaws.com").sign(
        credentials,
        timestamp="20220502T120000Z",
        path="/k",
        query="",
        headers=headers,
        payload=UNSIGNED_PAYLOAD,
    )
    url = "https://lake.s3.amazonaws.com/k"
    expected = botocore_headers(credentials, "us-east-1", when, url, headers, UNSIGNED_PAYLOAD)
    assert signed.pop("host")
    assert signed == expected
    lines = make_head("PUT", "/k", signed, 0).decode().split("\r\n")
    assert lines[1:-3] == [f"{name}: {value}" for name, value in signed.items()]
    # Nothing else is sent of what was signed, and all of it.
    listed = re.search("SignedHeaders=([^,]+)", signed["authorization"])[1].split(";")
    assert {*listed} == {*signed, "host"} - {"authorization"}


hostile = st.text(st.characters(max_codepoint=0x2FF), min_size=1, max_size=20)


@pytest.mark.fault("E5")
@given(hostile, hostile)
def test_a_head_has_the_lines_that_were_meant_or_is_refused(name, value):
    """No line end, control character or foreign letter gets in, in a name or a value."""
    fit = all(32 <= ord(one) < 127 for one in name + value)
    if not fit:
        with pytest.raises(StoreRefused, match="can't be sent"):
            make_head("PUT", "/k", {name: value}, 7)
    else:
        sent = make_head("PUT", "/k", {name: value}, 7)
        assert sent == f"PUT /k HTTP/1.1\r\n{name}: {value}\r\ncontent-length: 7\r\n\r\n".encode()


@pytest.mark.fault("E5")
@pytest.mark.parametrize("target", ["/k\r\nx: y", "/ä", "/k\0"])
def test_a_target_that_is_not_encoded_is_refused(target):
    """It is a line of the head, too."""
    with pytest.raises(StoreRefused, match="request target"):
        make_head("PUT", target, {}, 0)


@given(st.lists(st.tuples(words, st.sampled_from(["20220502", "20220503"])), min_size=2))
def test_a_signer_outlives_days_and_secrets(uses):
    """Rotated credentials and midnight are signed for as if by a new signer."""
    signer = RequestSigner("us-east-1", "lake")
    for secret, day in uses:
        request = {
            "timestamp": f"{day}T120000Z",
            "path": "/k",
            "query": "",
            "headers": {},
            "payload": UNSIGNED_PAYLOAD,
        }
        credentials = Frozen("AKIA", secret, None)
        fresh = RequestSigner("us-east-1", "lake").sign(credentials, **request)
        assert signer.sign(credentials, **request) == fresh


def test_an_example_is_as_it_ever_was():
    """A known signature, computed by botocore."""
    when = datetime(2022, 5, 2, 12, tzinfo=UTC)
    credentials = Frozen("AKIAEXAMPLE", "secret", None)
    headers = {"content-type": "text/csv"}
    signed = RequestSigner("us-east-1", "lake.s3.amazonaws.com").sign(
        credentials,
        timestamp="20220502T120000Z",
        path="/movies.csv",
        query="",
        headers=headers,
        payload=UNSIGNED_PAYLOAD,
    )
    url = "https://lake.s3.amazonaws.com/movies.csv"
    expected = botocore_headers(credentials, "us-east-1", when, url, headers, UNSIGNED_PAYLOAD)
    assert signed["authorization"] == expected["authorization"]
