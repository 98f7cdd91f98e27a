"""Put the parts of a run of shards together: how each stands, totals, one manifest, markers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from asyncload.aio.groups import for_each
from asyncload.aio.shielding import run_to_end
from asyncload.errors import AsyncloadError, InvalidKey, PreconditionFailed, UsageError
from asyncload.model.checksums import checksum_of
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import (
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    UploadLeftOpen,
    Warned,
)
from asyncload.operations.run import utc_now
from asyncload.operations.shards.joining import Records
from asyncload.planning.partitions import PartitionCounts
from asyncload.planning.shards import Shard
from asyncload.reporting.manifest import Manifest, describe_run, manifest_key
from asyncload.reporting.manifest_reading import (
    UnreadableRecordError,
    entry_lines,
    read_ends,
)
from asyncload.reporting.recorded import (
    OddRecordError,
    add_report,
    failed_of,
    past_run,
    run_record,
)
from asyncload.reporting.records import run_totals, summary_record
from asyncload.reporting.report import MAX_NAMED, Report
from asyncload.reporting.shards import (
    Attempt,
    Claim,
    Folder,
    OddShardsError,
    ShardedRun,
    Shards,
    ShardState,
    is_name,
    judge,
    latest_attempts,
)
from asyncload.reporting.success_markers import INFO as MARKER
from asyncload.reporting.verification import Marking
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import TransferPolicy

T = TypeVar("T")

_WORKERS = 32
_LANDED = ("uploaded", "unchanged")
# Lines of parts that are added to the manifest at once.
_LINES = 1000


@dataclass(slots=True)
class MergedRun:
    """A run of shards: how each stands, and the totals of those that have recorded their end.

    `seconds` is from the start of the first shard to the last recorded end.
    """

    shards: Shards
    report: Report
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 if all shards are complete, else 3."""
        return 0 if self.shards.complete else 3


async def find_run(store: ObjectStore, prefix: str, name: str) -> ShardedRun | None:
    """Return the run of shards with a name; None if there is none.

    Raises:
        UsageError: its record can't be read.
        StoreError: the store can't be queried.
    """
    if not is_name(name):
        return None
    folder = Folder(prefix, name)
    body = await Records(store, TransferPolicy()).read(folder.run)
    if body is None:
        return None
    try:
        return ShardedRun.decode(body)
    except OddShardsError as error:
        raise UsageError(f"--run: {folder.run!r} can't be read: {error}") from error


async def merge(store: ObjectStore, prefix: str, run: ShardedRun) -> MergedRun:
    """Return how the shards of a run stand, and their totals.

    Raises:
        StoreError: the store can't be queried.
    """
    folder = Folder(prefix, run.name)
    records = Records(store, TransferPolicy())
    latest = latest_attempts(folder, await records.keys(folder.path))
    states: dict[int, ShardState] = {}

    async def examine(number: int) -> None:
        shard = Shard(number, run.shards)
        states[number] = await _state_of(records, folder, shard, latest.get(number))

    await for_each(iter(range(1, run.shards + 1)), examine, _WORKERS)
    shards = Shards(run, [states[number] for number in sorted(states)])
    report = Report(run_id=run.run_id, bucket=run.bucket, day=run.day, started=run.started)
    parts = [state.past for state in shards.states if state.past is not None]
    failures = _Failures(store, report)
    for part in parts:
        add_report(report, part.report)
        if part.report.counts["failed"]:
            await failures.name(part.manifest)
    ended = max((part.finished for part in parts), default=run.started)
    seconds = max(0.0, (ended - run.started).total_seconds())
    return MergedRun(shards, report, seconds)


async def _state_of(
    records: Records, folder: Folder, shard: Shard, attempt: Attempt | None
) -> ShardState:
    if attempt is None:
        return ShardState(shard, "missing", reason="the shard was never started")
    if not attempt.recorded:
        body = await records.read(folder.claim(shard.number, attempt.number)) or b""
        try:
            by = f"{Claim.decode(body)}"
        except OddShardsError:
            by = "an unknown process"
        reason = f"the shard is being loaded, or was killed: {by}"
        return ShardState(shard, "unfinished", attempt.number, reason)
    key = folder.manifest(shard.number, attempt.number)
    try:
        past = past_run(run_record(*(await read_ends(records.store, key) or (b"", b""))), key)
    except OddRecordError as error:
        reason = f"the manifest {key} can't be read: {error}"
        return ShardState(shard, "failed", attempt.number, reason)
    return judge(shard, attempt, past)


class _Failures:
    """Names the failed files of all shards; a folder that no shard could list counts once."""

    def __init__(self, store: ObjectStore, total: Report) -> None:
        self._store = store
        self._total = total
        self._seen: set[str] = set()

    async def name(self, manifest: ObjectKey) -> None:
        """Name the failed files of a shard, which are counted in the total.

        Raises:
            UsageError: its manifest can't be read.
            StoreError: the store can't be queried.
        """
        async for line in _lines(self._store, manifest):
            if b'"status":"failed"' not in line:
                continue
            failed = _parse(manifest, line, failed_of)
            if failed.key is None and failed.path in self._seen:
                self._total.forget_failure(failed)
                continue
            if failed.key is None:
                self._seen.add(failed.path)
            group = self._total.failure_group(type(failed.error).__name__, failed.error.hint)
            if len(group.first) < MAX_NAMED:
                group.first.append(failed)


async def _lines(store: ObjectStore, manifest: ObjectKey) -> AsyncIterator[bytes]:
    """Yield the entries of a part. Raises as `_parse` does."""
    try:
        async for line in entry_lines(store, manifest):
            yield line
    except UnreadableRecordError as error:
        raise UsageError(f"object {manifest!r} {error}", hint="run its shard again") from error


def _parse(manifest: ObjectKey, line: bytes, read: Callable[[Mapping[str, Any]], T]) -> T:
    """Read an entry of a manifest.

    Raises:
        UsageError: the line is not one.
    """
    try:
        return read(json.loads(line))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, InvalidKey) as error:
        raise UsageError(
            f"the manifest {manifest!r} can't be read: {type(error).__name__}: {error}",
            hint="run its shard again",
        ) from error


async def mark(
    store: ObjectStore,
    merged: MergedRun,
    policy: TransferPolicy,
    prefix: str,
    emit: Callable[[Warned | UploadLeftOpen], None],
) -> Marking:
    """Write the manifest of all shards of a complete run, and a marker into each partition.

    A partition with skipped files gets none. A marker that exists stays as it is.

    Raises:
        UsageError: a part can't be read.
        StoreError: the store can't be used.
    """
    run, report = merged.shards.run, merged.report
    described = describe_run(run.settings, report) | {"shards": run.shards}
    manifest = Manifest(store, manifest_key(prefix, run.run_id), described, policy, utc_now, emit)
    partitions = _Partitions()
    try:
        for state in merged.shards.states:
            assert state.past is not None, "a complete shard has a manifest"
            lines = _lines(store, state.past.manifest)
            async for batch in _batches(lines):
                for line in batch:
                    partitions.add(*_parse(state.past.manifest, line, _place_of))
                await manifest.add_recorded(batch)
        summary = summary_record(
            "run",
            run_totals(report),
            bucket=run.bucket,
            started=run.started,
            finished=run.started + timedelta(seconds=merged.seconds),
            exit_code=0,
            error=None,
        )
        warned = await run_to_end(manifest.close(summary), grace=policy.grace)
    except BaseException:
        await manifest.give_up()
        raise
    if warned is not None:
        emit(warned)
    return await _write_markers(
        store, partitions, policy, None if warned is not None else manifest.key
    )


def _place_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["status"]), str(entry["partition"] or "")


async def _batches(lines: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    batch = []
    async for line in lines:
        batch.append(line)
        if len(batch) == _LINES:
            yield batch
            batch = []
    if batch:
        yield batch


class _Partitions:
    """The partitions of a run, and which of them lack files: few bytes for each."""

    def __init__(self) -> None:
        self.counts = PartitionCounts()
        # Hashes, to save memory: each file may have its own partition.
        self.incomplete: set[int] = set()

    def add(self, status: str, partition: str) -> None:
        """Count a file."""
        self.counts.add(partition)
        if status not in _LANDED:
            self.incomplete.add(hash(partition))


async def _write_markers(
    store: ObjectStore, partitions: _Partitions, policy: TransferPolicy, manifest: ObjectKey | None
) -> Marking:
    checksum = checksum_of(b"", policy.sent_algorithm)
    assert checksum is not None, "the algorithm of a policy is always available"
    marked = 0
    unmarked: list[PartitionUnmarked] = []
    failed: list[MarkerFailed] = []

    async def write(partition: str) -> None:
        nonlocal marked
        if hash(partition) in partitions.incomplete:
            unmarked.append(PartitionUnmarked(partition, "files were skipped"))
            return
        try:
            # Create-only: a marker may be the signal for the next job, so it is written once.
            with suppress(PreconditionFailed):
                key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
                await store.put(key, b"", checksum, create_only=True, info=MARKER)
            marked += 1
        except AsyncloadError as error:
            failed.append(MarkerFailed(partition, error))

    await for_each((partition for partition, _ in partitions.counts), write, _WORKERS)
    return Marking(manifest, marked, unmarked, failed)
