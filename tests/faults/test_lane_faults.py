"""What the fast lane and the client must hold alike: early answers, and what becomes a header."""

from __future__ import annotations

import pytest

from asyncload import errors
from asyncload.model.checksums import crc64nvme, crc64nvme_checksum
from asyncload.model.values import ObjectKey
from asyncload.s3 import S3Options, open_store
from asyncload.store.protocol import ObjectInfo
from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, Reply, s3_error
from tests.integration.test_lane import accept_all
from tests.support.loads import write_files
from tests.support.scripted_s3 import scripted_s3
from tests.support.tls import authority, tls_for

__all__ = ["authority"]


def early(reply):
    """Answer before the body was read; then keep the connection, and read nothing."""
    return Fault(early=True, reply=reply, cut_reply=1_000_000, how="stall")


def claim(call):
    """A success with the very checksum that was sent."""
    named = "x-amz-checksum-crc64nvme"
    return early(Reply(200, headers={"ETag": '"early"', named: call.head.fields[named]}))


def is_large(call):
    """Whether it has more bytes than the systems at both ends hold, who take them at once."""
    return call.operation in ("PutObject", "UploadPart") and call.head.length > 1_000_000


@pytest.fixture
def put_and_parts(volume, small_and_large, large_body):
    """One file for a put, one for two large parts and a small one."""
    write_files(volume, {"a.csv": large_body[: 4 * 1024 * 1024]})


@pytest.mark.fault("A5")
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_a_success_before_the_body_was_sent_costs_a_retry(
    lake, put_and_parts, authority, encrypted, lane
):
    """Of a put and of each large part, though it names the right checksum: all lands whole."""
    proxy = lake.proxy(tls=tls_for(authority) if encrypted else None)
    proxy.decide = lambda c: claim(c) if is_large(c) and c.attempt == 1 else None
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded", "l.csv": "uploaded"})
    assert (proxy.count("PutObject"), proxy.passed["PutObject"]) == (2, 1)
    assert (proxy.count("UploadPart"), proxy.passed["UploadPart"]) == (5, 3)


@pytest.mark.fault("A5")
def test_a_store_that_always_answers_too_early_fails_the_file(lake, put_and_parts, lane):
    """After ten tries, in words that say so; the others land."""
    landed = lake.load(lambda c: claim(c) if c.operation == "PutObject" else None, lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "failed", "l.csv": "uploaded"})
    assert "before its body was sent" in landed.files["a.csv"]["error"]["message"]
    assert landed.files["a.csv"]["error"]["hint"]
    assert landed.proxy.count("PutObject") == 10


@pytest.mark.fault("A5")
def test_a_refusal_before_the_body_was_sent_is_final(lake, put_and_parts, lane):
    """It is about the head, and says all that the body could change nothing about."""
    refusal = early(s3_error(403, "AccessDenied"))
    landed = lake.load(fail_always("PutObject", refusal), "--concurrency", 1, lane=lane)
    assert (landed.code, landed.error["code"]) == (5, "AccessDenied")
    assert landed.proxy.count("PutObject") == 1


@pytest.mark.fault("E6")
@pytest.mark.parametrize("value", ["two  spaces", "a   b    c", "a: b  : c", "a b"])
def test_metadata_with_spaces_is_signed_as_the_store_does(lake, volume, value, lane):
    """A store that checks signatures takes it at once, and keeps the value as it was given."""
    write_files(volume, {"a.csv": b"1"})
    landed = lake.load(None, "--metadata", f"note={value}", lane=lane)
    assert (landed.code, landed.proxy.count("PutObject")) == (0, 1)
    (put,) = [call for call in landed.proxy.calls if call.operation == "PutObject"]
    assert put.head.fields["x-amz-meta-note"] == value


OPTIONS = {
    "--sse-kms-key-id": "key\r\nx-amz-acl: public-read",
    "--metadata": "owner=me\r\nx-amz-acl: public-read",
    "--tag": "team=lake\r\nx-amz-acl: public-read",
    "--storage-class": "STANDARD\r\nx-amz-acl: public-read",
    "--expected-bucket-owner": "123456789012\r\nx-amz-acl: public-read",
    "--acl": "private\r\nx-amz-acl: public-read",
    "--sse": "AES256\r\nx-amz-acl: public-read",
}


@pytest.mark.fault("E5")
@pytest.mark.parametrize("option", OPTIONS)
def test_a_line_end_in_an_option_is_a_usage_error(lake, volume, option, lane):
    """A value that would become a header is named, and nothing is sent."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    ended = lake.program(*lake.arguments(proxy.url, option, OPTIONS[option], lane=lane))
    assert ended.code == 2
    assert option in ended.out + ended.err
    assert proxy.calls == []


@pytest.mark.fault("E5")
@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\nb", "a\0", "a\x7f", "a\tb"])
async def test_a_line_end_in_a_header_is_refused_when_the_head_is_made(value, lane, monkeypatch):
    """However it got there: not sent, not tried again, and not repeated in the message."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    checksum = crc64nvme_checksum(crc64nvme(b"1"))
    with scripted_s3(accept_all) as (url, requests):
        options = S3Options("lake", connections=1, endpoint_url=url, fast_lane=lane)
        async with open_store(options) as store:
            with pytest.raises(errors.StoreRefused, match="x-amz-meta-owner") as refused:
                await store.put(
                    ObjectKey("k"),
                    b"1",
                    checksum,
                    create_only=True,
                    info=ObjectInfo(metadata={"owner": value}),
                )
    assert "public-read" not in refused.value.message
    assert requests == []
