"""Compare what should be in the raw zone with what is there, by checksum; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from asyncload.aio.groups import for_each
from asyncload.errors import FileFailed, InvalidKey, UsageError
from asyncload.model.values import ObjectKey, PlannedUpload
from asyncload.planning.plan import LoadPlan, lay_out_parts
from asyncload.reporting.manifest_reading import ManifestEntry, read_manifest
from asyncload.reporting.text import format_count
from asyncload.store.protocol import ObjectStore, RemoteObject, pages_of
from asyncload.transfer import (
    LocalFile,
    LocalSums,
    TransferPolicy,
    TransferTools,
    Verdict,
    compare,
    compare_recorded,
)

Kind = Literal["missing", "different", "unproved", "extra", "unreadable"]
Tell = Callable[["Discrepancy"], None]

# Markers, manifests and folders: crawlers leave them out as well.
_NOT_DATA = ("_", ".")


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is not as it should be: what, where, and the particulars.

    `unproved` is an object that can't be compared: nothing that the store says of it decides.
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

    def judged(self, verdict: Verdict, path: str, key: str | None) -> None:
        """Count an object that is its file, or tell that it is not, or not known to be."""
        if verdict.checksum is not None:
            self.proved[verdict.checksum.algorithm] += 1
        else:
            kind: Kind = "different" if verdict.standing == "different" else "unproved"
            self.differs(kind, path, key, verdict.detail)

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

    async def tell_extras(partition: str) -> None:
        await _tell_extras(partition, plan, tools.store, comparison)

    await for_each((partition for partition, _ in plan.partitions), tell_extras, concurrency)

    async def compare_one(upload: PlannedUpload) -> None:
        await _compare_file(upload, tools, comparison)

    await for_each(plan.uploads(), compare_one, concurrency)


async def _tell_extras(
    partition: str, plan: LoadPlan, store: ObjectStore, comparison: Comparison
) -> None:
    async for page in pages_of(partial(store.list_objects, partition)):
        for listed in page:
            name = listed.key.rpartition("/")[2]
            if name and not name.startswith(_NOT_DATA) and not plan.holds(listed.key):
                detail = f"an object of {format_count(listed.size, 'byte')} that no file belongs to"
                comparison.differs("extra", None, listed.key, detail)


async def _compare_file(
    upload: PlannedUpload, tools: TransferTools, comparison: Comparison
) -> None:
    path, key = upload.source.path, upload.key
    # Whatever the listing says: a store may list a key in other words than it was given in, as
    # SeaweedFS does with a backslash.
    remote = await tools.store.head(key)
    if remote is None:
        comparison.differs("missing", path, key, "there is no object")
        return
    try:
        verdict = await _verdict(upload, remote, tools)
    except FileFailed as error:
        comparison.differs("unreadable", path, key, error.message)
        return
    comparison.judged(verdict, path, key)


async def _verdict(upload: PlannedUpload, remote: RemoteObject, tools: TransferTools) -> Verdict:
    async with tools.readers.opened(upload.source.path) as (file, state):
        layout = lay_out_parts(
            state.size, min_size=tools.policy.part_size, max_size=tools.buffers.capacity
        )
        sums = LocalSums(file, state, layout, tools.policy.crc, tools.readers, tools.buffers)
        local = LocalFile(upload, state.size, state.mtime_ns, sums.like)
        return await compare(remote, local, tools.policy)


async def verify_manifest(
    key: ObjectKey,
    store: ObjectStore,
    comparison: Comparison,
    concurrency: int,
    policy: TransferPolicy | None = None,
) -> None:
    """Compare what a run's manifest says has landed with what is there.

    `policy` says what may be proof.

    Raises:
        UsageError: there is no such manifest, or it is none.
        AccessDenied: objects may not be described.
        StoreError: the store can't be asked.
    """

    async def compare_one(entry: ManifestEntry) -> None:
        await _compare_entry(entry, store, comparison, policy or TransferPolicy())

    batch: list[ManifestEntry] = []
    async for entry in read_manifest(store, key):
        batch.append(entry)
        if len(batch) == _ENTRIES_AT_ONCE:
            await for_each(iter(batch), compare_one, concurrency)
            batch = []
    await for_each(iter(batch), compare_one, concurrency)


_ENTRIES_AT_ONCE = 10_000


async def _compare_entry(
    entry: ManifestEntry, store: ObjectStore, comparison: Comparison, policy: TransferPolicy
) -> None:
    path, key = entry.path, entry.key
    if entry.status == "skipped":
        return
    remote = await store.head(key) if key is not None else None
    then = f"it failed in that run: {entry.error}; " if entry.status == "failed" else ""
    if remote is None:
        comparison.differs("missing", path, key, f"{then}there is no object")
    elif remote.size != entry.size:
        detail = f"{then}the object has {remote.size:,} bytes, the manifest says {entry.size:,}"
        comparison.differs("different", path, key, detail)
    else:
        verdict = compare_recorded(entry.checksums, remote.checksums, policy)
        comparison.judged(verdict._replace(detail=f"{then}{verdict.detail}"), path, key)


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
