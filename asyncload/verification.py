"""Compare what should be in the raw zone with what is there, by checksum; nothing is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from asyncload.errors import FileFailed, InvalidKey, UsageError
from asyncload.groups import for_each
from asyncload.inventory import Inventory
from asyncload.model import Checksum, ObjectKey, PlannedUpload
from asyncload.plan import LoadPlan, lay_out_parts
from asyncload.store import ObjectStore, RemoteObject, pages_of
from asyncload.survey import inventory_entries
from asyncload.transfer import LocalFile, LocalSums, TransferTools, find_equality

T = TypeVar("T")
Kind = Literal["missing", "different", "extra", "unreadable"]
Tell = Callable[["Discrepancy"], None]

_READ = 8 * 1024 * 1024
# Markers, manifests and folders: crawlers leave them out as well.
_NOT_DATA = ("_", ".")


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is not as it should be: what, where, and the particulars.

    `path` is None for an object that no file belongs to, `key` for a file that makes none.
    """

    kind: Kind
    path: str | None
    key: str | None
    detail: str


@dataclass(slots=True)
class Comparison:
    """What a comparison came to: files that are there and proved by what, and what is not so."""

    tell: Tell
    proved: Counter[str] = field(default_factory=Counter)
    found: Counter[Kind] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Whether all is as it should be."""
        return not self.found

    def same(self, checksum: Checksum) -> None:
        """Count an object that is its file."""
        self.proved[checksum.algorithm] += 1

    def differs(self, kind: Kind, path: str | None, key: str | None, detail: str) -> None:
        """Count and tell of a discrepancy."""
        self.found[kind] += 1
        self.tell(Discrepancy(kind, path, key, detail))


async def verify_volume(
    plan: LoadPlan, tools: TransferTools, comparison: Comparison, concurrency: int
) -> None:
    """Compare each planned file with its object, and tell of objects that no file belongs to.

    Raises:
        AccessDenied: partitions may not be listed, or objects not be described.
        StoreError: the store can't be asked.
    """
    for failure in plan.failures:
        comparison.differs("unreadable", failure.path, failure.key, failure.error.message)
    inventory = Inventory()
    for partition in sorted({upload.partition for upload in plan.uploads()}):
        await _list_partition(partition, plan, tools.store, inventory, comparison)
    inventory.seal()

    async def compare(upload: PlannedUpload) -> None:
        await _compare_file(upload, tools, inventory, comparison)

    await for_each(plan.uploads(), compare, concurrency)


async def _list_partition(
    partition: str,
    plan: LoadPlan,
    store: ObjectStore,
    inventory: Inventory,
    comparison: Comparison,
) -> None:
    async for page in pages_of(partial(store.list_objects, partition)):
        inventory.add(inventory_entries(page), plan.holds)
        for listed in page:
            name = listed.key.rpartition("/")[2]
            if name and not name.startswith(_NOT_DATA) and not plan.holds(listed.key):
                detail = f"an object of {listed.size:,} bytes that no file belongs to"
                comparison.differs("extra", None, listed.key, detail)
    inventory.close(partition)


async def _compare_file(
    upload: PlannedUpload, tools: TransferTools, inventory: Inventory, comparison: Comparison
) -> None:
    path, key = upload.source.path, upload.key
    if inventory.find(upload).state == "free":
        comparison.differs("missing", path, key, "there is no object")
        return
    remote = await tools.store.head(key)
    if remote is None:
        comparison.differs("missing", path, key, "there is no object")
        return
    try:
        equal, size = await _equality(upload, remote, tools)
    except FileFailed as error:
        comparison.differs("unreadable", path, key, error.message)
        return
    if equal is not None:
        comparison.same(equal)
    else:
        comparison.differs("different", path, key, _how_it_differs(remote, size))


async def _equality(
    upload: PlannedUpload, remote: RemoteObject, tools: TransferTools
) -> tuple[Checksum | None, int]:
    async with tools.readers.opened(upload.source.path) as (file, state):
        layout = lay_out_parts(
            state.size, least=tools.policy.part_size, most=tools.buffers.capacity
        )
        sums = LocalSums(file, state, layout, tools.policy.crc, tools.readers, tools.buffers)
        local = LocalFile(upload, state.size, state.mtime_ns, sums.checksum)
        return await find_equality(remote, local), state.size


def _how_it_differs(remote: RemoteObject, size: int) -> str:
    if remote.size != size:
        return f"the object has {remote.size:,} bytes, the file {size:,}"
    if remote.checksum is None and remote.recorded is None:
        return "the store has no checksum of the object to compare by"
    return "the bytes differ"


async def verify_manifest(
    key: ObjectKey, store: ObjectStore, comparison: Comparison, concurrency: int
) -> None:
    """Compare what a run's manifest says has landed with what is there.

    Raises:
        UsageError: there is no such manifest, or it is none.
        AccessDenied: objects may not be described.
        StoreError: the store can't be asked.
    """

    async def compare(entry: Mapping[str, Any]) -> None:
        await _compare_entry(entry, store, comparison)

    batch: list[Mapping[str, Any]] = []
    async for entry in read_manifest(store, key):
        batch.append(entry)
        if len(batch) == _ENTRIES_AT_ONCE:
            await for_each(iter(batch), compare, concurrency)
            batch = []
    await for_each(iter(batch), compare, concurrency)


_ENTRIES_AT_ONCE = 10_000


async def _compare_entry(
    entry: Mapping[str, Any], store: ObjectStore, comparison: Comparison
) -> None:
    path, key, outcome = entry["path"], entry["key"], entry["outcome"]
    if outcome == "skipped":
        return
    if outcome == "failed":
        comparison.differs("missing", path, key, f"it failed in that run: {entry['error']}")
        return
    remote = await store.head(ObjectKey(key))
    recorded = Checksum(entry["verified_by"], entry["checksum"])
    if remote is None:
        comparison.differs("missing", path, key, "there is no object")
    elif remote.size != entry["size"]:
        detail = f"the object has {remote.size:,} bytes, the manifest says {entry['size']:,}"
        comparison.differs("different", path, key, detail)
    elif recorded in (remote.checksum, remote.recorded):
        comparison.same(recorded)
    else:
        theirs = remote.checksum
        detail = f"the store says {theirs.algorithm} {theirs.digest}" if theirs else "no checksum"
        expected = f"the manifest {recorded.algorithm} {recorded.digest}"
        comparison.differs("different", path, key, f"{detail}, {expected}")


async def read_manifest(store: ObjectStore, key: ObjectKey) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the files of a manifest, in flat memory.

    Raises:
        UsageError: there is no such object, or it is no manifest of asyncload's.
    """
    hint = "name a run id or the key of a manifest; they are below --manifest-prefix"
    try:
        lines = _lines(store, key)
        head = await anext(lines, b"")
        if not head.startswith(b'{"run":'):
            raise UsageError(f"--manifest: {key!r} is no manifest of asyncload's", hint=hint)
        async for line in lines:
            if line.startswith(b"]"):
                return
            if line:
                yield json.loads(line.removesuffix(b","))
        raise UsageError(f"--manifest: {key!r} is cut off", hint="that run did not end well")
    except ValueError as error:
        raise UsageError(f"--manifest: {key!r} can't be read: {error}", hint=hint) from error


async def _lines(store: ObjectStore, key: ObjectKey) -> AsyncIterator[bytes]:
    if await store.head(key) is None:
        raise UsageError(
            f"--manifest: there is no object {key!r}",
            hint="name a run id or the key of a manifest; they are below --manifest-prefix",
        )
    offset, rest = 0, b""
    while piece := await store.read(key, offset, _READ):
        offset += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def manifest_key_of(text: str, bucket: str, prefix: str) -> ObjectKey:
    """Return the key that a run id, a key or an `s3://` address of a manifest means.

    Raises:
        UsageError: it means none, or one in another bucket.
    """
    key = text
    if text.startswith("s3://"):
        named, _, key = text.removeprefix("s3://").partition("/")
        if named != bucket:
            raise UsageError(f"--manifest: {text!r} is not in the bucket {bucket!r}")
    elif "/" not in text:
        key = f"{prefix}/{text.removesuffix('.json')}.json"
    try:
        return ObjectKey(key)
    except InvalidKey as error:
        raise UsageError(f"--manifest: {text!r} is no key: {error}") from error
