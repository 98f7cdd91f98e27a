"""Upload a plan's files concurrently, with exactly one outcome for each.

Large files go through a few workers that cut them into parts. Small files are read in batches by
readers that feed a bounded queue; as many workers send them as requests may be in flight. Both
share the store's limit on requests and the pool of buffers. An error of one file is an outcome; an
error of the run cancels all work in progress and is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from asyncload.aio.buffers import Buffer, BufferPool
from asyncload.aio.groups import Group
from asyncload.bucket.key_index import Known
from asyncload.errors import (
    AsyncloadError,
    DeadlineReached,
    Refused,
    ServerError,
    StoreUnavailable,
    chain_of,
)
from asyncload.model.values import Event, Failed, FileFinished, Outcome, PlannedUpload
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.source.batches import LoadedFile, OutgrownFile
from asyncload.transfer import TransferTools, put_file, upload_multipart, wanted_digests

Observer = Callable[[Event], None]

# Large enough that handing a batch to a reader thread costs little per file, and small enough that
# several readers share a slow volume.
_BATCH_FILES = 16
_BATCH_BYTES = MIB
_READERS = 8
# Files that were read and wait for a sender; there are as many senders as requests in flight.
_READ_AHEAD = 32
# The parts of one large file fill the requests in flight; a few files at once bridge their ends.
_LARGE_AT_ONCE = 8
# After so many files in a row that failed after all retries, the store is considered down.
_MAX_GIVEN_UP = 10


class _Outage:
    """Ends a run whose store answers but accepts no file, for example because its disks are full.

    Each file fails after half a minute of retries, so a run over many files would take hours.
    """

    def __init__(self) -> None:
        self._given_up = 0

    def succeeded(self) -> None:
        """Count a file that was uploaded or already existed."""
        self._given_up = 0

    def failed(self, error: AsyncloadError) -> None:
        """Count a file that failed.

        Raises:
            StoreUnavailable: too many files in a row failed.
        """
        if not isinstance(error, ServerError):
            return
        self._given_up += 1
        if self._given_up >= _MAX_GIVEN_UP:
            raise StoreUnavailable(
                f"the store accepts no file: the last {_MAX_GIVEN_UP} failed after all retries: "
                f"{error.message}",
                hint=error.hint or "check whether the store is full or failing, then run again",
                code=error.code,
                status=error.status,
                request_id=error.request_id,
            ) from error


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Runs a plan.

    `concurrency` returns how many small files to send at once, which may change; the tools' store
    limits the requests in flight by itself.
    """

    tools: TransferTools
    observe: Observer
    concurrency: Callable[[], int]
    _outage: _Outage = field(default_factory=_Outage, init=False)

    async def run(self, plan: LoadPlan) -> None:
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
            for _ in range(min(_LARGE_AT_ONCE, at_once)):
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
        await self._conclude(upload, upload_multipart(upload, self.tools))

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
                    await queue.put(_Loaded(item, known[item.upload.source.path], batch.share()))
                elif isinstance(item, OutgrownFile):
                    outgrown.append(item.upload)
                else:
                    self._fail(item.upload, item.error)
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
                if not await self._conclude(loaded.file.upload, sending):
                    loaded.batch.spoil()
        # Put the end marker back for the next sender.
        queue.put_nowait(None)

    async def _conclude(self, upload: PlannedUpload, sending: Awaitable[Outcome]) -> bool:
        """Emit a file's outcome; return whether the file is in the bucket."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            outcome = await sending
        except (Refused, StoreUnavailable):
            raise
        except DeadlineReached:
            return False
        except AsyncloadError as error:
            self._fail(upload, error, clock() - begun)
            self._outage.failed(error)
            return False
        seconds = clock() - begun
        self.observe(
            FileFinished(outcome, upload.partition, upload.dataset, seconds, upload.source.size)
        )
        self._outage.succeeded()
        return True

    def _fail(self, upload: PlannedUpload, error: AsyncloadError, seconds: float = 0.0) -> None:
        path, size = upload.source
        forget_frames(error)
        failed = Failed(path, upload.key, size, error)
        self.observe(
            FileFinished(failed, upload.partition, upload.dataset, seconds, upload.source.size)
        )


def forget_frames(error: BaseException) -> None:
    """Drop the frames that an error was raised in: they hold the file's bytes.

    A report keeps thousands of errors, and memory must stay flat; only their messages are used.
    """
    for link in chain_of(error):
        link.__traceback__ = None


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
