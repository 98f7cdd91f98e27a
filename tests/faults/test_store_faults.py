"""Kind G of the catalogue: stores that are not AWS, and what they answer."""

from __future__ import annotations

import pytest

from asyncload import errors
from asyncload.s3.signatures import Signing
from asyncload.s3.translate import Asked, translate_answer
from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, Reply, s3_error
from tests.support.loads import write_files

NGINX_413 = Reply(
    413,
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>\r\n",
    {"content-type": "text/html", "server": "nginx/1.24.0"},
)


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "SecondLevelDomainForbidden",
            "The bucket must be addressed using OSS third level domain.",
        ),
        (
            "PathStyleDomainForbidden",
            "The bucket must be addressed using COS virtual-styled domain.",
        ),
    ],
)
def test_a_store_that_forbids_path_style_is_told_with_the_option(lake, volume, code, message, lane):
    """In the store's words, at once, and without a word of s3:PutObject."""
    write_files(volume, {"a.csv": b"1"})
    forbidden = Fault(reply=s3_error(403, code, message))
    landed = lake.load(fail_always({"ListObjectsV2", "PutObject"}, forbidden), lane=lane)
    assert (landed.code, landed.error["code"]) == (5, code)
    assert message in landed.error["message"]
    assert "--addressing-style virtual" in landed.error["hint"]
    assert landed.proxy.count("PutObject") == 0


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    "answer",
    [
        s3_error(501, "NotImplemented", "not implemented", "<Header>If-None-Match</Header>"),
        s3_error(400, "InvalidArgument", "Unsupported header 'if-none-match' received."),
        s3_error(400, "InvalidRequest", extra="<ArgumentName>If-None-Match</ArgumentName>"),
    ],
    ids=["501", "message", "argument"],
)
def test_a_store_without_if_none_match_ends_the_run_and_says_what_to_do(lake, volume, answer, lane):
    """Each further put would be refused alike."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(50)})
    refused = fail_always("PutObject", Fault(reply=answer))
    landed = lake.load(refused, "--concurrency", 2, lane=lane)
    assert landed.code == 5
    assert "if-none-match" in landed.error["hint"].lower()
    assert "--overwrite" in landed.error["hint"]
    assert landed.proxy.count("PutObject") <= 4


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("QuotaExceeded", "quota"),
        ("NewlyInvented", "the store's documentation"),
        ("AccessForbidden", "permit s3:PutObject"),
    ],
)
def test_an_unknown_refusal_keeps_its_own_words(lake, volume, code, hint, lane):
    """403 says no; why, the code says, and only a denial is told as a lacking permission."""
    write_files(volume, {"a.csv": b"1"})
    refused = fail_always("PutObject", Fault(reply=s3_error(403, code, "in its own words")))
    landed = lake.load(refused, lane=lane)
    assert (landed.code, landed.error["code"]) == (5, code)
    assert f"{code}: in its own words" in landed.error["message"]
    assert hint in landed.error["hint"]


@pytest.mark.fault("G4")
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_a_body_that_is_too_large_for_a_proxy_is_told_with_what_to_raise(
    lake, small_and_large, operation, lane
):
    """nginx answers 413 in HTML: the hint names its setting, and the others land."""
    landed = lake.load(fail_always(operation, Fault(reply=NGINX_413)), lane=lane)
    path, other = ("a.csv", "l.csv") if operation == "PutObject" else ("l.csv", "a.csv")
    assert (landed.code, landed.statuses) == (3, {path: "failed", other: "uploaded"})
    assert "HTTP 413" in landed.files[path]["error"]["message"]
    assert "client_max_body_size" in landed.files[path]["error"]["hint"]


def answered(status, code=None, **described):
    """An answer as botocore's parser gives it, to a put of the key `Raw/a.csv`."""
    document = {"Code": code or str(status), **described}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    asked = Asked("PutObject", "lake", "https://store", "Raw/a.csv", conditional=True)
    return translate_answer({"Error": document, "ResponseMetadata": metadata}, asked, Signing())


@pytest.mark.fault("G4")
def test_every_answer_that_is_an_error_says_what_to_do():
    """Whatever status or code it has; and where: bucket, operation and key."""
    codes = ("EntityTooLarge", "InternalError", "InvalidArgument", "InvalidPart", "InvalidRequest")
    codes += ("InvalidStorageClass", "KMS.NotFoundException", "KeyTooLongError", "NoSuchUpload")
    codes += ("PreconditionFailed", "SlowDown")
    for status in range(300, 600):
        for code in (None, "", *codes):
            error = answered(status, code)
            assert error.hint, (status, code)
            assert "bucket 'lake': PutObject of 'Raw/a.csv'" in error.message


@pytest.mark.fault("G4")
@pytest.mark.parametrize(
    ("header", "option"),
    [
        ("x-amz-acl", "--acl"),
        ("x-amz-checksum-crc64nvme", "--checksum auto"),
        ("x-amz-sdk-checksum-algorithm", "--checksum md5"),
        ("x-amz-meta-mtime", "--metadata"),
        ("x-amz-server-side-encryption", "--sse"),
        ("x-amz-storage-class", "--storage-class"),
        ("x-amz-tagging", "--tag"),
        ("x-amz-expected-bucket-owner", "--expected-bucket-owner"),
    ],
)
def test_a_header_that_a_store_refuses_is_told_with_its_option(header, option):
    """Wherever the store names it: as 501's header, as an argument, or in a sentence."""
    for error in (
        answered(501, "NotImplemented", Header=header),
        answered(400, "InvalidArgument", ArgumentName=header),
        answered(400, "InvalidArgument", Message=f"Unsupported header '{header}' received."),
    ):
        assert error.header == header
        assert option in error.hint
    wrong = answered(400, "InvalidRequest", Message=f"Value for {header} header is invalid.")
    assert wrong.header == ""


@pytest.mark.fault("G4")
@pytest.mark.parametrize("status", [501, 505])
def test_what_a_store_does_not_offer_is_not_asked_for_again(status):
    """These statuses are no faults that pass."""
    assert isinstance(answered(status), errors.EndpointRefused)
    assert isinstance(answered(507), errors.StoreRefused)
