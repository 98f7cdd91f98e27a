"""Compare the files of a plan with the bucket, as a run would, but send nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from asyncload.aio.buffers import BufferPool
from asyncload.aio.groups import for_each
from asyncload.bucket.key_index import KeyIndex, Known
from asyncload.bucket.listing import list_existing
from asyncload.errors import AsyncloadError, ObjectConflict, Refused, StoreUnavailable
from asyncload.model.checksums import md5_digest
from asyncload.model.values import (
    Checksum,
    Failed,
    PlannedUpload,
    Skipped,
    SourceFile,
    Warned,
)
from asyncload.operations.bucket import open_bucket
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.foreseeing import Foreseeing
from asyncload.operations.planning import scan_plan
from asyncload.operations.probing import remembered_worth, require_create_only
from asyncload.operations.run import utc_now
from asyncload.operations.running import policy_of
from asyncload.planning.plan import LoadPlan, PartLayout, lay_out_parts
from asyncload.reporting.preview import (
    PlanEvent,
    PlannedAction,
    Preview,
    RequestCounts,
    RequestsPlanned,
    emit_failures,
    planned_upload,
)
from asyncload.settings.run import Settings, layout_of
from asyncload.source.batches import (
    BatchItem,
    Digests,
    OutgrownFile,
    UnloadedFile,
)
from asyncload.source.disposal import Disposal
from asyncload.source.file_state import FileState
from asyncload.source.readers import Readable, Readers
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import Traffic
from asyncload.transfer import (
    Finding,
    LocalFile,
    LocalSums,
    TransferPolicy,
    compare_with_existing,
)
from asyncload.transfer.concluding import Outage, forget_frames
from asyncload.transfer.pipeline import cut_batches

# Large files are hashed one part at a time each; see `transfer.pipeline`.
_LARGE_AT_ONCE = 8
# Batches of small files in progress; the store's limit is on requests.
_BATCHES_AT_ONCE = 32
# A partition with a file of these actions gets no success marker.
_UNMARKED: set[PlannedAction] = {"conflict", "fail", "skip"}


async def plan_online(
    settings: Settings,
    now: datetime,
    readers: Readers,
    emit: Callable[[PlanEvent], None],
    preview: Preview,
    disposal: Disposal | None,
    *,
    by_clock: bool,
) -> None:
    """Emit what a run would do with each file, and the requests for it.

    `disposal`: what is to be done with source files. `by_clock`: the time `now` came from this
    machine's clock. Raises as `plan` does.
    """
    layout, traffic = layout_of(settings, now), Traffic()
    async with open_bucket(settings, layout.common_prefix(), emit, traffic) as store:
        if warned := check_clock(store.clock_offset, utc_now()):
            emit(warned)
        if by_clock:
            check_day(settings, store.clock_offset, now)
        found = await scan_plan(settings, layout, readers, emit, now)
        policy = await _as_remembered(settings, store, policy_of(settings, "", now))
        foreign = store.foreign_endpoint is not None
        if foreign and found.has_backslashes and policy.worth.keeps_backslashes is None:
            emit(
                Warned(
                    "keys have a backslash, and it is not known yet whether the store keeps it; if "
                    "not, their files will fail",
                    "the first run asks the store; or rename the files",
                )
            )
        key_index = await list_existing(found, store, markers=settings.success_marker)
        emit_failures(found.failures, emit)
        foreseeing = Foreseeing(disposal, readers, found.archives)
        buffers = BufferPool(settings.memory)
        looking = _Looking(store, readers, policy, key_index, buffers, emit, foreseeing)
        try:
            await looking.run(found)
        finally:
            looking.buffers.close()
        if policy.worth.basis == "assumed" and settings.manifest and preview.counts["unchanged"]:
            emit(
                Warned(
                    "the store was not probed yet, so its checksums were trusted unchecked",
                    "the first run probes it",
                )
            )
    made = RequestCounts(0, traffic.listings, traffic.requests - traffic.listings)
    needed = _needed(settings, found, preview, made, looking)
    emit(RequestsPlanned(made, needed, store.foreign_endpoint is None))


async def _as_remembered(
    settings: Settings, store: ObjectStore, policy: TransferPolicy
) -> TransferPolicy:
    """Return the policy of a run, with what earlier runs found out about the store.

    Raises:
        Refused: the store lacks a check that the settings require.
    """
    if not settings.manifest:
        return policy
    worth = await remembered_worth(store, settings.manifest_prefix, utc_now())
    # The run itself would probe a store that was not probed yet.
    if settings.require_create_only and worth.basis != "assumed":
        require_create_only(worth)
    return replace(policy, worth=worth)


def _needed(
    settings: Settings, found: LoadPlan, preview: Preview, made: RequestCounts, looking: _Looking
) -> RequestCounts:
    """Return about how many requests the run would make, without retries and probes."""
    # The manifest, and a record of each large upload, from which it could be resumed.
    records = 1 + looking.uploads if settings.manifest else 0
    markers = 0
    if settings.success_marker:
        groups = preview.partitions.values()
        unmarked = {g.partition for g in groups if not _UNMARKED.isdisjoint(g.counts)}
        markers = len({group.partition for group in groups} - unmarked)
    puts = looking.puts + records + markers
    return RequestCounts(puts, made.listings + found.has_large, made.gets)


class _Seen(NamedTuple):
    """A small file that was opened or read: its size in bytes, and the checksums known so far.

    The time of modification and the version are as in `LoadedFile`.
    """

    upload: PlannedUpload
    size: int
    mtime_ns: int = 0
    sums: tuple[Checksum, ...] = ()
    version: FileState | None = None


@dataclass(slots=True)
class _Looking:
    """Compares the files of a plan with the bucket, as a run would, and emits what it would do.

    `puts` counts the requests with which the files would be sent, `uploads` the multipart uploads
    among them.
    """

    store: ObjectStore
    readers: Readers
    policy: TransferPolicy
    key_index: KeyIndex
    buffers: BufferPool
    emit: Callable[[PlanEvent], None]
    foreseeing: Foreseeing
    puts: int = 0
    uploads: int = 0
    _outage: Outage = field(default_factory=Outage)

    async def run(self, found: LoadPlan) -> None:
        """Plan every file.

        Raises:
            Refused, StoreUnavailable: the run would end so.
        """
        await for_each(found.large(), self._plan_large, _LARGE_AT_ONCE)
        await for_each(cut_batches(found.small()), self._plan_batch, _BATCHES_AT_ONCE)

    async def _plan_large(self, upload: PlannedUpload) -> None:
        # As for an upload: a large file is read once, for the best checksum that HEAD returns.
        known = self.key_index.find(upload)._replace(md5=b"")
        await self._conclude(upload, self._compare_large(upload, known))

    async def _compare_large(self, upload: PlannedUpload, known: Known) -> Finding:
        async with self.readers.opened(upload.source) as (file, state):
            layout = lay_out_parts(
                state.size, min_size=self.policy.part_size, max_size=self.buffers.capacity
            )
            sums = self._sums(file, state, layout)
            version = _version_of(upload.source, state)
            local = LocalFile(upload, state.size, state.mtime_ns, sums.like, version=version)
            protected = self.policy.worth.create_only_complete
            return await self._compare(local, known, protected=protected, puts=2 + layout.count)

    async def _plan_batch(self, uploads: list[PlannedUpload]) -> None:
        """Plan small files; those are read whose object may be shown to be equal by its MD5."""
        known = {upload.source.path: self.key_index.find(upload) for upload in uploads}
        at = {
            upload.source.path: upload.source.size
            for upload in uploads
            if known[upload.source.path].md5
            and known[upload.source.path].size == upload.source.size
            and self.policy.accepts("MD5")
        }
        items = await self._read([upload for upload in uploads if upload.source.path in at], at)
        others = [upload for upload in uploads if upload.source.path not in at]
        # Without room for their bytes, files are only opened. Archives were opened by the scan.
        files = [upload for upload in others if upload.source.member is None]
        items += await self._read(files)
        items += [_Seen(up, up.source.size) for up in others if up.source.member is not None]

        async def plan_one(item: _Seen | UnloadedFile) -> None:
            comparing = self._compare_small(item, known[item.upload.source.path])
            await self._conclude(item.upload, comparing)

        await for_each(iter(items), plan_one, len(items))

    async def _read(
        self, uploads: Sequence[PlannedUpload], md5_at: Mapping[str, int] = MappingProxyType({})
    ) -> list[_Seen | UnloadedFile]:
        """Read files whose MD5 is wanted, and open the others."""
        seen: list[_Seen | UnloadedFile] = []
        digests = Digests(self.policy.crc, md5_at=md5_at)
        size = sum(md5_at.values())
        while uploads:
            buffer = await self.buffers.acquire(size)
            reusable = False
            try:
                read = await self.readers.read_batch(uploads, memoryview(buffer)[:size], digests)
                # Nothing may hold the buffer afterwards: comparing may need another one.
                seen += [self._see(item) for item in read.items]
                reusable = not read.stuck
            finally:
                give_back = self.buffers.release if reusable else self.buffers.discard
                give_back(buffer)
            uploads = read.others
        return seen

    def _see(self, item: BatchItem) -> _Seen | UnloadedFile:
        if isinstance(item, UnloadedFile):
            return item
        if isinstance(item, OutgrownFile):
            return _Seen(item.upload, item.size)
        sums = [self.policy.crc.checksum(item.crc)]
        if item.md5 is not None:
            sums.append(md5_digest(item.md5))
        return _Seen(item.upload, len(item.body), item.mtime_ns, tuple(sums), item.version)

    async def _compare_small(self, item: _Seen | UnloadedFile, known: Known) -> Finding:
        if isinstance(item, UnloadedFile):
            raise item.error
        source = item.upload.source

        async def like(theirs: Checksum) -> Checksum | None:
            async with self.readers.opened(source) as (file, state):
                local.mtime_ns, local.version = state.mtime_ns, _version_of(source, state)
                whole = PartLayout(state.size, max(1, state.size))
                return await self._sums(file, state, whole).like(theirs)

        upload, size, mtime_ns, sums, version = item
        local = LocalFile(upload, size, mtime_ns, like, sums, version)
        protected = self.policy.worth.create_only_put
        return await self._compare(local, known, protected=protected, puts=1)

    async def _compare(
        self, local: LocalFile, known: Known, *, protected: bool, puts: int
    ) -> Finding:
        finding = await compare_with_existing(
            self.store, local, known, self.policy, protected=protected
        )
        if finding.outcome is None:
            self.puts += puts
            self.uploads += puts > 1
        return finding

    def _sums(self, file: Readable, state: FileState, layout: PartLayout) -> LocalSums:
        return LocalSums(file, state, layout, self.policy.crc, self.readers, self.buffers)

    async def _conclude(self, upload: PlannedUpload, comparing: Awaitable[Finding]) -> None:
        try:
            finding = await comparing
        except (Refused, StoreUnavailable):
            raise
        except AsyncloadError as error:
            forget_frames(error)
            action: PlannedAction = "conflict" if isinstance(error, ObjectConflict) else "fail"
            failed = Failed(upload.source.path, upload.key, upload.source.size, error)
            self.emit(planned_upload(action, upload, failed))
            self._outage.failed(error)
            return
        self._outage.succeeded()
        outcome = finding.outcome
        if isinstance(outcome, Skipped):
            self.emit(planned_upload("skip", upload, outcome))
            return
        source = await self.foreseeing.verified(upload.source, outcome)
        if outcome is not None:
            self.emit(planned_upload("unchanged", upload, outcome, planned=source))
        elif finding.undecided:
            why = finding.undecided
            self.emit(planned_upload("unknown", upload, reason=why, planned=source))
        else:
            action = "replace" if finding.replaces else "upload"
            self.emit(planned_upload(action, upload, planned=source))


def _version_of(source: SourceFile, state: FileState) -> FileState | None:
    """Return the version of a file; a member of an archive has none of its own."""
    return state if source.member is None else None
