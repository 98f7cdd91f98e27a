"""The interface of an object store, and the promises asyncload relies on.

`ObjectStore` is the only boundary between moving files and S3. An in-memory store and the S3 store
pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from asyncload.errors import EndlessListing
from asyncload.model.values import Checksum, Lock, ObjectKey

T = TypeVar("T")
Body = bytes | bytearray | memoryview


class RemoteObject(NamedTuple):
    """An object as the store describes it: its size in bytes, and its checksums by algorithm.

    These are the checksums the store itself states: each full-object checksum that it keeps, and
    the ETag if it has the form of an MD5 or an MD5 of parts. Checksums in the metadata, which the
    writer chose, are not included. `transfer.proof` decides what they prove. `storage_class` is ""
    for the standard one. `lock` is None if there is none, or if the store does not say.
    """

    size: int
    checksums: Mapping[str, Checksum] = MappingProxyType({})
    metadata: Mapping[str, str] = MappingProxyType({})
    storage_class: str = ""
    lock: Lock | None = None


class ListedObject(NamedTuple):
    """An object in a listing: its key (of any form), its size in bytes and its ETag."""

    key: str
    size: int
    etag: str


class OpenUpload(NamedTuple):
    """A multipart upload that was created and neither completed nor aborted.

    The key may be any text. If the store does not say, `initiated` is None and `initiator` empty.
    """

    key: str
    upload_id: str
    initiated: datetime | None
    initiator: str = ""


class StoredPart(NamedTuple):
    """A part of an open upload: its checksum is a CRC64NVME, or None.

    `modified` is None if the store does not say.
    """

    number: int
    size: int
    etag: str
    checksum: Checksum | None
    modified: datetime | None


class Page(NamedTuple, Generic[T]):
    """One page of a listing; `next` is the marker of the next page, None at the end."""

    items: Sequence[T]
    next: str | None


MAX_EMPTY_PAGES = 1000
"""At most so many pages without an item may follow each other in one listing."""


async def pages_of(
    ask: Callable[[str | None], Awaitable[Page[T]]],
) -> AsyncIterator[Sequence[T]]:
    """Yield a listing's pages; `ask` is called with the marker of each page.

    Raises:
        EndlessListing: a page or a marker is repeated, so the listing would never end.
    """
    # Hashes of markers and pages take little memory, even for a listing of millions.
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


class ObjectInfo(NamedTuple):
    """What is stored with an object's bytes: its content type, and metadata in ASCII.

    `bookkeeping`: the object is a manifest or a marker, not data. `lock` protects the object from
    being deleted or changed; None for the bucket's default.
    """

    content_type: str = "text/csv"
    metadata: Mapping[str, str] = MappingProxyType({})
    bookkeeping: bool = False
    lock: Lock | None = None


CSV = ObjectInfo()


class PutResult(NamedTuple):
    """The store's answer to bytes it accepted: the ETag, and the returned checksum, if any.

    `encryption` is the server-side encryption it states, "" for none.
    """

    etag: str
    checksum: Checksum | None
    encryption: str = ""


class Part(NamedTuple):
    """A stored part: its number, its ETag, and the checksum it was sent with."""

    number: int
    etag: str
    checksum: Checksum


class ObjectStore(Protocol):
    """One bucket of an object store.

    Promises: every method may be called concurrently, and repeated after any failure without harm;
    an object appears whole or not at all; a body's bytes are not read after the call returned. The
    store rejects a request whose body and checksum disagree.

    Every method raises `StoreError`: its subclass says what happened, its `retryable` whether the
    same request may succeed later.
    """

    @property
    def wanted_digest(self) -> str | None:
        """The hash, by its name in `hashlib`, that is wanted with each body; None for none.

        The store computes it from a body that comes without: passing it along spares a second
        look at bytes that the caller has just read.
        """

    @property
    def clock_offset(self) -> float | None:
        """By how many seconds the store's clock is ahead of this machine's.

        Taken from the `Date` of its latest response that has one, errors included; None before
        that.
        """

    def object_settings(self, info: ObjectInfo) -> Mapping[str, Any]:
        """Return all settings an object is stored with, in JSON types.

        Content type, metadata, tags, ACL, storage class, encryption and lock, in S3's words. Two
        objects with equal settings differ only in their bytes.
        """

    @property
    def foreign_endpoint(self) -> str | None:
        """The address of a store other than AWS; None for AWS."""

    async def check_bucket(self, prefix: str) -> None:
        """Check that the bucket exists and its prefix can be used.

        Raises:
            StoreRefused: credentials, bucket or region are wrong. A denied listing is ignored,
                because puts may still be allowed.
        """

    async def has_object_lock(self) -> bool | None:
        """Return whether the bucket has Object Lock enabled; None if it is not permitted to ask."""

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        """Describe an object; None if it does not exist.

        Raises:
            AccessDenied: the store does not say whether it exists.
        """

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
        """Store an object in one request.

        `checksum` is a CRC or the MD5. `digest` is the body's `wanted_digest` in hex.

        Raises:
            PreconditionFailed: `create_only`, and the key holds an object.
        """

    async def read(self, key: ObjectKey, offset: int, length: int) -> bytes:
        """Return an object's bytes from `offset`, at most `length`; none beyond its end.

        Raises:
            RequestRejected: the object does not exist.
        """

    async def list_objects(
        self,
        prefix: str,
        after: str | None = None,
        *,
        start_after: str = "",
        max_keys: int = 0,
    ) -> Page[ListedObject]:
        """List the objects below a prefix, in any order; `after` is the last page's `next`.

        The first page can be asked to begin after a key and to hold at most so many keys. The
        caller has to check whether the store did so.
        """

    async def list_uploads(self, prefix: str, after: str | None = None) -> Page[OpenUpload]:
        """List the open multipart uploads below a prefix; `after` is as above."""

    async def list_parts(
        self, key: ObjectKey, upload_id: str, after: str | None = None
    ) -> Page[StoredPart]:
        """List the parts of an open upload; `after` is as above.

        Raises:
            NoSuchUpload: the upload was completed, aborted or never created.
        """

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        """Create a multipart upload and return its id.

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
        digest: str | None = None,
    ) -> PutResult:
        """Store one part; a part with the same number is replaced.

        `digest` is as for `put`.

        Raises:
            NoSuchUpload: the upload was completed, aborted or never created.
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
            PreconditionFailed: `create_only`, and the key holds an object; the upload stays open.
            NoSuchUpload: as for `upload_part`.
            UploadBroken: the store lost a part, or requires all of them again.
        """

    async def read_tags(self, key: ObjectKey) -> Mapping[str, str]:
        """Return an object's tags."""

    async def delete(self, key: ObjectKey) -> None:
        """Delete an object; a missing one is not an error.

        Only success markers, old records of runs and objects of tests are deleted.
        """

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        """Discard an upload and its parts; a missing one is not an error."""
