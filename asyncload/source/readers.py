"""The volume for the event loop: each call runs in a reader thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, NamedTuple, ParamSpec, Self, TypeAlias, TypeVar

from asyncload.aio.budget import Budget
from asyncload.errors import SourceStalled, TooManyOpenFiles
from asyncload.model.checksums import CRC64NVME, Crc
from asyncload.model.values import Disposed, PlannedUpload, SourceFile
from asyncload.source.batches import (
    CRC_ONLY,
    BatchItem,
    Beat,
    Digest,
    Digests,
    ReadBatch,
    UnloadedFile,
)
from asyncload.source.disposal import Disposal
from asyncload.source.file_list import FileList
from asyncload.source.file_state import FileState, check_same
from asyncload.source.heartbeat import STALLED_SECONDS, GivenUp, Heartbeat, scan_stalled
from asyncload.source.offload import Offload
from asyncload.source.roots import Root
from asyncload.source.threads import ReaderThreads
from asyncload.source.volume import OpenFile, Volume

if TYPE_CHECKING:
    # A run without archives does not load what inflates them.
    from asyncload.source.archives.members import OpenMember

T = TypeVar("T")
P = ParamSpec("P")

DESCRIPTOR_WAIT_SECONDS = 10.0
"""In seconds; if nothing at all can be opened for so long, too many open files are an error."""

DECODING_MEMORY = 64 * 1024 * 1024
"""In bytes: members that are decompressed at the same time may take so much together, apart from
the buffers; small members a quarter of it besides. No member takes more; see
`archives.decoders.MAX_DICTIONARY`.
"""

# In seconds, between two attempts to open something: the first, doubled each time, and the maximum.
_FIRST_WAIT = 0.01
_MAX_WAIT = 0.5


class _PatientExecutor(Executor):
    """Hands work to an executor, and blocks briefly until it is done.

    This pays for a batch that takes less than a millisecond because its files are in memory: event
    loop and reader thread then do not take the GIL from each other at each system call, which costs
    more than the calls. On a slower medium the wait is useless, and is skipped for a while.
    """

    _SECONDS = 0.002
    _LEFT_OFF = 64

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._impatient = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = self._executor.submit(fn, *args, **kwargs)
        if self._impatient:
            self._impatient -= 1
        elif not wait([future], self._SECONDS).done:
            self._impatient = self._LEFT_OFF
        return future


class MemberInTurn:
    """An open member whose parts are inflated one after the other."""

    def __init__(self, member: OpenMember) -> None:
        self.member = member
        self.turn = asyncio.Lock()


Readable: TypeAlias = OpenFile | MemberInTurn
"""A file or a member that `Readers.opened` opened."""


class DecodingMemory(NamedTuple):
    """The memory in which members are decompressed: large ones, and small ones apart from them.

    Each of its own: a batch of small ones already holds a buffer, for which a large one may wait.
    """

    for_large: Budget
    for_small: Budget

    @classmethod
    def of_process(cls) -> Self:
        """Return what a process may use."""
        return cls(Budget(DECODING_MEMORY), Budget(DECODING_MEMORY // 4))


class Scan(NamedTuple, Generic[T]):
    """A blocking iterator with its heartbeat."""

    items: Iterator[T]
    heartbeat: Heartbeat


class Readers:
    """Reads a volume's files in an executor's threads.

    The hand-over to a thread is expensive, not the read: so there is one call for a batch of small
    files and one for a part. Calls end as `Offload` describes; after an error the buffer may still
    be written into.

    While too many files are open, opening waits until others are closed. A waiter holds no open
    file, so the number falls. This continues while anything can be opened, and for some seconds
    more.

    Args:
        volume: the volume.
        executor: its threads read the volume.
        patience: see `Offload`; in seconds.
        descriptor_wait: if nothing at all can be opened for so many seconds, files fail.
        roots: the volume's folders, for those who scan it.
        listed: the files to load that the user listed; None for all of the volume's.
        decoding: shared with other readers; None for memory of its own.
    """

    def __init__(
        self,
        volume: Volume,
        executor: Executor,
        *,
        patience: float = STALLED_SECONDS,
        descriptor_wait: float = DESCRIPTOR_WAIT_SECONDS,
        roots: Sequence[Root] = (),
        listed: FileList | None = None,
        decoding: DecodingMemory | None = None,
    ) -> None:
        self.roots = roots
        self.listed = listed
        self._volume = volume
        self._executor = executor
        self._offload = Offload(executor, patience=patience)
        self._patient = _PatientExecutor(executor)
        self._descriptor_wait = descriptor_wait
        self._exhausted_since: float | None = None
        self._decoding = DecodingMemory.of_process() if decoding is None else decoding

    @property
    def decoding_memory(self) -> int:
        """The bytes that members take at present to be decompressed, apart from the buffers."""
        return sum(budget.held for budget in self._decoding)

    def rest(self) -> None:
        """Let idle threads end, if they are our own; later reads start new ones."""
        if isinstance(self._executor, ReaderThreads):
            self._executor.rest()

    async def read_batch(
        self, uploads: Sequence[PlannedUpload], buffer: memoryview, digests: Digests = CRC_ONLY
    ) -> ReadBatch:
        """Read small files into a buffer, as `Volume.read_batch` does.

        A file whose read stalls fails alone: files before it are complete, and files after it have
        to be read into another buffer.
        """
        items: list[BatchItem] = []
        while len(items) < len(uploads):
            try:
                reading = partial(self._read_on, uploads, buffer, digests, items)
                await self._retry_while_exhausted(reading, progress=items.__len__)
            except TooManyOpenFiles as error:
                items.append(UnloadedFile(uploads[len(items)], error))
            except SourceStalled as error:
                # A copy, because the thread may still append to its own list.
                known = list(items)
                unread = uploads[len(known) :]
                known += [UnloadedFile(stalled, error) for stalled in unread[:1]]
                return ReadBatch(known, unread[1:], stuck=True)
        return ReadBatch(items)

    async def _read_on(
        self,
        uploads: Sequence[PlannedUpload],
        buffer: memoryview,
        digests: Digests,
        items: list[BatchItem],
    ) -> None:
        heartbeat = Heartbeat()
        # One after the other, so the largest counts.
        most = max(_decoding_memory(upload.source) for upload in uploads)
        memory = self._decoding.for_small
        async with memory.hold(min(most, memory.capacity)):
            await self._offload.run(
                self._volume.read_batch,
                uploads,
                buffer,
                digests,
                items,
                heartbeat.beat,
                heartbeat=heartbeat,
                through=self._patient,
            )

    @asynccontextmanager
    async def opened(self, source: SourceFile) -> AsyncIterator[tuple[Readable, FileState]]:
        """Open a file and return it with its state. Raises as `Volume.open_source` does."""
        async with self._decoding.for_large.hold(_decoding_memory(source)):
            file, state = await self._retry_while_exhausted(partial(self._open, source))
            with file:
                if source.version is not None and isinstance(file, OpenFile):
                    check_same(source.version, state, file.volume.trust)
                yield (file if isinstance(file, OpenFile) else MemberInTurn(file)), state

    async def _open(self, source: SourceFile) -> tuple[OpenFile | OpenMember, FileState]:
        heartbeat = Heartbeat()
        return await self._offload.run(
            _open, self._volume, source, heartbeat.beat, heartbeat=heartbeat, undo=_close
        )

    async def read_part(
        self,
        file: Readable,
        buffer: memoryview,
        offset: int,
        expected: FileState,
        digests: Sequence[Digest] = (),
        crc: Crc = CRC64NVME,
    ) -> int:
        """See `OpenFile.read_part`; a member's state is checked against that of the scan."""
        heartbeat = Heartbeat()
        if isinstance(file, MemberInTurn):
            return await self._read_member(file, buffer, offset, digests, crc, heartbeat)
        return await self._offload.run(
            file.read_part,
            buffer,
            offset,
            expected,
            digests,
            crc,
            heartbeat.beat,
            heartbeat=heartbeat,
        )

    async def _read_member(
        self,
        file: MemberInTurn,
        buffer: memoryview,
        offset: int,
        digests: Sequence[Digest],
        crc: Crc,
        heartbeat: Heartbeat,
    ) -> int:
        member, run, beat = file.member, self._offload.run, heartbeat.beat
        # In turn, without a thread that waits for it. Each part is hashed while the next one is
        # inflated.
        async with file.turn if member.in_order else nullcontext():
            await run(member.read_into, buffer, offset, beat, heartbeat=heartbeat)
        return await run(member.sum_up, buffer, offset, digests, crc, beat, heartbeat=heartbeat)

    async def check_in_place(self, file: Readable, expected: FileState) -> None:
        """See `OpenFile.check_in_place`."""
        check = (
            file.member.check_in_place
            if isinstance(file, MemberInTurn)
            else partial(file.check_in_place, expected)
        )
        await self._retry_while_exhausted(partial(self._offload.run, check))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that examines the volume, as one step."""
        return await self._offload.run(partial(function, *args, **kwargs))

    async def dispose(self, disposal: Disposal, path: str, version: FileState) -> Disposed:
        """See `Disposal.dispose`."""
        try:
            return await self._offload.run(disposal.dispose, path, version)
        except SourceStalled as error:
            return Disposed("kept", error.message, failed=True)

    def scan(self, begin: Callable[[Callable[[str], None]], Iterator[T]]) -> Scan[T]:
        """Return a blocking iterator for `take`.

        `begin` gets a function to call with each path before it is examined.
        """
        heartbeat = Heartbeat()
        return Scan(begin(heartbeat.beat), heartbeat)

    def scan_volume(self, begin: Callable[[Volume, Callable[[str], None]], Iterator[T]]) -> Scan[T]:
        """Do the same with a function that needs the volume."""
        return self.scan(partial(begin, self._volume))

    async def take(self, scan: Scan[T], count: int, *, seconds: float | None = None) -> list[T]:
        """Return the next `count` items of a scan; fewer only at its end.

        With `seconds`, there are also fewer if these have passed, but none only at the end.

        Raises:
            SourceStalled: it made no progress; the scan can't be continued.
        """
        try:
            return await self._offload.run(
                _take, scan.items, count, seconds, heartbeat=scan.heartbeat
            )
        except SourceStalled as error:
            raise scan_stalled(scan.heartbeat.at, error) from error

    async def _retry_while_exhausted(
        self, open_: Callable[[], Awaitable[T]], progress: Callable[[], int] = lambda: 0
    ) -> T:
        clock, pause, before = asyncio.get_running_loop().time, _FIRST_WAIT, progress()
        while True:
            try:
                opened = await open_()
            except TooManyOpenFiles:
                if progress() > before:
                    pause, before, self._exhausted_since = _FIRST_WAIT, progress(), None
                if self._exhausted_since is None:
                    self._exhausted_since = clock()
                if clock() - self._exhausted_since >= self._descriptor_wait:
                    raise
            else:
                self._exhausted_since = None
                return opened
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_WAIT)


def _open(
    volume: Volume, source: SourceFile, beat: Beat
) -> tuple[OpenFile | OpenMember, FileState]:
    file = volume.open_source(source)
    try:
        beat()
        return file, file.state()
    except GivenUp:
        file.close()
        raise


def _decoding_memory(source: SourceFile) -> int:
    """Return how many bytes it takes at most to decompress a member; 0 for a file."""
    if source.member is None:
        return 0
    # Late: most volumes have no archives, and a start is kept short.
    from asyncload.source.archives.decoders import decoding_memory

    return decoding_memory(source.member.method, source.size)


def _close(opened: tuple[OpenFile | OpenMember, FileState]) -> None:
    opened[0].close()


def _take(items: Iterator[T], count: int, seconds: float | None) -> list[T]:
    if seconds is None:
        return list(islice(items, count))
    taken: list[T] = []
    end = time.monotonic() + seconds
    for item in islice(items, count):
        taken.append(item)
        if time.monotonic() >= end:
            break
    return taken
