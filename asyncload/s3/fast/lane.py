"""The fast lane: the requests made for every file, without the generic client's machinery.

Those are the two that carry bytes, put and part, and HEAD. A small put costs the client over a
millisecond of CPU, of which signing and sending need a fifth. The lane sends to the address and
with the signing scope that the client itself would use, and with the trust of the client's HTTP
session. Every answer that it gets is final: the client is not asked again. A success without a body
is read here, and so is the 404 to a HEAD; all else by botocore's parser, and what is raised is what
the client would raise: `translate` says what it means.

Where the lane can't be the client's equal (a proxy, another signature than version 4), it is not
opened.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from asyncload.model.values import Checksum, ObjectKey
from asyncload.s3.arguments import checksum_headers
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.auth.http_dates import is_http_date
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

# Above this, hashing in a thread costs the loop less than hashing in it.
_HASHED_INLINE = 256 * 1024


class FastLane:
    """Sends puts, parts and HEADs to one bucket.

    Args:
        http: the client's HTTP session.
        credentials: refreshable credentials of the AWS chain.
        base_url: what a key is appended to, ending in `/`.
        region: the signing region.
        user_agent: the User-Agent header, as the client sends it.
        put_headers: what a put of a CSV says of it besides its bytes, as the client does.
        part_headers: what a part has to say besides its bytes, and a HEAD, too.
        sign_payload: whether the signature covers the body's SHA-256, as it should where TLS
            does not protect it.
        clock: tells the time to sign at, and hears the answers, as for the client.
        responses: reads what is no plain success.

    Each request raises what the client raises of its own: a `ClientError` for an answer, a
    `BotoCoreError` where credentials can't be refreshed, an `OSError` where there is no answer.
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
            # A part has no parts.
            "ChecksumType": "" if query else returned.get("x-amz-checksum-type"),
        }
        check_status(operation, answer)
        return (read_part_result if query else read_put_result)(answer, algorithm)

    async def head(self, key: ObjectKey, *, checksums: bool) -> RemoteObject | None:
        """Describe an object, None if there is none; `checksums` has the store name them."""
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
        """Sign a request, send it and hear the answer."""
        path = self._base_path + quote(key, safe="/~")
        credentials = await self._credentials.get_frozen_credentials()
        self._clock.signs_with(credentials)
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
        self._clock.heard(reply.headers)
        return reply


_NO_BODY = memoryview(b"")
_METADATA = "x-amz-meta-"
# What `ObjectOptions` asks for CSVs only.
_OF_CSVS = ("x-amz-storage-class", "x-amz-tagging", _METADATA)
_CHECKSUMS = tuple(
    (f"Checksum{name}", f"x-amz-checksum-{name.lower()}")
    for name in ("CRC64NVME", "CRC32C", "CRC32", "SHA256")
)


def _described(reply: Reply) -> dict[str, Any]:
    """Return what the client would make of an answer to HEAD, of what `describe_object` reads.

    Raises:
        ValueError: a header is not what it has to be.
    """
    headers = reply.headers
    modified = headers.get("last-modified")
    if modified is not None and not is_http_date(modified):
        # The client knows more forms; what has none of them is no answer of a store.
        read_time(modified)
    answer: dict[str, Any] = {
        "ResponseMetadata": {"HTTPStatusCode": reply.status},
        "ETag": headers.get("etag", ""),
        "ChecksumType": headers.get("x-amz-checksum-type"),
        "StorageClass": headers.get("x-amz-storage-class"),
        "Metadata": {
            name.removeprefix(_METADATA): value
            for name, value in headers.items()
            if name.startswith(_METADATA)
        },
    }
    if (length := headers.get("content-length")) is not None:
        answer["ContentLength"] = int(length)
    for named, header in _CHECKSUMS:
        answer[named] = headers.get(header)
    return answer


async def _sha256(body: memoryview) -> str:
    if len(body) <= _HASHED_INLINE:
        return hashlib.sha256(body).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()


class PutPattern(NamedTuple):
    """How the client sends a put: the URL that keys are added to, the region, and its headers."""

    base_url: str
    region: str
    put_headers: Mapping[str, str]
    part_headers: Mapping[str, str]


async def find_put_pattern(client: Any, bucket: str, **arguments: Any) -> PutPattern | None:
    """Return how the client itself would send the puts to a bucket.

    It makes and signs one, which is taken from it before it is sent. None where requests are not
    signed by plain version 4 (directory buckets, multi-region access points).

    Args:
        client: aioboto3's.
        bucket: the bucket.
        arguments: what each PutObject is given besides key, body and checksum.

    Raises:
        BotoCoreError: no request can be made for this bucket, or none be signed.
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
# What is the same for each put; the rest is the lane's to say.
_CONSTANT = re.compile(
    r"content-type$|x-amz-(?!date$|content-sha256$|security-token$|checksum-|sdk-checksum-)"
)
_ON_PARTS = ("x-amz-expected-bucket-owner", "x-amz-request-payer")
