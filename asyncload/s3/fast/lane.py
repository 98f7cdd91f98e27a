"""The fast lane: the requests made for every file, without the generic client's overhead.

These are the requests that carry bytes, put and part, and HEAD. A small put takes the client over a
millisecond of CPU time, of which signing and sending need a fifth. The lane uses the address, the
signing scope, and the TLS trust of the client. Every response is final: the client is not asked
again. A success without a body is read here, and so is the 404 to a HEAD; other responses are read
by botocore's parser, and the client's errors are raised, which `translate` converts.

The lane is not opened if it can't do what the client does: behind a proxy, or with another
signature than version 4.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from asyncload.model.http_dates import is_http_date
from asyncload.model.values import Checksum, ObjectKey
from asyncload.s3.arguments import checksum_headers
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.client.session import DirectSession
from asyncload.s3.describe import (
    check_status,
    describe_object,
    read_part_result,
    read_put_result,
)
from asyncload.s3.fast.connection import Reply
from asyncload.s3.fast.sigv4 import EMPTY_PAYLOAD, UNSIGNED_PAYLOAD, RequestSigner
from asyncload.s3.fast.sockets import AnsweredEarly
from asyncload.s3.hooks.events import make_put_request
from asyncload.s3.hooks.models import read_time
from asyncload.s3.responses import ResponseReader
from asyncload.store.protocol import CSV, ObjectInfo, PutResult, RemoteObject

# For larger bodies, hashing in a thread blocks the loop less than hashing in the loop.
_HASHED_INLINE = 256 * 1024


class FastLane:
    """Sends puts, parts and HEADs to one bucket.

    Args:
        http: the client's HTTP session.
        credentials: refreshable credentials of the AWS chain.
        base_url: the URL that a key is appended to, ending in `/`.
        region: the signing region.
        user_agent: the User-Agent header, as the client sends it.
        put_headers: the headers of a CSV's put, as the client sends them.
        part_headers: the headers of a part, and of a HEAD.
        sign_payload: whether the signature covers the body's SHA-256, which it should if TLS does
            not protect the body.
        clock: returns the time to sign at, and records the times of responses.
        responses: reads all responses except plain successes.

    Each request raises the client's errors: `ClientError` for a response, `BotoCoreError` if
    credentials can't be refreshed, `OSError` if there is no response.
    """

    def __init__(
        self,
        http: DirectSession,
        credentials: Any,
        *,
        base_url: str,
        region: str,
        user_agent: str,
        put_headers: Mapping[str, str],
        part_headers: Mapping[str, str],
        sign_payload: bool,
        clock: SigningClock,
        responses: ResponseReader,
    ) -> None:
        self._http = http
        self._credentials = credentials
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base_path = parts.path
        self._signer = RequestSigner(region, parts.netloc)
        self._user_agent = user_agent
        self._put_headers = put_headers
        self._bookkeeping_headers = {
            name: value for name, value in put_headers.items() if not name.startswith(_OF_CSVS)
        }
        self._part_headers = part_headers
        self._clock = clock
        self._responses = responses
        self.sign_payload = sign_payload

    async def put(
        self,
        key: ObjectKey,
        body: memoryview,
        checksum: Checksum,
        *,
        create_only: bool,
        sha256: str | None = None,
        info: ObjectInfo = CSV,
    ) -> PutResult:
        """Store an object."""
        headers = dict(self._bookkeeping_headers if info.bookkeeping else self._put_headers)
        headers["content-type"] = info.content_type
        for name, value in info.metadata.items():
            headers[f"{_METADATA}{name}"] = value
        if info.lock is not None:
            headers[_LOCK_MODE] = info.lock.mode
            headers[_LOCK_UNTIL] = info.lock.until_text
        if create_only:
            headers["if-none-match"] = "*"
        return await self._send(key, "", headers, body, checksum, sha256)

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: memoryview,
        checksum: Checksum,
        sha256: str | None = None,
    ) -> PutResult:
        """Store a part."""
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='-_.~')}"
        return await self._send(key, query, dict(self._part_headers), body, checksum, sha256)

    async def _send(
        self,
        key: ObjectKey,
        query: str,
        headers: dict[str, str],
        body: memoryview,
        checksum: Checksum,
        sha256: str | None = None,
    ) -> PutResult:
        headers.update(checksum_headers(checksum))
        payload = (sha256 or await _sha256(body)) if self.sign_payload else UNSIGNED_PAYLOAD
        reply = await self._request("PUT", key, query, headers, body, payload)
        if reply.early and 200 <= reply.status < 300:
            raise AnsweredEarly(reply.status)
        operation = "UploadPart" if query else "PutObject"
        if reply.status != 200 or reply.body:
            await self._responses.check(reply, operation)
        returned, algorithm = reply.headers, checksum.algorithm
        answer = {
            "ResponseMetadata": {"HTTPStatusCode": reply.status},
            "ETag": returned.get("etag", ""),
            "ServerSideEncryption": returned.get("x-amz-server-side-encryption", ""),
            f"Checksum{algorithm}": returned.get(f"x-amz-checksum-{algorithm.lower()}"),
            # A part has no parts of its own.
            "ChecksumType": "" if query else returned.get("x-amz-checksum-type"),
        }
        check_status(operation, answer)
        return (read_part_result if query else read_put_result)(answer, algorithm)

    async def head(self, key: ObjectKey, *, checksums: bool) -> RemoteObject | None:
        """Describe an object; None if it does not exist. `checksums`: ask for its checksums."""
        headers = dict(self._part_headers)
        if checksums:
            headers["x-amz-checksum-mode"] = "ENABLED"
        payload = EMPTY_PAYLOAD if self.sign_payload else UNSIGNED_PAYLOAD
        reply = await self._request("HEAD", key, "", headers, _NO_BODY, payload)
        if reply.status == 404:
            return None
        if reply.status != 200:
            await self._responses.check(reply, "HeadObject")
        answer = _described(reply)
        check_status("HeadObject", answer)
        return describe_object(answer)

    async def _request(
        self,
        method: str,
        key: ObjectKey,
        query: str,
        headers: Mapping[str, str],
        body: memoryview,
        payload: str,
    ) -> Reply:
        """Sign a request, send it and return the response."""
        path = self._base_path + quote(key, safe="/~")
        credentials = await self._credentials.get_frozen_credentials()
        self._clock.record_credentials(credentials)
        signed = self._signer.sign(
            credentials,
            method=method,
            timestamp=self._clock.timestamp(),
            path=path,
            query=query,
            headers=headers,
            payload=payload,
        )
        signed["user-agent"] = self._user_agent
        signed["accept"] = "*/*"
        signed["accept-encoding"] = "identity"
        target = f"{path}?{query}" if query else path
        reply = await self._http.request(method, self._origin, target, signed, body)
        self._clock.record_time(reply.headers)
        return reply


_NO_BODY = memoryview(b"")
_METADATA = "x-amz-meta-"
_LOCK_MODE = "x-amz-object-lock-mode"
_LOCK_UNTIL = "x-amz-object-lock-retain-until-date"
# Headers that `ObjectOptions` sets for CSVs only.
_OF_CSVS = ("x-amz-storage-class", "x-amz-tagging", _METADATA)
_CHECKSUMS = tuple(
    (f"Checksum{name}", f"x-amz-checksum-{name.lower()}")
    for name in ("CRC64NVME", "CRC32C", "CRC32", "SHA256")
)


def _described(reply: Reply) -> dict[str, Any]:
    """Return the client's form of a response to HEAD, as far as `describe_object` reads it.

    Raises:
        ValueError: a header is malformed.
    """
    headers = reply.headers
    modified = headers.get("last-modified")
    if modified is not None and not is_http_date(modified):
        # The client accepts more formats; this raises if the value is in none of them.
        read_time(modified)
    answer: dict[str, Any] = {
        "ResponseMetadata": {"HTTPStatusCode": reply.status},
        "ETag": headers.get("etag", ""),
        "ChecksumType": headers.get("x-amz-checksum-type"),
        "StorageClass": headers.get("x-amz-storage-class"),
        "ObjectLockMode": headers.get(_LOCK_MODE),
        "Metadata": {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        },
    }
    if (length := headers.get("content-length")) is not None:
        answer["ContentLength"] = int(length)
    if (until := headers.get(_LOCK_UNTIL)) is not None:
        answer["ObjectLockRetainUntilDate"] = read_time(until)
    for named, header in _CHECKSUMS:
        answer[named] = headers.get(header)
    return answer


async def _sha256(body: memoryview) -> str:
    if len(body) <= _HASHED_INLINE:
        return hashlib.sha256(body).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()


class PutPattern(NamedTuple):
    """How the client sends a put: the URL before the key, the region, and its headers."""

    base_url: str
    region: str
    put_headers: Mapping[str, str]
    part_headers: Mapping[str, str]


async def find_put_pattern(client: Any, bucket: str, **arguments: Any) -> PutPattern | None:
    """Return how the client itself would send puts to a bucket.

    The client makes and signs one put, which is captured before it is sent. None if requests are
    not signed by plain Signature Version 4 (directory buckets, multi-region access points).

    Args:
        client: aioboto3's client.
        bucket: the bucket.
        arguments: the arguments of each PutObject besides key, body and checksum.

    Raises:
        BotoCoreError: no request can be made or signed for this bucket.
    """
    if bucket.endswith("--x-s3"):
        return None
    request = await make_put_request(client, bucket, **arguments)
    parts = urlsplit(request.url)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    region = _REGION.match(headers["authorization"])
    if region is None or not parts.path.endswith("/k"):
        return None
    constant = {name: value for name, value in headers.items() if _CONSTANT.match(name)}
    return PutPattern(
        f"{parts.scheme}://{parts.netloc}{parts.path[:-1]}",
        region[1],
        constant,
        {name: value for name, value in constant.items() if name in _ON_PARTS},
    )


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


_REGION = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/\d{8}/([^/,]+)/s3/aws4_request,")
# Headers that are the same for each put; the lane sets the others.
_CONSTANT = re.compile(
    r"content-type$|x-amz-(?!date$|content-sha256$|security-token$|checksum-|sdk-checksum-)"
)
_ON_PARTS = ("x-amz-expected-bucket-owner", "x-amz-request-payer")
