"""What asyncload asks of an object store, and what it relies on.

`ObjectStore` is the one seam between moving files and speaking S3. An in-memory store and the
S3 one pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from asyncload.model import Checksum, ObjectKey

Body = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as the store describes it: its size in bytes, and a checksum of all of it.

    The checksum is the CRC64NVME where the store keeps one, else the MD5 that the ETag of a
    single put holds (and which can prove equality only), else None.
    """

    size: int
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The store's answer to bytes it took: its ETag, and the checksum it returned, if any."""

    etag: str
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store took: its number, the ETag it got, and its CRC64NVME."""

    number: int
    etag: str
    checksum: Checksum


class ObjectStore(Protocol):
    """One bucket of an object store.

    Promises: every method may be called concurrently, and repeated after any failure without
    harm; an object appears whole or not at all; a body's bytes are not read after the call
    returned. Bodies and checksums must agree, or the store rejects the request.

    Every method raises `StoreError`: its subclass says what was meant, its `retryable` whether
    the same request may succeed later.
    """

    @property
    def signs_payloads(self) -> bool:
        """Whether a body's SHA-256, where the caller has it, saves the store computing it."""

    async def check_bucket(self, prefix: str) -> None:
        """Make sure that the bucket is there and its prefix can be used.

        Raises:
            StoreRefused: credentials, bucket or region are wrong. A bucket that may not be
                listed passes: putting may be allowed all the same.
        """

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        """Describe an object; None if there is none.

        Raises:
            AccessDenied: the store won't say, which means neither "there" nor "not there".
        """

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        sha256: str | None = None,
    ) -> Receipt:
        """Store an object in one request.

        `sha256` is the body's in hex, where `signs_payloads` asks for it.

        Raises:
            PreconditionFailed: `create_only`, and the key is taken.
        """

    async def create_multipart(self, key: ObjectKey) -> str:
        """Open a multipart upload and return its upload id."""

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
        """Store one part. The same number again replaces the part.

        `sha256` is as for `put`.

        Raises:
            NoSuchUpload: the upload was completed, aborted or never opened.
        """

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum,
        *,
        create_only: bool,
    ) -> Receipt:
        """Make one object of the parts; `checksum` is the full object's.

        Raises:
            PreconditionFailed: `create_only`, and the key is taken; the upload stays open.
            NoSuchUpload: as for `upload_part`.
        """

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """Discard an upload and its parts; one that is gone is no error."""
