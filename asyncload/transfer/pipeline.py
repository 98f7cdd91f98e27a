"""Upload a plan's files concurrently, with exactly one outcome for each.

Large files go through a few workers that cut them into parts. Small files are read in batches by
readers that feed a bounded queue; as many workers send them as requests may be in flight. Both
share the store's limit on requests and the pool of buffers. An error of one file is an outcome; an
error of the run cancels all work in progress and is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from asyncload.aio.buffers import Buffer, BufferPool
from asyncload.aio.groups import Group
from asyncload.bucket.key_index import Known
from asyncload.errors import DeadlineReached
from asyncload.model.values import Event, Failed, FileFinished, PlannedUpload
from asyncload.planning.plan import MIB
from asyncload.source.batches import LoadedFile, OutgrownFile
from asyncload.transfer import TransferTools, is_listed, put_file, upload_multipart, wanted_digests
from asyncload.transfer.concluding import Concluding, Outage

Observer = Callable[[Event], None]

# Large enough that handing a batch to a reader thread costs little per file, and small enough that
# several readers share a slow volume.
_BATCH_FILES = 16
_BATCH_BYTES = MIB
_READERS = 8
# Files that were read and wait for a sender; there are as many senders as requests in flight.
_READ_AHEAD = 32
# The parts of one large file fill the requests in flight; a few files at once bridge their ends.
LARGE_AT_ONCE = 8


class Work(Protocol):
    """Files to load, such as a `LoadPlan`: those that failed already, large and small ones."""

    @property
    def failures(self) -> Sequence[Failed]: ...

    def large(self) -> Iterator[PlannedUpload]: ...

    def small(self) -> Iterator[PlannedUpload]: ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Runs a plan, or a part of it.

    `concurrency` returns how many small files to send at once, which may change; the tools' store
    limits the requests in flight by itself. `outage` counts the files that fail. `large_at_once` is
    the maximum number of large files in progress.
    """

    tools: TransferTools
    observe: Observer
    concurrency: Callable[[], int]
    outage: Outage = field(default_factory=Outage)
    large_at_once: int = LARGE_AT_ONCE
    _ending: Concluding = field(init=False)

    def __post_init__(self) -> None:
        ending = Concluding(self.observe, self.tools.dispose, self.outage)
        object.__setattr__(self, "_ending", ending)

    async def run(self, plan: Work) -> None:
        """Upload every file of the plan, and emit each outcome to the observer.

        Raises:
            Refused, StoreUnavailable: the run can't continue; uploaded files are kept.
            DeadlineReached: the deadline left no time for all files; the others have no outcome.
        """
        for failure in plan.failures:
            self.observe(FileFinished(failure))
        large, batches = plan.large(), cut_batches(plan.small())
        at_once = self.concurrency()
        queues = _Queues(asyncio.Queue(min(at_once, _READ_AHEAD)), asyncio.Queue(_READ_AHEAD))
        async with Group() as group:
            for _ in range(min(self.large_at_once, at_once)):
                group.create_task(self._send_large(large, queues.outgrown))
            group.create_task(self._read_small(batches, queues))
            self._start_sender(_Senders(group, queues.loaded))
        if self.tools.deadline.stopped:
            raise DeadlineReached

    async def _send_large(
        self, uploads: Iterator[PlannedUpload], outgrown: asyncio.Queue[PlannedUpload | None]
    ) -> None:
        """Send large files, and then those that grew since the scan, in parts of any number."""
        for upload in uploads:
            await self._send_in_parts(upload)
        while (grown := await outgrown.get()) is not None:
            await self._send_in_parts(grown)
        # Ends the next worker.
        outgrown.put_nowait(None)

    async def _send_in_parts(self, upload: PlannedUpload) -> None:
        if self.tools.deadline.reached():
            return
        await self._ending.conclude(upload, upload_multipart(upload, self.tools))

    async def _read_small(self, batches: Iterator[list[PlannedUpload]], queues: _Queues) -> None:
        async with Group() as group:
            for _ in range(_READERS):
                group.create_task(self._read_batches(batches, queues))
        await queues.outgrown.put(None)
        await queues.loaded.put(None)

    async def _read_batches(self, batches: Iterator[list[PlannedUpload]], queues: _Queues) -> None:
        for uploads in batches:
            if self.tools.deadline.reached():
                return
            others: Sequence[PlannedUpload] = uploads
            while others:
                outgrown, others = await self._read_batch(others, queues.loaded)
                for upload in outgrown:
                    # Not before the batch's buffer is free: sending it needs others.
                    await queues.outgrown.put(upload)

    async def _read_batch(
        self, uploads: Sequence[PlannedUpload], queue: asyncio.Queue[_Loaded | None]
    ) -> tuple[list[PlannedUpload], Sequence[PlannedUpload]]:
        """Queue the files that were read; return those that outgrew their place, and those unread.

        Unread are files behind one whose read is stuck: its thread may still write where they
        would be. They need another buffer, because this one is not used again.
        """
        tools = self.tools
        known = {upload.source.path: tools.key_index.find(upload) for upload in uploads}
        size = sum(upload.source.size for upload in uploads)
        batch = _Batch(tools.buffers, await tools.buffers.acquire(size))
        outgrown = []
        with batch:
            read = await tools.readers.read_batch(
                uploads, memoryview(batch.buffer), wanted_digests(tools, known)
            )
            if read.stuck:
                batch.spoil()
            for item in read.items:
                if isinstance(item, LoadedFile):
                    key = known[item.upload.source.path]
                    if is_listed(item, key, tools.policy):
                        # No request is made, so it needs no sender.
                        await self._ending.conclude(item.upload, put_file(item, key, tools))
                    else:
                        await queue.put(_Loaded(item, key, batch.share()))
                elif isinstance(item, OutgrownFile):
                    outgrown.append(item.upload)
                else:
                    self._ending.fail(item.upload, item.error)
        return outgrown, read.others

    def _start_sender(self, senders: _Senders) -> None:
        senders.started += 1
        senders.group.create_task(self._send_small(senders))

    async def _send_small(self, senders: _Senders) -> None:
        """Send queued files, as one of as many tasks as there are files and places for."""
        queue = senders.queue
        while (loaded := await queue.get()) is not None:
            if senders.started < self.concurrency():
                self._start_sender(senders)
            with loaded.batch:
                if self.tools.deadline.reached():
                    continue
                sending = put_file(loaded.file, loaded.known, self.tools)
                if not await self._ending.conclude(loaded.file.upload, sending):
                    loaded.batch.spoil()
        # Put the end marker back for the next sender.
        queue.put_nowait(None)


def cut_batches(uploads: Iterator[PlannedUpload]) -> Iterator[list[PlannedUpload]]:
    """Cut small files into batches of at most 16 files and 1 MiB; a larger file goes alone."""
    batch: list[PlannedUpload] = []
    size = 0
    for upload in uploads:
        if batch and (len(batch) == _BATCH_FILES or size + upload.source.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(upload)
        size += upload.source.size
    if batch:
        yield batch


class _Batch:
    """A buffer with the files of one batch; released to the pool when all have been sent.

    It is a context for each user: the reader, and one share for each file.
    """

    def __init__(self, pool: BufferPool, buffer: Buffer) -> None:
        self.buffer = buffer
        self._pool = pool
        self._holders = 1
        self._reusable = True

    def share(self) -> Self:
        self._holders += 1
        return self

    def spoil(self) -> None:
        """Keep the buffer from being used again: a request or a read may still use it."""
        self._reusable = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.spoil()
        self._holders -= 1
        if not self._holders:
            give_back = self._pool.release if self._reusable else self._pool.discard
            give_back(self.buffer)


class _Queues(NamedTuple):
    """What readers hand on: small files that were read, and files that are large by now."""

    loaded: asyncio.Queue[_Loaded | None]
    outgrown: asyncio.Queue[PlannedUpload | None]


@dataclass(slots=True)
class _Senders:
    """The tasks that send small files: their group, the queue they read, and their number."""

    group: Group
    queue: asyncio.Queue[_Loaded | None]
    started: int = 0


class _Loaded(NamedTuple):
    file: LoadedFile
    known: Known
    batch: _Batch
