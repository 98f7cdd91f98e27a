"""Compare the expected content of the raw zone with its objects by checksum; read-only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from asyncload.aio.buffers import BufferPool
from asyncload.aio.groups import for_each
from asyncload.errors import FileFailed, InvalidKey, UsageError
from asyncload.model.values import ObjectKey, PlannedUpload, Warned
from asyncload.operations.lock_check import WantedLock, recorded_lock, unreadable_lock
from asyncload.planning.plan import LoadPlan, lay_out_parts
from asyncload.reporting.manifest_reading import ManifestEntry, read_manifest
from asyncload.reporting.text import format_count
from asyncload.reporting.verification import Difference, DifferenceKind, FileVerified
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, RemoteObject, pages_of
from asyncload.transfer import (
    LocalFile,
    LocalSums,
    TransferPolicy,
    Verdict,
    compare,
    compare_recorded,
)

# Markers, manifests and folders; crawlers ignore them too.
_NOT_DATA = ("_", ".")
# Entries of a manifest in memory at once.
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """The common parts of the comparisons of a verification.

    `policy` says which checksums count as proof, `concurrency` how many objects are compared at
    once. `emit` receives each verified file, each difference, and warnings. `lock` is how objects
    should be locked; None if that is not compared.
    """

    store: ObjectStore
    policy: TransferPolicy
    concurrency: int
    emit: Callable[[FileVerified | Difference | Warned], None]
    lock: WantedLock | None = None

    def with_recorded_lock(self, run: Mapping[str, Any]) -> Comparison:
        """Return the comparison with the objects of a recorded run: locked as it locked them.

        What the options say comes first.
        """
        if self.lock is not None:
            return self
        try:
            return replace(self, lock=recorded_lock(run))
        except UsageError as error:
            self.emit(Warned(unreadable_lock(error), "name it with --lock-mode and --lock-until"))
            return self

    def compare_lock(self, remote: RemoteObject, path: str, key: str | None) -> bool:
        """Return whether an object is locked as it should be; emit a difference if it is not.

        False, too, if locks are not compared.
        """
        if self.lock is None:
            return False
        flaw = self.lock.flaw_of(remote)
        if flaw is not None:
            kind, detail = flaw
            self.add_difference(kind, path, key, detail)
        return flaw is None

    def add_verdict(
        self, verdict: Verdict, path: str, key: str | None, *, locked: bool = False
    ) -> None:
        """Emit an object that matches its file, or a difference."""
        if verdict.checksum is not None:
            self.emit(FileVerified(path, key, verdict.checksum, locked=locked))
        else:
            kind: DifferenceKind = "different" if verdict.standing == "different" else "unverified"
            self.add_difference(kind, path, key, verdict.detail)

    def add_difference(
        self, kind: DifferenceKind, path: str | None, key: str | None, detail: str
    ) -> None:
        """Emit a difference."""
        self.emit(Difference(kind, path, key, detail))


async def compare_volume(
    plan: LoadPlan,
    comparison: Comparison,
    readers: Readers,
    buffers: BufferPool,
    *,
    find_extra: bool = True,
) -> None:
    """Compare each planned file with its object; `find_extra` reports objects without a file.

    Raises:
        AccessDenied: listing partitions or reading objects' metadata is denied.
        StoreError: the store can't be queried.
    """
    for failure in plan.failures:
        comparison.add_difference("unreadable", failure.path, failure.key, failure.error.message)

    async def find_in(partition: str) -> None:
        await _find_extra(partition, plan, comparison)

    if find_extra:
        partitions = (partition for partition, _ in plan.partitions)
        await for_each(partitions, find_in, comparison.concurrency)

    async def compare_one(upload: PlannedUpload) -> None:
        await _compare_file(upload, comparison, readers, buffers)

    await for_each(plan.uploads(), compare_one, comparison.concurrency)


async def _find_extra(partition: str, plan: LoadPlan, comparison: Comparison) -> None:
    async for page in pages_of(partial(comparison.store.list_objects, partition)):
        for listed in page:
            name = listed.key.rpartition("/")[2]
            if name and not name.startswith(_NOT_DATA) and not plan.holds(listed.key):
                detail = f"no file for this object of {format_count(listed.size, 'byte')}"
                comparison.add_difference("extra", None, listed.key, detail)


async def _compare_file(
    upload: PlannedUpload, comparison: Comparison, readers: Readers, buffers: BufferPool
) -> None:
    path, key = upload.source.path, upload.key
    # Independent of the listing: a store may list a key in another spelling, as SeaweedFS does
    # with a backslash.
    remote = await comparison.store.head(key)
    if remote is None:
        comparison.add_difference("missing", path, key, "the object does not exist")
        return
    locked = comparison.compare_lock(remote, path, key)
    try:
        verdict = await _verdict(upload, remote, comparison.policy, readers, buffers)
    except FileFailed as error:
        comparison.add_difference("unreadable", path, key, error.message)
        return
    comparison.add_verdict(verdict, path, key, locked=locked)


async def _verdict(
    upload: PlannedUpload,
    remote: RemoteObject,
    policy: TransferPolicy,
    readers: Readers,
    buffers: BufferPool,
) -> Verdict:
    async with readers.opened(upload.source) as (file, state):
        layout = lay_out_parts(state.size, min_size=policy.part_size, max_size=buffers.capacity)
        sums = LocalSums(file, state, layout, policy.crc, readers, buffers)
        local = LocalFile(upload, state.size, state.mtime_ns, sums.like)
        return await compare(remote, local, policy)


async def compare_manifest(key: ObjectKey, comparison: Comparison) -> None:
    """Compare the files in a run's manifest with the objects in the bucket.

    Raises:
        UsageError: the manifest does not exist, or is invalid.
        AccessDenied: reading objects' metadata is denied.
        StoreError: the store can't be queried.
    """

    def describe(run: Mapping[str, Any]) -> None:
        nonlocal comparison
        comparison = comparison.with_recorded_lock(run)

    async def compare_one(entry: ManifestEntry) -> None:
        await _compare_entry(entry, comparison)

    batch: list[ManifestEntry] = []
    async for entry in read_manifest(comparison.store, key, describe):
        batch.append(entry)
        if len(batch) == _BATCH:
            await for_each(iter(batch), compare_one, comparison.concurrency)
            batch = []
    await for_each(iter(batch), compare_one, comparison.concurrency)


async def _compare_entry(entry: ManifestEntry, comparison: Comparison) -> None:
    path, key = entry.path, entry.key
    if entry.status == "skipped":
        return
    remote = await comparison.store.head(key) if key is not None else None
    then = f"the file failed in that run: {entry.error}; " if entry.status == "failed" else ""
    locked = False
    if remote is not None and not then:
        locked = comparison.compare_lock(remote, path, key)
    if remote is None:
        comparison.add_difference("missing", path, key, f"{then}the object does not exist")
    elif remote.size != entry.size:
        size = format_count(remote.size, "byte")
        detail = f"{then}the object has {size}, the manifest says {entry.size:,}"
        comparison.add_difference("different", path, key, detail)
    elif entry.status != "present":
        # The manifest of the run that collected a present answer has its checksums.
        verdict = compare_recorded(entry.checksums, remote.checksums, comparison.policy)
        verdict = verdict._replace(detail=f"{then}{verdict.detail}")
        comparison.add_verdict(verdict, path, key, locked=locked)


def manifest_key_of(text: str, bucket: str, prefix: str, option: str = "--manifest") -> ObjectKey:
    """Return the key of a manifest, given by an option as run id, key or `s3://` address.

    Raises:
        UsageError: the text is not a valid key, or names another bucket.
    """
    key = text
    if text.startswith("s3://"):
        named, _, key = text.removeprefix("s3://").partition("/")
        if named != bucket:
            raise UsageError(
                f"{option}: {text!r} is not in bucket {bucket!r}",
                hint="set --bucket to its bucket",
            )
    elif "/" not in text:
        key = f"{prefix}/{text.removesuffix('.json')}.json"
    try:
        return ObjectKey(key)
    except InvalidKey as error:
        raise UsageError(f"{option}: {text!r} is not a valid key: {error}") from error
