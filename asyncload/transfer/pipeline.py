"""A plan's files to their objects, concurrently: one outcome for each, whatever happens.

Large files go through a few workers that cut them into parts; small ones are read in batches by
readers that feed a bounded queue, and sent by as many workers as requests may be in flight.
Both share the store's limit on requests and the pool of buffers. A fault of one file is an
outcome; a fault of the run ends it, cancels what is under way and is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from asyncload.aio.buffers import Buffer, BufferPool
from asyncload.aio.groups import Group
from asyncload.errors import AsyncloadError, Refused, ServerError, StoreUnavailable, chain_of
from asyncload.model.values import Event, Failed, FileFinished, Outcome, PlannedUpload
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.source.batches import LoadedFile, OutgrownFile
from asyncload.transfer import TransferTools, put_file, upload_multipart, wanted_digests

Observer = Callable[[Event], None]

# Enough that handing a batch to a reader thread costs little per file, and few enough that several
# readers share a slow volume.
_BATCH_FILES = 16
_BATCH_BYTES = MIB
_READERS = 8
# Files read and not yet taken by a sender, of which there are as many as requests may be in flight.
_READ_AHEAD = 32
# Each large file fills the requests in flight by its parts; a few at once bridge their ends.
_LARGE_AT_ONCE = 8
# So many files given up in a row, each after all of its tries: the store serves nobody.
_MAX_GIVEN_UP = 10


class _Outage:
    """Ends a run whose store answers, but serves nobody: its disks are full, or it is broken.

    Each file is given up after half a minute of tries, so a run over many files would go on for
    hours.
    """

    def __init__(self) -> None:
        self._given_up = 0

    def landed(self) -> None:
        """Count a file that the store took, or has."""
        self._given_up = 0

    def failed(self, error: AsyncloadError) -> None:
        """Count a file that failed.

        Raises:
            StoreUnavailable: the store had no success with many files in a row.
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
    """What it takes to run a plan.

    `concurrency` tells how many small files are to be sent at once, which may change; the tools'
    store limits the requests in flight by itself.
    """

    tools: TransferTools
    observe: Observer
    concurrency: Callable[[], int]
    _outage: _Outage = field(default_factory=_Outage, init=False)

    async def run(self, plan: LoadPlan) -> None:
        """Bring every file of the plan to its outcome, and tell the observer of each.

        Raises:
            Refused, StoreUnavailable: the run can't go on; what landed stays.
        """
        for failure in plan.failures:
            self.observe(FileFinished(failure))
        large, batches = plan.large(), cut_batches(plan.small())
        at_once = self.concurrency()
        queue: asyncio.Queue[_Loaded | None] = asyncio.Queue(min(at_once, _READ_AHEAD))
        async with Group() as group:
            for _ in range(min(_LARGE_AT_ONCE, at_once)):
                group.create_task(self._send_large(large))
            group.create_task(self._read_small(batches, queue))
            self._start_sender(_Senders(group, queue))

    async def _send_large(self, uploads: Iterator[PlannedUpload]) -> None:
        for upload in uploads:
            await self._send_in_parts(upload)

    async def _send_in_parts(self, upload: PlannedUpload) -> None:
        await self._conclude(upload, upload_multipart(upload, self.tools))

    async def _read_small(
        self, batches: Iterator[list[PlannedUpload]], queue: asyncio.Queue[_Loaded | None]
    ) -> None:
        async with Group() as group:
            for _ in range(_READERS):
                group.create_task(self._read_batches(batches, queue))
        await queue.put(None)

    async def _read_batches(
        self, batches: Iterator[list[PlannedUpload]], queue: asyncio.Queue[_Loaded | None]
    ) -> None:
        for uploads in batches:
            others: Sequence[PlannedUpload] = uploads
            while others:
                outgrown, others = await self._read_batch(others, queue)
                for upload in outgrown:
                    # It grew since the scan: parts take a file of any size.
                    await self._send_in_parts(upload)

    async def _read_batch(
        self, uploads: Sequence[PlannedUpload], queue: asyncio.Queue[_Loaded | None]
    ) -> tuple[list[PlannedUpload], Sequence[PlannedUpload]]:
        """Queue what could be read; return what no longer fits its place, and what is yet unread.

        Unread are those behind a file whose read is stuck: where they would lie, its thread may
        still write. They wait for a buffer of their own, that one is not used again.
        """
        tools = self.tools
        size = sum(upload.source.size for upload in uploads)
        batch = _Batch(tools.buffers, await tools.buffers.acquire(size))
        outgrown = []
        with batch:
            read = await tools.readers.read_batch(
                uploads, memoryview(batch.buffer), wanted_digests(tools)
            )
            if read.stuck:
                batch.spoil()
            for item in read.items:
                if isinstance(item, LoadedFile):
                    await queue.put(_Loaded(item, batch.share()))
                elif isinstance(item, OutgrownFile):
                    outgrown.append(item.upload)
                else:
                    self._fail(item.upload, item.error)
        return outgrown, read.others

    def _start_sender(self, senders: _Senders) -> None:
        senders.started += 1
        senders.group.create_task(self._send_small(senders))

    async def _send_small(self, senders: _Senders) -> None:
        """Send files, in company of as many others as there are files and places for."""
        queue = senders.queue
        while (loaded := await queue.get()) is not None:
            if senders.started < self.concurrency():
                self._start_sender(senders)
            with loaded.batch:
                sending = put_file(loaded.file, self.tools)
                if not await self._conclude(loaded.file.upload, sending):
                    loaded.batch.spoil()
        # For the next one.
        queue.put_nowait(None)

    async def _conclude(self, upload: PlannedUpload, sending: Awaitable[Outcome]) -> bool:
        """Tell of a file's outcome; return whether it landed."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            outcome = await sending
        except (Refused, StoreUnavailable):
            raise
        except AsyncloadError as error:
            self._fail(upload, error, clock() - begun)
            self._outage.failed(error)
            return False
        seconds = clock() - begun
        self.observe(
            FileFinished(outcome, upload.partition, upload.dataset, seconds, upload.source.size)
        )
        self._outage.landed()
        return True

    def _fail(self, upload: PlannedUpload, error: AsyncloadError, seconds: float = 0.0) -> None:
        path, size = upload.source
        forget_frames(error)
        failed = Failed(path, upload.key, size, error)
        self.observe(
            FileFinished(failed, upload.partition, upload.dataset, seconds, upload.source.size)
        )


def forget_frames(error: BaseException) -> None:
    """Let go of what an error was raised among: the frames hold the file's bytes.

    A report keeps thousands of errors, and memory must stay flat. They are told by their words.
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
    """A buffer that the files of one batch lie in; back in the pool when all are sent.

    Whoever uses it holds it as a context: the reader, and one share for each file.
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
        """Keep the buffer from a new user: a broken-off request or read may still be at it."""
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


@dataclass(slots=True)
class _Senders:
    """Those who send small files: where their tasks live, where files come from, how many."""

    group: Group
    queue: asyncio.Queue[_Loaded | None]
    started: int = 0


class _Loaded(NamedTuple):
    file: LoadedFile
    batch: _Batch
