"""What asyncload asks of an object store, and what it relies on.

`ObjectStore` is the one seam between moving files and speaking S3. An in-memory store and the
S3 one pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from asyncload.errors import EndlessListing
from asyncload.model.values import Checksum, ObjectKey

T = TypeVar("T")
Body = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as the store describes it: its size in bytes, and its checksums by algorithm.

    They are those that the store vouches for: each checksum of the full object that it keeps, and
    what the ETag has the form of, an MD5 or an MD5 of parts. What its writer noted in its metadata
    is none of them. What they prove is for `transfer.proof` to say. `storage_class` is "" for the
    standard one.
    """

    size: int
    checksums: Mapping[str, Checksum] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object in a listing: its key, whatever it may be, its size in bytes and its ETag."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted.

    The key may be anything. `initiated` is None, `initiator` empty where the store does not tell.
    """

    key: str
    upload_id: str
    initiated: datetime | None
    initiator: str = ""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that an open upload has: its checksum is a CRC64NVME, or None.

    `modified` is None where the store does not tell.
    """

    number: int
    size: int
    etag: str
    checksum: Checksum | None
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing; `next` is where to go on, None at the end."""

    items: Sequence[T]
    next: str | None


MAX_EMPTY_PAGES = 1000
"""So many pages without an item may follow each other in one listing."""


async def pages_of(
    ask: Callable[[str | None], Awaitable[Page[T]]],
) -> AsyncIterator[Sequence[T]]:
    """Yield a listing's pages; `ask` is given where to go on.

    Raises:
        EndlessListing: a page or a marker comes again, so that the listing would never end.
    """
    # Hashes of markers and pages: of a listing of millions, too, they take little memory.
    seen: set[int] = set()
    after, empty = None, 0
    while True:
        page = await ask(after)
        empty = 0 if page.items else empty + 1
        signs = [hash(("marker", page.next))]
        if page.items:
            signs.append(hash((page.items[0], page.items[-1])))
        if empty > MAX_EMPTY_PAGES or not seen.isdisjoint(signs):
            raise EndlessListing(
                "the store's listing does not end: its pages repeat",
                hint="the store, or a proxy before it, ignores or repeats the page markers: "
                "contact its operator",
            )
        seen.update(signs)
        yield page.items
        if page.next is None:
            return
        after = page.next


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is stored beside an object's bytes: its content type, and metadata in ASCII.

    `bookkeeping` says that it is a manifest or marker, and none of the data.
    """

    content_type: str = "text/csv"
    metadata: Mapping[str, str] = field(default_factory=dict)
    bookkeeping: bool = False


CSV = ObjectInfo()


@dataclass(frozen=True, slots=True)
class PutResult:
    """The store's answer to bytes it took: its ETag, and the checksum it returned, if any.

    `encryption` is the server-side encryption that it names, "" for none.
    """

    etag: str
    checksum: Checksum | None
    encryption: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store took: its number, the ETag it got, and the checksum it was sent."""

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

    @property
    def clock_offset(self) -> float | None:
        """By how many seconds the store's clock is ahead of this machine's.

        From the `Date` of its latest answer that has one, errors included; None before that.
        """

    def object_settings(self, info: ObjectInfo) -> Mapping[str, Any]:
        """Return all that an object is stored with besides its bytes, as JSON has it.

        Content type, metadata, tags, ACL, storage class and encryption, in S3's words. Two objects
        of equal settings differ in their bytes only.
        """

    @property
    def foreign_endpoint(self) -> str | None:
        """The address of a store that is not AWS's own, None of AWS."""

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
        info: ObjectInfo = CSV,
    ) -> PutResult:
        """Store an object in one request.

        `checksum` is a CRC or the MD5. `sha256` is the body's in hex, where `signs_payloads` asks
        for it.

        Raises:
            PreconditionFailed: `create_only`, and the key is taken.
        """

    async def read(self, key: ObjectKey, offset: int, length: int) -> bytes:
        """Return an object's bytes from `offset`, at most `length`; none beyond its end.

        Raises:
            RequestRejected: there is no such object.
        """

    async def list_objects(
        self,
        prefix: str,
        after: str | None = None,
        *,
        start_after: str = "",
        max_keys: int = 0,
    ) -> Page[ListedObject]:
        """List what is below a prefix, in any order; `after` is the last page's `next`.

        A first page can be asked to begin behind a key, and to hold at most so many keys. Whether
        the store did so is for the caller to see.
        """

    async def list_uploads(self, prefix: str, after: str | None = None) -> Page[OpenUpload]:
        """List the open multipart uploads below a prefix; `after` is as above."""

    async def list_parts(
        self, key: ObjectKey, upload_id: str, after: str | None = None
    ) -> Page[StoredPart]:
        """List what an open upload has; `after` is as above.

        Raises:
            NoSuchUpload: the upload was completed, aborted or never opened.
        """

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        """Open a multipart upload and return its upload id.

        `algorithm` is that of its parts' checksums, and, for a CRC, of the full object's.
        """

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: Body,
        checksum: Checksum,
        *,
        sha256: str | None = None,
    ) -> PutResult:
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
        checksum: Checksum | None,
        *,
        create_only: bool,
    ) -> PutResult:
        """Make one object of the parts; `checksum` is the full object's, None for MD5.

        Raises:
            PreconditionFailed: `create_only`, and the key is taken; the upload stays open.
            NoSuchUpload: as for `upload_part`.
            UploadBroken: the store lost a part, or wants all of them anew.
        """

    async def read_tags(self, key: ObjectKey) -> Mapping[str, str]:
        """Return an object's tags."""

    async def delete(self, key: ObjectKey) -> None:
        """Remove an object; one that is gone is no error. It is for success markers only."""

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """Discard an upload and its parts; one that is gone is no error."""
