"""`ObjectStore` on aioboto3's low-level client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from asyncload.errors import (
    AccessDenied,
    AsyncloadError,
    NoSuchUpload,
    RequestRejected,
    ServerError,
    TimedOut,
)
from asyncload.model import Checksum, ObjectKey
from asyncload.s3.arguments import checksum_arguments, condition, part_arguments, whole_arguments
from asyncload.s3.body import ViewBody
from asyncload.s3.describe import (
    describe_object,
    full_checksum,
    page_of_objects,
    page_of_parts,
    page_of_uploads,
)
from asyncload.s3.lane import FastLane
from asyncload.s3.options import S3Options
from asyncload.s3.signatures import Signing
from asyncload.s3.sockets import AnsweredEarly
from asyncload.s3.translate import MALFORMED, Asked, malformed, translate
from asyncload.store import (
    CSV,
    Body,
    ListedObject,
    ObjectInfo,
    OpenUpload,
    Page,
    Part,
    Receipt,
    RemoteObject,
    StoredPart,
)

T = TypeVar("T")

# What a request fails with, by client or lane, besides what a malformed answer raises.
_FAILURES = (BotoCoreError, ClientError, AnsweredEarly, aiohttp.ClientError, OSError)

# A call's deadline: time to be answered, and time for its bytes on a slow link.
_ANSWER_SECONDS = 30.0
_LEAST_BYTES_PER_SECOND = 64 * 1024


class S3Store:
    """One bucket, through a client that neither retries nor follows redirects.

    Every call has a deadline of 30 s and 1 s more for each 64 KiB of its body: aiohttp has no
    time-out for a server that stops reading.
    """

    def __init__(
        self, client: Any, options: S3Options, lane: FastLane | None, signing: Signing
    ) -> None:
        self._client = client
        self._bucket = options.bucket
        self._objects = options.objects
        self._everywhere = {"Bucket": options.bucket}
        if options.expected_bucket_owner:
            self._everywhere["ExpectedBucketOwner"] = options.expected_bucket_owner
        self._lane = lane
        self._signing = signing

    @property
    def signs_payloads(self) -> bool:
        """See `ObjectStore`."""
        return self._lane is not None and self._lane.sign_payload

    @property
    def clock_offset(self) -> float | None:
        """See `ObjectStore`."""
        return self._signing.told_offset

    async def check_bucket(self, prefix: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._call("ListObjectsV2", Prefix=prefix, MaxKeys=1)
        except AccessDenied:
            # Whoever may put need not be allowed to list: the first put will tell.
            return

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        """See `ObjectStore`."""
        renewals = self._signing.renewal.count
        try:
            answer = await self._call("HeadObject", Key=key, ChecksumMode="ENABLED")
        except RequestRejected as error:
            if error.status == 404:
                return None
            if error.status != 400:
                raise
            # No answer to HEAD says that credentials have expired; one that has a body does.
            await self.check_bucket(key)
            if self._signing.renewal.count == renewals:
                raise
            return await self.head(key)
        return describe_object(answer)

    async def read(self, key: ObjectKey, offset: int, length: int) -> bytes:
        """See `ObjectStore`."""
        where = {"Key": key, "Range": f"bytes={offset}-{offset + length - 1}"}

        async def ask() -> bytes:
            answer = await self._client.get_object(**self._everywhere, **where)
            async with answer["Body"] as body:
                content: bytes = await body.read()
                return content

        try:
            return await self._make(self._asked("GetObject", where), length, ask)
        except RequestRejected as error:
            if error.status == 416:
                return b""
            raise

    async def list_objects(self, prefix: str, after: str | None = None) -> Page[ListedObject]:
        """See `ObjectStore`."""
        where = {"ContinuationToken": after} if after else {}
        return page_of_objects(await self._call("ListObjectsV2", Prefix=prefix, **where))

    async def list_uploads(self, prefix: str, after: str | None = None) -> Page[OpenUpload]:
        """See `ObjectStore`."""
        key, _, upload_id = (after or "").partition("\n")
        markers = {"KeyMarker": key, "UploadIdMarker": upload_id}
        where = {name: marker for name, marker in markers.items() if marker}
        return page_of_uploads(await self._call("ListMultipartUploads", Prefix=prefix, **where))

    async def list_parts(
        self, key: ObjectKey, upload_id: str, after: str | None = None
    ) -> Page[StoredPart]:
        """See `ObjectStore`."""
        where = {"PartNumberMarker": int(after)} if after else {}
        return page_of_parts(await self._call("ListParts", Key=key, UploadId=upload_id, **where))

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        sha256: str | None = None,
        info: ObjectInfo = CSV,
    ) -> Receipt:
        """See `ObjectStore`."""
        view, lane = memoryview(body), self._lane
        if lane is not None and not info.bookkeeping:
            put = {"Key": key, **condition(create_only)}
            return await self._make(
                self._asked("PutObject", put),
                len(view),
                lambda: lane.put(
                    key,
                    view,
                    checksum,
                    create_only=create_only,
                    sha256=sha256,
                    metadata=info.metadata,
                ),
            )
        answer = await self._call(
            "PutObject",
            Key=key,
            Body=ViewBody(view),
            **self._objects.arguments(info),
            **checksum_arguments(checksum),
            **condition(create_only),
        )
        return Receipt(answer.get("ETag", ""), full_checksum(answer, (checksum.algorithm,)))

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        """See `ObjectStore`."""
        kind = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"}
        answer = await self._call(
            "CreateMultipartUpload",
            Key=key,
            **self._objects.arguments(info),
            **(kind if algorithm != "MD5" else {}),
        )
        return str(answer["UploadId"])

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: Body,
        checksum: Checksum,
        *,
        sha256: str | None = None,
    ) -> Receipt:
        """See `ObjectStore`."""
        view, lane = memoryview(body), self._lane
        if lane is not None:
            receipt = await self._make(
                self._asked("UploadPart", {"Key": key}),
                len(view),
                lambda: lane.upload_part(key, upload_id, number, view, checksum, sha256),
            )
        else:
            answer = await self._call(
                "UploadPart",
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=ViewBody(view),
                **checksum_arguments(checksum),
            )
            receipt = Receipt(answer.get("ETag", ""), full_checksum(answer, (checksum.algorithm,)))
        if not receipt.etag:
            raise ServerError(f"bucket {self._bucket!r}: UploadPart was answered without an ETag")
        return receipt

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum | None,
        *,
        create_only: bool,
    ) -> Receipt:
        """See `ObjectStore`."""
        answer = await self._call(
            "CompleteMultipartUpload",
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [part_arguments(part) for part in parts]},
            **whole_arguments(checksum),
            **condition(create_only),
        )
        names = (checksum.algorithm,) if checksum else ()
        return Receipt(answer.get("ETag", ""), full_checksum(answer, names))

    async def delete(self, key: ObjectKey) -> None:
        """See `ObjectStore`."""
        await self._call("DeleteObject", Key=key)

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._call("AbortMultipartUpload", Key=key, UploadId=upload_id)
        except NoSuchUpload:
            return

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        method = getattr(self._client, xform_name(operation))

        async def ask() -> dict[str, Any]:
            answer: dict[str, Any] = await method(**self._everywhere, **arguments)
            return answer

        size = len(arguments.get("Body", b""))
        return await self._make(self._asked(operation, arguments), size, ask)

    def _asked(self, operation: str, arguments: Mapping[str, Any]) -> Asked:
        key = arguments.get("Key") or arguments.get("Prefix", "")
        endpoint = self._client.meta.endpoint_url
        return Asked(operation, self._bucket, endpoint, key, "IfNoneMatch" in arguments)

    async def _make(self, asked: Asked, size: int, ask: Callable[[], Awaitable[T]]) -> T:
        """Make a request by client or lane; once more where credentials have expired."""
        return await self._signing.renewal.repeat(lambda: self._attempt(asked, size, ask))

    async def _attempt(self, asked: Asked, size: int, ask: Callable[[], Awaitable[T]]) -> T:
        """Give a request its deadline, and its failure its meaning."""
        seconds = _deadline(size)
        offset = self._signing.offset
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await ask()
        except _FAILURES as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                raise TimedOut(
                    f"no answer from {asked.endpoint} to {asked} within {seconds:.0f} s",
                    hint="check the network, or use a lower --concurrency on a slow link",
                ) from error
            raise self._failure(error, asked, offset) from error
        except MALFORMED as error:
            raise malformed(error, asked, self._signing) from error

    def _failure(self, error: Exception, asked: Asked, offset: float) -> AsyncloadError:
        failure = translate(error, asked, self._signing)
        if isinstance(failure, AccessDenied) and "ExpectedBucketOwner" in self._everywhere:
            owner = self._everywhere["ExpectedBucketOwner"]
            failure.hint += f"; or the bucket is not the account's {owner}, as is expected"
        return self._signing.learn(failure, error, used=offset)


def _deadline(size: int) -> float:
    return _ANSWER_SECONDS + size / _LEAST_BYTES_PER_SECOND
