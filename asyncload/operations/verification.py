"""Compare the expected content of the raw zone with its objects by checksum; read-only."""

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

Kind = Literal["missing", "different", "unverified", "extra", "unreadable"]
Emit = Callable[["Difference"], None]

# Markers, manifests and folders; crawlers ignore them too.
_NOT_DATA = ("_", ".")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its kind, path, key and details.

    `unverified` is an object that can't be compared, because the store returns no usable checksum.
    `path` is None for an object without a file, `key` is None for a file without a valid key.
    """

    kind: Kind
    path: str | None
    key: str | None
    detail: str


@dataclass(slots=True)
class Comparison:
    """The result of a comparison: verified files by algorithm, and differences by kind."""

    emit: Emit
    verified: Counter[str] = field(default_factory=Counter)
    differences: Counter[Kind] = field(default_factory=Counter)

    @property
    def matches(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    def add_verdict(self, verdict: Verdict, path: str, key: str | None) -> None:
        """Count an object that matches its file, or add a difference."""
        if verdict.checksum is not None:
            self.verified[verdict.checksum.algorithm] += 1
        else:
            kind: Kind = "different" if verdict.standing == "different" else "unverified"
            self.add_difference(kind, path, key, verdict.detail)

    def add_difference(self, kind: Kind, path: str | None, key: str | None, detail: str) -> None:
        """Count and emit a difference."""
        self.differences[kind] += 1
        self.emit(Difference(kind, path, key, detail))


async def verify_volume(
    plan: LoadPlan, tools: TransferTools, comparison: Comparison, concurrency: int
) -> None:
    """Compare each planned file with its object, and report objects without a file.

    Raises:
        AccessDenied: listing partitions or reading objects' metadata is denied.
        StoreError: the store can't be queried.
    """
    for failure in plan.failures:
        comparison.add_difference("unreadable", failure.path, failure.key, failure.error.message)

    async def find_extra(partition: str) -> None:
        await _find_extra(partition, plan, tools.store, comparison)

    await for_each((partition for partition, _ in plan.partitions), find_extra, concurrency)

    async def compare_one(upload: PlannedUpload) -> None:
        await _compare_file(upload, tools, comparison)

    await for_each(plan.uploads(), compare_one, concurrency)


async def _find_extra(
    partition: str, plan: LoadPlan, store: ObjectStore, comparison: Comparison
) -> None:
    async for page in pages_of(partial(store.list_objects, partition)):
        for listed in page:
            name = listed.key.rpartition("/")[2]
            if name and not name.startswith(_NOT_DATA) and not plan.holds(listed.key):
                detail = f"no file for this object of {format_count(listed.size, 'byte')}"
                comparison.add_difference("extra", None, listed.key, detail)


async def _compare_file(
    upload: PlannedUpload, tools: TransferTools, comparison: Comparison
) -> None:
    path, key = upload.source.path, upload.key
    # Independent of the listing: a store may list a key in another spelling, as SeaweedFS does
    # with a backslash.
    remote = await tools.store.head(key)
    if remote is None:
        comparison.add_difference("missing", path, key, "there is no object")
        return
    try:
        verdict = await _verdict(upload, remote, tools)
    except FileFailed as error:
        comparison.add_difference("unreadable", path, key, error.message)
        return
    comparison.add_verdict(verdict, path, key)


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
    """Compare the files in a run's manifest with the objects in the bucket.

    `policy` says which checksums count as proof.

    Raises:
        UsageError: the manifest does not exist, or is invalid.
        AccessDenied: reading objects' metadata is denied.
        StoreError: the store can't be queried.
    """

    async def compare_one(entry: ManifestEntry) -> None:
        await _compare_entry(entry, store, comparison, policy or TransferPolicy())

    batch: list[ManifestEntry] = []
    async for entry in read_manifest(store, key):
        batch.append(entry)
        if len(batch) == _BATCH:
            await for_each(iter(batch), compare_one, concurrency)
            batch = []
    await for_each(iter(batch), compare_one, concurrency)


_BATCH = 10_000


async def _compare_entry(
    entry: ManifestEntry, store: ObjectStore, comparison: Comparison, policy: TransferPolicy
) -> None:
    path, key = entry.path, entry.key
    if entry.status == "skipped":
        return
    remote = await store.head(key) if key is not None else None
    then = f"the file failed in that run: {entry.error}; " if entry.status == "failed" else ""
    if remote is None:
        comparison.add_difference("missing", path, key, f"{then}there is no object")
    elif remote.size != entry.size:
        size = format_count(remote.size, "byte")
        detail = f"{then}the object has {size}, the manifest says {entry.size:,}"
        comparison.add_difference("different", path, key, detail)
    else:
        verdict = compare_recorded(entry.checksums, remote.checksums, policy)
        comparison.add_verdict(verdict._replace(detail=f"{then}{verdict.detail}"), path, key)


def manifest_key_of(text: str, bucket: str, prefix: str) -> ObjectKey:
    """Return the key of a manifest, given as run id, key or `s3://` address.

    Raises:
        UsageError: the text is not a valid key, or names another bucket.
    """
    key = text
    if text.startswith("s3://"):
        named, _, key = text.removeprefix("s3://").partition("/")
        if named != bucket:
            raise UsageError(
                f"--manifest: {text!r} is not in bucket {bucket!r}",
                hint="set --bucket to its bucket",
            )
    elif "/" not in text:
        key = f"{prefix}/{text.removesuffix('.json')}.json"
    try:
        return ObjectKey(key)
    except InvalidKey as error:
        raise UsageError(f"--manifest: {text!r} is not a valid key: {error}") from error
