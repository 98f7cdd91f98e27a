"""A strict `ObjectStore` in memory: it keeps the contract, and rejects what S3 rejects."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from asyncload.errors import (
    BucketNotFound,
    NoSuchUpload,
    PreconditionFailed,
    RequestRejected,
)
from asyncload.model.checksums import by_algorithm, checksum_of, md5_digest, md5_of_parts
from asyncload.model.values import Checksum, ObjectKey
from asyncload.store.protocol import (
    CSV,
    ListedObject,
    OpenUpload,
    Page,
    Part,
    PutResult,
    RemoteObject,
    StoredPart,
)
from tests.support.observed import observe

MIN_PART = 5 * 1024 * 1024


@dataclass
class Upload:
    key: ObjectKey
    algorithm: str = "CRC64NVME"
    info: object = CSV
    parts: dict[int, bytes] = field(default_factory=dict)
    initiated: datetime = field(default_factory=lambda: datetime.now(UTC))


class MemoryStore:
    """One bucket. `objects` and `uploads` are for tests to look at; `calls` counts requests."""

    def __init__(
        self, *, exists: bool = True, min_part: int | None = None, page: int = 1000
    ) -> None:
        self.exists = exists
        self.locks: bool | None = False
        self.foreign_endpoint: str | None = None
        self.min_part = MIN_PART if min_part is None else min_part
        self.page = page
        self.objects: dict[str, bytes] = {}
        self.infos: dict[str, object] = {}
        self.algorithms: dict[str, str] = {}
        self.of_parts: dict[str, Checksum] = {}
        self.uploads: dict[str, Upload] = {}
        self.clock_offset: float | None = 0.0
        self.stored_as: dict[str, object] = {}
        self.calls: Counter[str] = Counter()
        self.body_bytes = 0
        self.part_bytes = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._ids = iter(range(1, 1_000_000))

    @property
    def wanted_digest(self):
        return None

    def object_settings(self, info):
        return {
            "ContentType": info.content_type,
            "Metadata": dict(info.metadata),
            **({} if info.bookkeeping else self.stored_as),
            **({"ObjectLock": [info.lock.mode, info.lock.until_text]} if info.lock else {}),
        }

    async def has_object_lock(self):
        await self._answer("has_object_lock")
        return self.locks

    async def check_bucket(self, prefix):
        await self._answer("check_bucket")

    async def head(self, key):
        await self._answer("head")
        body = self.objects.get(key)
        if body is None:
            return None
        algorithm = self.algorithms.get(key, "CRC64NVME")
        checksum = None if key in self.of_parts else checksum_of(body, algorithm)
        etag = self.of_parts.get(key) or md5_digest(_md5(body))
        metadata = getattr(self.infos.get(key), "metadata", {})
        lock = getattr(self.infos.get(key), "lock", None)
        return RemoteObject(len(body), by_algorithm(checksum, etag), metadata, "", lock)

    async def read(self, key, offset, length):
        await self._answer("read")
        if key not in self.objects:
            raise RequestRejected("no such key", code="NoSuchKey", status=404)
        return self.objects[key][offset : offset + length]

    async def list_objects(self, prefix, after=None, *, start_after="", max_keys=0):
        await self._answer("list_objects")
        start, most = after or start_after, min(max_keys or self.page, self.page)
        keys = heapq.nsmallest(
            most + 1, (k for k in self.objects if k.startswith(prefix) and k > start)
        )
        items = [
            ListedObject(key, len(self.objects[key]), _etag(self.objects[key]))
            for key in keys[:most]
        ]
        return Page(items, keys[most - 1] if len(keys) > most else None)

    async def list_uploads(self, prefix, after=None):
        await self._answer("list_uploads")
        ids = sorted(
            upload_id
            for upload_id, upload in self.uploads.items()
            if upload.key.startswith(prefix) and upload_id > (after or "")
        )
        items = [
            OpenUpload(self.uploads[i].key, i, self.uploads[i].initiated) for i in ids[: self.page]
        ]
        return Page(items, ids[self.page - 1] if len(ids) > self.page else None)

    async def list_parts(self, key, upload_id, after=None):
        await self._answer("list_parts")
        upload = self._upload(key, upload_id)
        numbers = sorted(n for n in upload.parts if n > int(after or 0))
        items = [
            StoredPart(
                number,
                len(upload.parts[number]),
                _etag(upload.parts[number]),
                None,
                upload.initiated,
            )
            for number in numbers[: self.page]
        ]
        return Page(items, str(numbers[self.page - 1]) if len(numbers) > self.page else None)

    async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
        await self._answer("put", body)
        body = self._take(body, checksum)
        if create_only and key in self.objects:
            raise PreconditionFailed(
                "the key already holds an object", code="PreconditionFailed", status=412
            )
        self._keep(key, body, checksum.algorithm, info)
        return PutResult(_etag(body), None if checksum.algorithm == "MD5" else checksum)

    async def create_multipart(self, key, *, algorithm="CRC64NVME", info=CSV):
        await self._answer("create_multipart")
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = Upload(key, algorithm, info)
        return upload_id

    async def upload_part(self, key, upload_id, number, body, checksum, *, digest=None):
        await self._answer("upload_part", body)
        self.part_bytes += len(body)
        upload = self._upload(key, upload_id)
        if not 1 <= number <= 10_000:
            raise RequestRejected("part number out of range", code="InvalidArgument", status=400)
        if checksum.algorithm != upload.algorithm:
            raise RequestRejected("another algorithm", code="InvalidRequest", status=400)
        upload.parts[number] = self._take(body, checksum)
        return PutResult(
            _etag(upload.parts[number]), None if checksum.algorithm == "MD5" else checksum
        )

    async def complete_multipart(self, key, upload_id, parts, checksum, *, create_only):
        await self._answer("complete_multipart")
        upload = self._upload(key, upload_id)
        whole = self._assemble(upload, parts)
        if checksum is not None and checksum_of(whole, upload.algorithm) != checksum:
            raise RequestRejected("the full object differs", code="BadDigest", status=400)
        if create_only and key in self.objects:
            raise PreconditionFailed(
                "the key already holds an object", code="PreconditionFailed", status=412
            )
        self._keep(key, whole, upload.algorithm, upload.info)
        del self.uploads[upload_id]
        of_parts = md5_of_parts(_md5(upload.parts[part.number]) for part in parts)
        if checksum is None:
            self.of_parts[key] = of_parts
        return PutResult(f'"{of_parts.digest}"', checksum)

    async def read_tags(self, key):
        await self._answer("read_tags")
        return {}

    async def delete(self, key):
        await self._answer("delete")
        self.objects.pop(key, None)

    async def abort_multipart(self, key, upload_id):
        await self._answer("abort_multipart")
        self.uploads.pop(upload_id, None)

    async def _answer(self, call: str, body=b"") -> None:
        """Count the call; give others a turn, as a request on a network does."""
        self.calls[call] += 1
        self.body_bytes += len(body)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        if not self.exists:
            raise BucketNotFound("no such bucket", code="NoSuchBucket", status=404)

    def _take(self, body, checksum) -> bytes:
        whole = _Kept(body)
        if checksum != checksum_of(whole, checksum.algorithm):
            raise RequestRejected("the body differs", code="BadDigest", status=400)
        return whole

    def _keep(self, key, body, algorithm, info) -> None:
        if info.bookkeeping:
            observe(bytes(body))
        self.objects[key] = body
        self.algorithms[key] = algorithm
        self.infos[key] = info
        self.of_parts.pop(key, None)

    def _upload(self, key, upload_id) -> Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise NoSuchUpload("no such upload", code="NoSuchUpload", status=404)
        return upload

    def _assemble(self, upload: Upload, parts: list[Part]) -> bytes:
        numbers = [part.number for part in parts]
        if not numbers or numbers != sorted(set(numbers)):
            raise RequestRejected("parts out of order", code="InvalidPartOrder", status=400)
        bodies = []
        for part in parts:
            body = upload.parts.get(part.number)
            if body is None or part.etag != _etag(body):
                raise RequestRejected("a part is missing", code="InvalidPart", status=400)
            bodies.append(body)
        if any(len(body) < self.min_part for body in bodies[:-1]):
            raise RequestRejected("a part is too small", code="EntityTooSmall", status=400)
        return _Kept(b"".join(bodies))


class _Kept(bytes):
    """Bytes of an object or a part, whose MD5 is computed once."""

    @cached_property
    def md5(self) -> bytes:
        return hashlib.md5(self).digest()


def _md5(body: bytes) -> bytes:
    return body.md5 if isinstance(body, _Kept) else hashlib.md5(body).digest()


def _etag(body: bytes) -> str:
    return f'"{_md5(body).hex()}"'
