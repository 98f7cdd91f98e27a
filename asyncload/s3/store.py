"""`ObjectStore` on aioboto3's low-level client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from asyncload.checksums import md5_of_etag
from asyncload.errors import (
    AccessDenied,
    NoSuchUpload,
    RequestRejected,
    ServerError,
    Throttled,
    TimedOut,
)
from asyncload.model import Checksum, ObjectKey
from asyncload.s3.body import ViewBody
from asyncload.s3.lane import CONTENT_TYPE, FastLane
from asyncload.s3.signatures import Signing
from asyncload.s3.translate import translate
from asyncload.store import Body, Part, Receipt, RemoteObject

# A call's deadline: time to be answered, and time for its bytes on a slow link.
_ANSWER_SECONDS = 30.0
_LEAST_BYTES_PER_SECOND = 64 * 1024


class S3Store:
    """One bucket, through a client that neither retries nor follows redirects.

    Every call has a deadline of 30 s and 1 s more for each 64 KiB of its body: aiohttp has no
    time-out for a server that stops reading.
    """

    def __init__(self, client: Any, bucket: str, lane: FastLane | None, signing: Signing) -> None:
        self._client = client
        self._bucket = bucket
        self._lane = lane
        self._signing = signing
        # After a throttled put, until the client was served: it can tell what the store says.
        self._lane_rests = False

    @property
    def signs_payloads(self) -> bool:
        """See `ObjectStore`."""
        return self._lane is not None and self._lane.sign_payload

    async def check_bucket(self, prefix: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._call(
                "ListObjectsV2",
                self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1),
            )
        except AccessDenied:
            # Whoever may put need not be allowed to list: the first put will tell.
            return

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        """See `ObjectStore`."""
        try:
            answer = await self._call(
                "HeadObject",
                self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"),
            )
        except RequestRejected as error:
            if error.status == 404:
                return None
            raise
        checksum = _full_checksum(answer) or md5_of_etag(answer.get("ETag", ""))
        return RemoteObject(answer["ContentLength"], checksum)

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        sha256: str | None = None,
    ) -> Receipt:
        """See `ObjectStore`."""
        view = memoryview(body)
        if self._lane is not None and not self._lane_rests:
            fast = self._lane.put(key, view, checksum, create_only=create_only, sha256=sha256)
            if (receipt := await self._by_lane(fast, len(view))) is not None:
                return receipt
        answer = await self._call(
            "PutObject",
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=ViewBody(view),
                ContentType=CONTENT_TYPE,
                **_checksum_arguments(checksum),
                **_condition(create_only),
            ),
            size=len(view),
        )
        self._lane_rests = False
        return Receipt(answer.get("ETag", ""), _full_checksum(answer))

    async def create_multipart(self, key: ObjectKey) -> str:
        """See `ObjectStore`."""
        answer = await self._call(
            "CreateMultipartUpload",
            self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                ContentType=CONTENT_TYPE,
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
            ),
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
        view = memoryview(body)
        if self._lane is not None and not self._lane_rests:
            fast = self._lane.upload_part(key, upload_id, number, view, checksum, sha256)
            if (receipt := await self._by_lane(fast, len(view))) is not None:
                return receipt
        answer = await self._call(
            "UploadPart",
            self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=ViewBody(view),
                **_checksum_arguments(checksum),
            ),
            size=len(view),
        )
        self._lane_rests = False
        if "ETag" not in answer:
            raise ServerError(f"bucket {self._bucket!r}: UploadPart was answered without an ETag")
        return Receipt(answer["ETag"], _full_checksum(answer))

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum,
        *,
        create_only: bool,
    ) -> Receipt:
        """See `ObjectStore`."""
        answer = await self._call(
            "CompleteMultipartUpload",
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {
                            "PartNumber": part.number,
                            "ETag": part.etag,
                            f"Checksum{part.checksum.algorithm}": part.checksum.digest,
                        }
                        for part in parts
                    ]
                },
                ChecksumType="FULL_OBJECT",
                **{f"Checksum{checksum.algorithm}": checksum.digest},
                **_condition(create_only),
            ),
        )
        return Receipt(answer.get("ETag", ""), _full_checksum(answer))

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._call(
                "AbortMultipartUpload",
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                ),
            )
        except NoSuchUpload:
            return

    async def _by_lane(self, fast: Awaitable[Receipt | None], size: int) -> Receipt | None:
        try:
            async with asyncio.timeout(_deadline(size)):
                return await fast
        except TimeoutError:
            return None
        except Throttled:
            self._lane_rests = True
            raise

    async def _call(
        self, operation: str, call: Awaitable[dict[str, Any]], size: int = 0
    ) -> dict[str, Any]:
        seconds = _deadline(size)
        endpoint = self._client.meta.endpoint_url
        offset = self._signing.offset
        try:
            async with asyncio.timeout(seconds):
                return await call
        except (BotoCoreError, ClientError) as error:
            failure = translate(error, operation, self._bucket, endpoint, self._signing)
            raise self._signing.learn(failure, error, used=offset) from error
        except TimeoutError as error:
            raise TimedOut(
                f"no answer from {endpoint} to {operation} within {seconds:.0f} s",
                hint="check the network, or use a lower --concurrency on a slow link",
            ) from error


def _deadline(size: int) -> float:
    return _ANSWER_SECONDS + size / _LEAST_BYTES_PER_SECOND


def _checksum_arguments(checksum: Checksum) -> dict[str, str]:
    return {
        # Some servers return a checksum only where its algorithm is named, too.
        "ChecksumAlgorithm": checksum.algorithm,
        f"Checksum{checksum.algorithm}": checksum.digest,
    }


def _condition(create_only: bool) -> dict[str, str]:
    return {"IfNoneMatch": "*"} if create_only else {}


def _full_checksum(answer: dict[str, Any]) -> Checksum | None:
    digest = answer.get("ChecksumCRC64NVME")
    # A checksum of the parts' checksums is marked by their number: "...-3".
    return Checksum("CRC64NVME", digest) if digest and "-" not in digest else None
