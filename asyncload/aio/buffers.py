"""The memory for file bytes: a bounded pool of reusable buffers."""

from __future__ import annotations

import asyncio
import mmap
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from asyncload.aio.shortage import no_memory
from asyncload.errors import OutOfMemory

Buffer: TypeAlias = mmap.mmap
"""Memory that begins at a page boundary. A large bytearray begins 16 bytes after one, and the
kernel takes nearly twice as long to copy a file there (7 instead of 13 GB/s on an AMD EPYC).
"""

_MIB = 1024 * 1024
_ROUNDED_UP_TO_POWERS = 16 * _MIB


class BufferPool:
    """Lends buffers of `capacity` bytes in all, and reuses returned ones.

    Reuse matters: fresh memory costs a page fault for every 4 KiB. Waiters are served in order, so
    that large requests are not starved by small ones. Never wait for a second buffer while holding
    one: that can deadlock.

    Args:
        capacity: in bytes.
        reserved: returns how many of them other users hold at present. The only buffer in use is
            lent nevertheless, so that no one waits forever.
    """

    def __init__(self, capacity: int, *, reserved: Callable[[], int] = lambda: 0) -> None:
        self.capacity = capacity
        self._reserved = reserved
        self._allocated = 0
        self._free: list[Buffer] = []
        self._waiting: deque[tuple[int, asyncio.Future[Buffer]]] = deque()

    @property
    def in_use(self) -> int:
        """Bytes of buffers on loan."""
        return self._allocated - sum(map(len, self._free))

    async def acquire(self, size: int) -> Buffer:
        """Return a buffer of at least `size` bytes, waiting until there is room for it.

        Raises:
            ValueError: `size` exceeds the pool's capacity.
            OutOfMemory: the system has no memory for it.
        """
        length = buffer_length(size)
        if length > self.capacity:
            length = size
        if length > self.capacity:
            raise ValueError(f"a buffer of {size} bytes from a pool of {self.capacity}")
        if not self._waiting and (buffer := self._take(length)) is not None:
            return buffer
        future: asyncio.Future[Buffer] = asyncio.get_running_loop().create_future()
        waiting = (length, future)
        self._waiting.append(waiting)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                if future.exception() is None:
                    self.release(future.result())
            else:
                self._waiting.remove(waiting)
                self._serve()
            raise

    def release(self, buffer: Buffer) -> None:
        """Take a buffer back for reuse."""
        self._free.append(buffer)
        self._serve()

    def discard(self, buffer: Buffer) -> None:
        """Take a buffer back without reusing it, because it may still be in use."""
        self._allocated -= len(buffer)
        self._serve()

    def resize(self, capacity: int) -> None:
        """Change the capacity; buffers on loan stay, and free ones that do not fit are freed."""
        self.capacity = capacity
        while self._free and self._allocated > capacity:
            self._allocated -= len(self._free.pop(0))
        self._serve()

    def close(self) -> None:
        """Free the memory of returned buffers at once, when no more are needed.

        A program that loads repeatedly should not depend on the garbage collector.
        """
        self._allocated -= sum(map(len, self._free))
        self._free.clear()

    def _serve(self) -> None:
        while self._waiting:
            length, future = self._waiting[0]
            if future.cancelled():
                # Its owner is about to leave the queue and call here again.
                return
            try:
                buffer = self._take(length)
            except OutOfMemory as error:
                # An error belongs to the waiter, not to the caller that made room.
                future.set_exception(error)
            else:
                if buffer is None:
                    return
                future.set_result(buffer)
            self._waiting.popleft()

    def _take(self, length: int) -> Buffer | None:
        for index in range(len(self._free) - 1, -1, -1):
            if len(self._free[index]) == length:
                return self._free.pop(index)
        in_use = self.in_use
        room = max(self.capacity - self._reserved(), 0 if in_use else length)
        if in_use + length > room:
            return None
        while self._allocated + length > room:
            self._allocated -= len(self._free.pop(0))
        buffer = _new_buffer(length)
        self._allocated += length
        return buffer


def buffer_length(size: int) -> int:
    """Round a size in bytes up, so that few lengths are in use and buffers are reused."""
    if size <= _ROUNDED_UP_TO_POWERS:
        return max(_MIB, 1 << (size - 1).bit_length()) if size > 1 else _MIB
    return -(-size // _MIB) * _MIB


def _new_buffer(length: int) -> Buffer:
    try:
        # Private, because the kernel and container limits count shared memory separately.
        return mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise no_memory(f"no room for a buffer of {length // _MIB} MiB") from error
