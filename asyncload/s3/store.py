"""`ObjectStore` on aioboto3's low-level client."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from asyncload.errors import (
    AccessDenied,
    EndpointRefused,
    NoSuchUpload,
    ProtectionIgnored,
    RequestRejected,
)
from asyncload.model.checksums import md5_digest
from asyncload.model.values import Checksum, ObjectKey
from asyncload.s3.arguments import checksum_arguments, condition, part_arguments, whole_arguments
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.auth.identity import Identity
from asyncload.s3.auth.lending import Lent
from asyncload.s3.client.body import ViewBody
from asyncload.s3.describe import (
    check_encryption,
    check_range,
    check_status,
    describe_object,
    page_of_objects,
    page_of_parts,
    page_of_uploads,
    read_lock_configuration,
    read_part_result,
    read_put_result,
    read_tag_set,
    read_upload_id,
)
from asyncload.s3.dialect import Dialect
from asyncload.s3.fast.lane import FastLane
from asyncload.s3.options import S3Options
from asyncload.s3.requests import Requests
from asyncload.settings.endpoints import is_aws
from asyncload.store.protocol import (
    CSV,
    Body,
    ListedObject,
    ObjectInfo,
    OpenUpload,
    Page,
    Part,
    PutResult,
    RemoteObject,
    StoredPart,
)

# For larger bodies, hashing in a thread blocks the loop less than hashing in the loop.
_HASHED_INLINE = 256 * 1024
# An account id that owns no bucket.
_NOBODY = "000000000000"


class S3Store:
    """One bucket, through a client that neither retries nor follows redirects.

    Puts, parts and HEAD go by the fast lane, if there is one.
    """

    def __init__(
        self,
        client: Any,
        options: S3Options,
        lane: FastLane | None,
        clock: SigningClock,
        dialect: Dialect,
    ) -> None:
        self._requests = Requests(client, options, clock)
        self._objects = options.objects
        self._lane = lane
        self._clock = clock
        self._dialect = dialect
        self._owner_is_checked = False

    @property
    def wanted_digest(self) -> str | None:
        """See `ObjectStore`: the lane signs bodies by their SHA-256, unless TLS protects them."""
        return "sha256" if self._lane is not None and self._lane.sign_payload else None

    @property
    def clock_offset(self) -> float | None:
        """See `ObjectStore`."""
        return self._clock.reported_offset

    @property
    def identity(self) -> Identity | None:
        """Whose credentials it was opened with; None if there are none."""
        return self._clock.identity

    async def lend_credentials(self, rejected: str = "") -> Lent | None:
        """Return the credentials for another process. See `Renewal.lend`."""
        return await self._clock.renewal.lend(rejected)

    def object_settings(self, info: ObjectInfo) -> Mapping[str, Any]:
        """See `ObjectStore`."""
        return self._objects.arguments(info)

    @property
    def foreign_endpoint(self) -> str | None:
        """See `ObjectStore`."""
        url = str(self._requests.client.meta.endpoint_url)
        return None if is_aws(url) else url

    async def check_bucket(self, prefix: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._requests.call("ListObjectsV2", page_of_objects, Prefix=prefix, MaxKeys=1)
        except AccessDenied:
            # Credentials that may write need not be allowed to list: the first put shows it.
            return
        await self._check_owner(prefix)

    async def _check_owner(self, prefix: str) -> None:
        """Check that a store other than AWS refuses a wrong owner, if an owner is expected."""
        owner = self._requests.expected_owner
        if owner is None or self._owner_is_checked or self.foreign_endpoint is None:
            return
        wrong = _NOBODY if owner != _NOBODY else _NOBODY.replace("0", "1")
        where = {"Prefix": prefix, "MaxKeys": 1, "ExpectedBucketOwner": wrong}
        try:
            await self._requests.call("ListObjectsV2", page_of_objects, **where)
        except (AccessDenied, RequestRejected):
            self._owner_is_checked = True
            return
        raise ProtectionIgnored(
            f"--expected-bucket-owner: the store does not check it: it also answers for {wrong}",
            hint="use a store that checks it, or omit the option",
        )

    async def has_object_lock(self) -> bool | None:
        """See `ObjectStore`."""
        try:
            return await self._requests.call("GetObjectLockConfiguration", read_lock_configuration)
        except AccessDenied:
            return None
        except (EndpointRefused, RequestRejected):
            # S3 answers 404; a store without Object Lock may not know the request.
            return False

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        """See `ObjectStore`."""
        renewal = self._clock.renewal
        renewals = renewal.count

        lane = self._lane

        async def ask(checksums: bool) -> RemoteObject | None:
            if lane is not None:
                return await self._requests.make(
                    "HeadObject", {"Key": key}, lambda: lane.head(key, checksums=checksums)
                )
            mode = {"ChecksumMode": "ENABLED"} if checksums else {}
            return await self._requests.call("HeadObject", describe_object, Key=key, **mode)

        try:
            return await self._dialect.head(ask, lambda: renewal.count)
        except RequestRejected as error:
            if error.status == 404:
                return None
            if error.status != 400:
                raise
            # A response to HEAD does not say that credentials have expired; one with a body does.
            await self.check_bucket(key)
            if renewal.count == renewals:
                raise
            return await self.head(key)

    async def read(self, key: ObjectKey, offset: int, length: int) -> bytes:
        """See `ObjectStore`."""
        requests = self._requests
        where = {"Key": key, "Range": f"bytes={offset}-{offset + length - 1}"}

        async def ask() -> bytes:
            answer = await requests.client.get_object(**requests.everywhere, **where)
            body = answer["Body"]
            async with body:
                check_status("GetObject", answer)
                if not check_range(answer, offset):
                    return b""
                content = bytearray()
                while piece := await body.read(length + 1 - len(content)):
                    content += piece
                    if len(content) > length:
                        raise ValueError("it has more bytes than were requested")
                return bytes(content)

        try:
            return await requests.make("GetObject", where, ask, size=length)
        except RequestRejected as error:
            if error.status == 416:
                return b""
            raise

    async def list_objects(
        self,
        prefix: str,
        after: str | None = None,
        *,
        start_after: str = "",
        max_keys: int = 0,
    ) -> Page[ListedObject]:
        """See `ObjectStore`."""
        named = {"ContinuationToken": after, "StartAfter": start_after, "MaxKeys": max_keys}
        where = {name: value for name, value in named.items() if value}
        return await self._requests.call("ListObjectsV2", page_of_objects, Prefix=prefix, **where)

    async def list_uploads(self, prefix: str, after: str | None = None) -> Page[OpenUpload]:
        """See `ObjectStore`."""
        key, _, upload_id = (after or "").partition("\n")
        markers = {"KeyMarker": key, "UploadIdMarker": upload_id}
        where = {name: marker for name, marker in markers.items() if marker}
        try:
            return await self._requests.call(
                "ListMultipartUploads", page_of_uploads, Prefix=prefix, **where
            )
        except NoSuchUpload:
            # The response of `rclone serve s3` for a bucket without uploads.
            return Page((), None)

    async def list_parts(
        self, key: ObjectKey, upload_id: str, after: str | None = None
    ) -> Page[StoredPart]:
        """See `ObjectStore`."""
        where = {"PartNumberMarker": int(after)} if after else {}
        return await self._requests.call(
            "ListParts", page_of_parts, Key=key, UploadId=upload_id, **where
        )

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        digest: str | None = None,
        info: ObjectInfo = CSV,
    ) -> PutResult:
        """See `ObjectStore`."""
        view, lane = memoryview(body), self._lane

        async def ask(sent: Checksum) -> PutResult:
            conditional = condition(create_only)
            if lane is None:
                return await self._requests.call(
                    "PutObject",
                    partial(read_put_result, algorithm=sent.algorithm),
                    Key=key,
                    Body=ViewBody(view),
                    **self._objects.arguments(info),
                    **checksum_arguments(sent),
                    **conditional,
                )
            return await self._requests.make(
                "PutObject",
                {"Key": key, **conditional},
                lambda: lane.put(
                    key, view, sent, create_only=create_only, sha256=digest, info=info
                ),
                size=len(view),
            )

        result = await self._send(view, checksum, ask)
        check_encryption(result.encryption, self._objects.sse, "PutObject")
        return result

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        """See `ObjectStore`."""
        kind = {"ChecksumAlgorithm": algorithm, "ChecksumType": "FULL_OBJECT"}

        async def ask(checksums: bool) -> tuple[str, str]:
            return await self._requests.call(
                "CreateMultipartUpload",
                read_upload_id,
                Key=key,
                **self._objects.arguments(info),
                **(kind if checksums else {}),
            )

        making = ask(False) if algorithm == "MD5" else self._dialect.send(ask)
        upload_id, encryption = await making
        try:
            check_encryption(encryption, self._objects.sse, "CreateMultipartUpload")
        except ProtectionIgnored:
            await self.abort_multipart(key, upload_id)
            raise
        return upload_id

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: Body,
        checksum: Checksum,
        *,
        digest: str | None = None,
    ) -> PutResult:
        """See `ObjectStore`."""
        view, lane = memoryview(body), self._lane

        async def ask(sent: Checksum) -> PutResult:
            part = {"Key": key, "UploadId": upload_id, "PartNumber": number}
            if lane is None:
                return await self._requests.call(
                    "UploadPart",
                    partial(read_part_result, algorithm=sent.algorithm),
                    Body=ViewBody(view),
                    **part,
                    **checksum_arguments(sent),
                )
            return await self._requests.make(
                "UploadPart",
                part,
                lambda: lane.upload_part(key, upload_id, number, view, sent, digest),
                size=len(view),
            )

        return await self._send(view, checksum, ask)

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum | None,
        *,
        create_only: bool,
    ) -> PutResult:
        """See `ObjectStore`."""

        async def ask(checksums: bool) -> PutResult:
            whole = checksum if checksums else None
            named = [part_arguments(part, checksum=checksums) for part in parts]
            return await self._requests.call(
                "CompleteMultipartUpload",
                partial(read_put_result, algorithm=whole.algorithm if whole else ""),
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": named},
                **whole_arguments(whole),
                **condition(create_only),
            )

        return await (ask(False) if checksum is None else self._dialect.send(ask))

    async def read_tags(self, key: ObjectKey) -> Mapping[str, str]:
        """See `ObjectStore`."""
        return await self._requests.call("GetObjectTagging", read_tag_set, Key=key)

    async def delete(self, key: ObjectKey) -> None:
        """See `ObjectStore`."""
        await self._requests.call("DeleteObject", _nothing, Key=key)

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """See `ObjectStore`."""
        try:
            await self._requests.call("AbortMultipartUpload", _nothing, Key=key, UploadId=upload_id)
        except NoSuchUpload:
            return

    async def _send(
        self, view: memoryview, checksum: Checksum, ask: Callable[[Checksum], Awaitable[PutResult]]
    ) -> PutResult:
        """Send bytes with a checksum; with their MD5 if the store accepts no other checksum."""
        if checksum.algorithm == "MD5":
            return await ask(checksum)

        async def ask_with(checksums: bool) -> PutResult:
            return await ask(checksum if checksums else await _md5(view))

        result = await self._dialect.send(ask_with)
        if result.checksum is not None:
            self._dialect.confirm_checksums()
        return result


def _nothing(_: Mapping[str, Any]) -> None:
    """Ignore a response."""


async def _md5(view: memoryview) -> Checksum:
    def digest() -> bytes:
        return hashlib.md5(view, usedforsecurity=False).digest()

    small = len(view) <= _HASHED_INLINE
    return md5_digest(digest() if small else await asyncio.to_thread(digest))
