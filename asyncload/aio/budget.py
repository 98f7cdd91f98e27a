"""A number of bytes that tasks share: each waits until there is enough for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """Lets tasks hold `capacity` bytes in all, in the order in which they ask.

    Args:
        capacity: in bytes; no task may ask for more.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes while the body runs, once they are free; 0 never waits."""
        if size:
            await self._take(size)
        try:
            yield
        finally:
            self.held -= size
            self._serve()

    async def _take(self, size: int) -> None:
        if not self._waiting and self.held + size <= self.capacity:
            self.held += size
            return
        waiting = size, asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting[1]
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                self.held -= size
            self._serve()
            raise

    def _serve(self) -> None:
        while self._waiting:
            size, future = self._waiting[0]
            # One that is cancelled is about to leave the queue, and calls here again.
            if future.cancelled() or self.held + size > self.capacity:
                return
            self._waiting.popleft()
            self.held += size
            future.set_result(None)
