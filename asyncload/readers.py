"""The volume from the event loop: each call is one hop to a reader thread, by aiofiles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import asynccontextmanager
from itertools import islice
from typing import ParamSpec, TypeVar

import aiofiles.os

from asyncload.checksums import CRC64NVME, Crc
from asyncload.file_state import FileState
from asyncload.model import PlannedUpload
from asyncload.shielding import finish, run_to_end
from asyncload.volume import BatchItem, Digest, Digests, OpenFile, Volume

T = TypeVar("T")
P = ParamSpec("P")


class _PatientExecutor(Executor):
    """Gives work to an executor, and waits a moment for it to be done.

    Worth it for a batch that takes less than a millisecond where the files are in memory: event
    loop and reader thread then don't take the GIL from each other at each system call, which
    costs more than the calls. Where the medium is slower, waiting would be in vain, and is soon
    left off.
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


_CRC_ONLY = Digests()


class Readers:
    """Reads a volume's files in an executor's threads.

    A hop is what costs, not the read: hence one hop for a batch of small files and one for a
    part. A hop is always waited for, cancelled or not: its thread is writing into a buffer
    that must not find a new user before.
    """

    def __init__(self, volume: Volume, executor: Executor) -> None:
        self._volume = volume
        self._executor = executor
        self._patient = _PatientExecutor(executor)

    async def read_batch(
        self, uploads: Sequence[PlannedUpload], buffer: memoryview, digests: Digests = _CRC_ONLY
    ) -> list[BatchItem]:
        """See `Volume.read_batch`."""
        return await finish(
            _read_batch(self._volume, uploads, buffer, digests, executor=self._patient)
        )

    @asynccontextmanager
    async def opened(self, path: str) -> AsyncIterator[tuple[OpenFile, FileState]]:
        """Open a file and say in what state it is. Raises as `Volume.open` does."""
        file, cancelled = await run_to_end(
            _open(self._volume, path, executor=self._executor), grace=None
        )
        with file:
            if cancelled:
                raise asyncio.CancelledError
            yield file, file.state()

    async def read_part(
        self,
        file: OpenFile,
        buffer: memoryview,
        offset: int,
        expected: FileState,
        digests: Sequence[Digest] = (),
        crc: Crc = CRC64NVME,
    ) -> int:
        """See `OpenFile.read_part`."""
        return await finish(
            _read_part(file, buffer, offset, expected, digests, crc, executor=self._executor)
        )

    async def check_in_place(self, file: OpenFile, expected: FileState) -> None:
        """See `OpenFile.check_in_place`."""
        await finish(_check_in_place(file, expected, executor=self._executor))

    async def take(self, items: Iterator[T], count: int) -> list[T]:
        """Return the next `count` items of a blocking iterator; fewer only at its end."""
        return await finish(_take(items, count, executor=self._executor))


_read_batch = aiofiles.os.wrap(Volume.read_batch)
_open = aiofiles.os.wrap(Volume.open)
_read_part = aiofiles.os.wrap(OpenFile.read_part)
_check_in_place = aiofiles.os.wrap(OpenFile.check_in_place)


@aiofiles.os.wrap
def _take(items: Iterator[T], count: int) -> list[T]:
    return list(islice(items, count))
