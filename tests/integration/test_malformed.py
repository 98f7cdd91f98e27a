"""Any answer of a server gives a request a value or one of our errors."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from botocore.exceptions import HTTPClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.errors import AsyncloadError, ServerError, StoreError, StoreUnavailable
from asyncload.model.checksums import crc64nvme, crc64nvme_checksum
from asyncload.model.values import Checksum, ObjectKey
from asyncload.s3 import S3Options, open_store
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.translate import Asked, translate
from asyncload.store.protocol import (
    ListedObject,
    OpenUpload,
    Page,
    Part,
    PutResult,
    RemoteObject,
    StoredPart,
)

KEY = ObjectKey("Raw/a.csv")
BODY = b"1|2\n"
CRC = crc64nvme_checksum(crc64nvme(BODY))
MD5 = '"0123456789abcdef0123456789abcdef"'
OBJECT = f"<Contents><Key>Raw/a.csv</Key><Size>4</Size><ETag>{MD5}</ETag></Contents>"

CALLS = {
    "check_bucket": lambda store: store.check_bucket("Raw/"),
    "head": lambda store: store.head(KEY),
    "read": lambda store: store.read(KEY, 0, 4),
    "list_objects": lambda store: store.list_objects("Raw/"),
    "list_uploads": lambda store: store.list_uploads("Raw/"),
    "list_parts": lambda store: store.list_parts(KEY, "u"),
    "put": lambda store: store.put(KEY, BODY, CRC, create_only=True),
    "create_multipart": lambda store: store.create_multipart(KEY),
    "upload_part": lambda store: store.upload_part(KEY, "u", 1, BODY, CRC),
    "complete_multipart": lambda store: store.complete_multipart(
        KEY, "u", [Part(1, "e", CRC)], CRC, create_only=True
    ),
    "abort_multipart": lambda store: store.abort_multipart(KEY, "u"),
}

HEADERS = {
    "Content-Type": "application/xml",
    "Date": "Mon, 02 May 2022 12:00:00 GMT",
    "ETag": MD5,
    "Last-Modified": "Mon, 02 May 2022 12:00:00 GMT",
    "x-amz-checksum-crc64nvme": CRC.digest,
    "x-amz-checksum-type": "FULL_OBJECT",
    "x-amz-request-id": "R1",
    "Retry-After": "1",
}
BODIES = {
    "check_bucket": "<ListBucketResult><IsTruncated>false</IsTruncated>"
    f"{OBJECT}</ListBucketResult>",
    "head": "",
    "read": "1|2\n",
    "list_objects": "<ListBucketResult><IsTruncated>true</IsTruncated>"
    f"<NextContinuationToken>t</NextContinuationToken>{OBJECT}</ListBucketResult>",
    "list_uploads": "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k"
    "</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>Raw/a.csv</Key>"
    "<UploadId>u</UploadId><Initiated>2022-05-02T12:00:00Z</Initiated></Upload>"
    "</ListMultipartUploadsResult>",
    "list_parts": "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1"
    "</NextPartNumberMarker><Part><PartNumber>1</PartNumber><Size>4</Size>"
    f"<ETag>{MD5}</ETag><LastModified>2022-05-02T12:00:00Z</LastModified>"
    f"<ChecksumCRC64NVME>{CRC.digest}</ChecksumCRC64NVME></Part></ListPartsResult>",
    "put": "",
    "create_multipart": "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
    "</InitiateMultipartUploadResult>",
    "upload_part": "",
    "complete_multipart": f"<CompleteMultipartUploadResult><ETag>{MD5}</ETag><ChecksumCRC64NVME>"
    f"{CRC.digest}</ChecksumCRC64NVME></CompleteMultipartUploadResult>",
    "abort_multipart": "",
}
ERROR = (
    "<Error><Code>SlowDown</Code><Message>slow</Message><Header>If-None-Match</Header>"
    "<Region>eu-west-1</Region><RequestId>R1</RequestId></Error>"
)
STATUSES = (101, 200, 202, 204, 206, 300, 301, 304, 307, 400, 401, 403, 404, 405, 409, 412, 413)
STATUSES += (416, 429, 500, 501, 503, 507)
ODD = (
    "",
    " ",
    "-1",
    "abc",
    "9" * 25,
    "9" * 5000,
    "1e3",
    "nan",
    "\t",
    "0",
    "true",
    "True",
    "é",
    "a-3",
)
ODD += ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-01", "[]", "%zz", "AAAA")


@st.composite
def answers(draw, call):
    """The bytes of an answer that is right, but for up to three things."""
    status = 206 if call == "read" else 204 if call == "abort_multipart" else 200
    body = draw(st.sampled_from([BODIES[call]] * 3 + [ERROR]))
    headers = dict(HEADERS) | ({"Content-Range": "bytes 0-3/4"} if call == "read" else {})
    for _ in range(draw(st.integers(1, 3))):
        what = draw(
            st.sampled_from(["status", "header", "drop", "text", "tag", "twice", "cut", "all"])
        )
        tags = re.findall(r"<(\w+)>", body)
        if what == "status":
            status = draw(st.sampled_from(STATUSES))
        elif what == "header":
            headers[draw(st.sampled_from([*headers, "Content-Length"]))] = draw(
                st.sampled_from(ODD)
            )
        elif what == "drop":
            headers.pop(draw(st.sampled_from(list(HEADERS))), None)
        elif what == "all":
            body = draw(
                st.sampled_from(["", "<", "<html><Error>x</Error></html>", "\0", ERROR * 2])
            )
        elif what == "cut":
            body = body[: draw(st.integers(0, len(body)))]
        elif tags:
            tag = draw(st.sampled_from(tags))
            if what == "text":
                odd = draw(st.sampled_from(ODD))
                body = re.sub(rf"<{tag}>[^<]*</{tag}>", f"<{tag}>{odd}</{tag}>", body)
            elif what == "tag":
                body = re.sub(rf"<{tag}>(.*?)</{tag}>", r"\1", body)
            else:
                body = re.sub(rf"(<{tag}>.*?</{tag}>)", r"\1\1", body)
    content = body.encode()
    length = {} if draw(st.integers(0, 9)) == 0 else {"Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in (length | headers).items())
    return f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + content


def check_value(value):
    """What was read of an answer has the types and the ranges that it says it has."""
    if isinstance(value, Page):
        assert value.next is None or (isinstance(value.next, str) and value.next)
        for item in value.items:
            check_value(item)
    elif isinstance(value, (ListedObject, StoredPart, OpenUpload)):
        assert isinstance(getattr(value, "etag", ""), str)
        assert 0 <= getattr(value, "size", 0) < 2**63
        assert getattr(value, "number", 1) >= 1
        assert getattr(value, "key", "k")
        for time in (getattr(value, "modified", None), getattr(value, "initiated", None)):
            assert time is None or time.utcoffset() == timedelta(0)
    elif isinstance(value, PutResult):
        assert isinstance(value.etag, str)
        assert value.checksum is None or isinstance(value.checksum, Checksum)
    elif isinstance(value, RemoteObject):
        assert 0 <= value.size < 2**63
    else:
        assert value is None or isinstance(value, bytes) or (isinstance(value, str) and value)


class RawServer:
    """Answers each request with `answer`, byte for byte, and closes the connection."""

    answer = b""

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(self.answer)
        writer.close()


@pytest.fixture
def asking(monkeypatch, lane):
    """Ask a store, opened at a raw server, for an answer."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("asyncload.s3.requests._ANSWER_SECONDS", 5.0)
    raw = RawServer()

    async def opened(stack):
        server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = S3Options("lake", connections=1, endpoint_url=url, fast_lane=lane)
        return await stack.enter_async_context(open_store(options))

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        store = runner.run(opened(stack))

        def ask(call, answer):
            raw.answer = answer
            return runner.run(CALLS[call](store))

        yield ask
        runner.run(stack.aclose())


@pytest.fixture(params=[True, False], ids=["lane", "client"])
def lane(request):
    """Whether puts and parts go by the fast lane."""
    return request.param


def outcome(asking, call, answer):
    """What a call returns, or the error of ours that it raises."""
    try:
        return asking(call, answer)
    except AsyncloadError as error:
        return error


@pytest.mark.fault("C5")
@pytest.mark.parametrize("call", CALLS)
def test_every_answer_is_a_value_or_an_error_of_ours(asking, call):
    """For every kind of request, by lane and client; and each error says what to do."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(answers(call))
    def check(answer):
        result = outcome(asking, call, answer)
        if not isinstance(result, StoreError):
            check_value(result)
            return
        assert result.hint
        assert "secret-canary" not in str(result)

    check()


def plain(call, *, status=200, drop=(), body=None, **headers):
    """A right answer to a call, but for what is said."""
    content = (BODIES[call] if body is None else body).encode()
    named = HEADERS | {"Content-Length": str(len(content))} | headers
    lines = [f"{n}: {v}" for n, v in named.items() if n not in drop]
    return "\r\n".join([f"HTTP/1.1 {status} -", *lines, "", ""]).encode() + content


@pytest.mark.fault("C5")
@pytest.mark.parametrize(
    ("call", "operation", "answer"),
    [
        ("head", "HeadObject", plain("head", drop=("Content-Length",))),
        ("head", "HeadObject", plain("head", **{"Last-Modified": "yesterday"})),
        ("head", "HeadObject", plain("head", **{"x-amz-checksum-crc64nvme": "none"})),
        ("list_objects", "ListObjectsV2", plain("list_objects", body="")),
        ("list_objects", "ListObjectsV2", plain("list_objects", body="<html></html>")),
        ("list_objects", "ListObjectsV2", plain("list_objects", status=204, body="")),
        (
            "list_objects",
            "ListObjectsV2",
            plain("list_objects", body=BODIES["list_objects"].replace(">4<", ">-4<")),
        ),
        (
            "list_objects",
            "ListObjectsV2",
            plain("list_objects", body=BODIES["list_objects"].replace("<Key>Raw/a.csv</Key>", "")),
        ),
        (
            "list_objects",
            "ListObjectsV2",
            plain(
                "list_objects",
                body="<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            ),
        ),
        ("list_parts", "ListParts", plain("list_parts", body="<ListPartsResult/>")),
        (
            "list_parts",
            "ListParts",
            plain("list_parts", body=re.sub("(<ETag>.*</ETag>)", r"\1\1", BODIES["list_parts"])),
        ),
        (
            "list_uploads",
            "ListMultipartUploads",
            plain("list_uploads", body=BODIES["list_uploads"].replace(">k<", "><")),
        ),
        ("list_uploads", "ListMultipartUploads", plain("list_uploads", status=202, body="<")),
        ("create_multipart", "CreateMultipartUpload", plain("create_multipart", body="<R/>")),
        ("upload_part", "UploadPart", plain("upload_part", drop=("ETag",))),
        ("put", "PutObject", plain("put", status=204, drop=("Content-Length",))),
        ("put", "PutObject", plain("put", status=206)),
        ("put", "PutObject", plain("put", **{"x-amz-checksum-crc64nvme": "secret-canary-secret"})),
    ],
)
def test_an_answer_that_makes_no_sense_is_that_requests_failure(asking, call, operation, answer):
    """Asked again, it may make sense; the message names the request and its key."""
    with pytest.raises(StoreError, match=rf"the answer to {operation} (of|below) 'Raw/") as caught:
        asking(call, answer)
    assert caught.value.retryable
    assert "can't be understood" in caught.value.message
    assert "secret-canary" not in caught.value.message


@pytest.mark.fault("C5")
@pytest.mark.parametrize("call", CALLS)
def test_an_error_within_a_success_and_an_interim_answer_are_failures(asking, call):
    """For any request; the content of an object can't be told from an error."""
    if call != "read":
        with pytest.raises(StoreError):
            asking(call, plain(call, body=ERROR, status=200))
    with pytest.raises(StoreError):
        asking(call, plain(call, status=101))


@pytest.mark.fault("G14")
@pytest.mark.parametrize(
    ("offset", "status", "range_", "expected"),
    [
        (0, 200, None, BODY),
        (4, 200, None, b""),
        (2, 200, None, StoreError),
        (0, 206, "bytes 0-3/4", BODY),
        (0, 206, "bytes 2-5/9", StoreError),
        (0, 206, None, StoreError),
    ],
)
def test_a_store_that_ignores_ranges_is_noticed(
    asking, monkeypatch, offset, status, range_, expected
):
    """A small object comes whole, and nothing is behind it; other bytes are never taken for it."""
    monkeypatch.setitem(CALLS, "read", lambda store: store.read(KEY, offset, 4))
    named = {"Content-Range": range_} if range_ else {}
    answer = plain("read", status=status, **named)
    if expected is StoreError:
        with pytest.raises(StoreError, match="can't be understood"):
            asking("read", answer)
    else:
        assert asking("read", answer) == expected


def test_more_of_an_object_than_was_asked_for_is_not_read(asking):
    """Nor is what comes before it taken."""
    answer = plain("read", body="1" * 5, status=206, **{"Content-Range": "bytes 0-4/5"})
    with pytest.raises(StoreError, match="more bytes than were requested"):
        asking("read", answer)


@pytest.mark.parametrize(
    ("initiated", "expected"),
    [
        ("", None),
        ("<Initiated>2022-05-02T12:00:00</Initiated>", datetime(2022, 5, 2, 12, tzinfo=UTC)),
        ("<Initiated>2022-05-02T14:00:00+02:00</Initiated>", datetime(2022, 5, 2, 12, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc_and_one_that_is_lacking_is_not_made_up(asking, initiated, expected):
    """So that ages can be computed from any answer of a store."""
    body = re.sub("<Initiated>.*</Initiated>", initiated, BODIES["list_uploads"])
    (upload,) = asking("list_uploads", plain("list_uploads", body=body)).items
    assert upload.initiated == expected


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ValueError("nonsense"), ServerError),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "nonsense"), ServerError),
        (UnicodeError("label too long"), StoreUnavailable),
        (aiohttp.InvalidURL("http://"), StoreUnavailable),
    ],
)
def test_a_malformed_request_is_distinguished_from_a_malformed_answer(cause, kind):
    """Libraries raise errors of the same kinds for both."""
    asked = Asked("PutObject", "lake", "https://store", "Raw/a.csv")
    assert type(translate(HTTPClientError(error=cause), asked, SigningClock())) is kind
