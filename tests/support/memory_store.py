"""A strict `ObjectStore` in memory: it keeps the contract, and rejects what S3 rejects."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field

from asyncload.checksums import combine_crc64nvme, crc64nvme, crc64nvme_checksum
from asyncload.errors import (
    BucketNotFound,
    NoSuchUpload,
    PreconditionFailed,
    RequestRejected,
)
from asyncload.model import ObjectKey
from asyncload.store import Part, Receipt, RemoteObject

LEAST_PART = 5 * 1024 * 1024


@dataclass
class _Upload:
    key: ObjectKey
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryStore:
    """One bucket. `objects` and `uploads` are for tests to look at; `calls` counts requests."""

    def __init__(self, *, exists: bool = True, least_part: int = LEAST_PART) -> None:
        self.exists = exists
        self.least_part = least_part
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, _Upload] = {}
        self.calls: Counter[str] = Counter()
        self.body_bytes = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._ids = iter(range(1, 1_000_000))

    @property
    def signs_payloads(self):
        return False

    async def check_bucket(self, prefix):
        await self._answer("check_bucket")

    async def head(self, key):
        await self._answer("head")
        body = self.objects.get(key)
        if body is None:
            return None
        return RemoteObject(len(body), crc64nvme_checksum(crc64nvme(body)))

    async def put(self, key, body, checksum, *, create_only, sha256=None):
        await self._answer("put", body)
        body = self._take(body, checksum)
        if create_only and key in self.objects:
            raise PreconditionFailed("the key is taken", code="PreconditionFailed", status=412)
        self.objects[key] = body
        return Receipt(_etag(body), checksum)

    async def create_multipart(self, key):
        await self._answer("create_multipart")
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = _Upload(key)
        return upload_id

    async def upload_part(self, key, upload_id, number, body, checksum, *, sha256=None):
        await self._answer("upload_part", body)
        upload = self._upload(key, upload_id)
        if not 1 <= number <= 10_000:
            raise RequestRejected("part number out of range", code="InvalidArgument", status=400)
        upload.parts[number] = self._take(body, checksum)
        return Receipt(_etag(upload.parts[number]), checksum)

    async def complete_multipart(self, key, upload_id, parts, checksum, *, create_only):
        await self._answer("complete_multipart")
        upload = self._upload(key, upload_id)
        whole = self._assemble(upload, parts)
        if crc64nvme_checksum(crc64nvme(whole)) != checksum:
            raise RequestRejected("the full object differs", code="BadDigest", status=400)
        if create_only and key in self.objects:
            raise PreconditionFailed("the key is taken", code="PreconditionFailed", status=412)
        self.objects[key] = whole
        del self.uploads[upload_id]
        return Receipt(f'"{hashlib.md5(whole).hexdigest()}-{len(parts)}"', checksum)

    async def abort_multipart(self, key, upload_id):
        await self._answer("abort_multipart")
        self.uploads.pop(upload_id, None)

    async def _answer(self, call: str, body=b"") -> None:
        """Count the call; give others a turn, as a request on a network does."""
        self.calls[call] += 1
        self.body_bytes += len(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        if not self.exists:
            raise BucketNotFound("no such bucket", code="NoSuchBucket", status=404)

    def _take(self, body, checksum) -> bytes:
        whole = bytes(body)
        if checksum != crc64nvme_checksum(crc64nvme(whole)):
            raise RequestRejected("the body differs", code="BadDigest", status=400)
        return whole

    def _upload(self, key, upload_id) -> _Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise NoSuchUpload("no such upload", code="NoSuchUpload", status=404)
        return upload

    def _assemble(self, upload: _Upload, parts: list[Part]) -> bytes:
        numbers = [part.number for part in parts]
        if not numbers or numbers != sorted(set(numbers)):
            raise RequestRejected("parts out of order", code="InvalidPartOrder", status=400)
        bodies = []
        for part in parts:
            body = upload.parts.get(part.number)
            if body is None or part.etag != _etag(body):
                raise RequestRejected("a part is missing", code="InvalidPart", status=400)
            bodies.append(body)
        if any(len(body) < self.least_part for body in bodies[:-1]):
            raise RequestRejected("a part is too small", code="EntityTooSmall", status=400)
        assert combine_crc64nvme((crc64nvme(b), len(b)) for b in bodies) == crc64nvme(
            b"".join(bodies)
        )
        return b"".join(bodies)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
