"""How many parts are under way at once."""

from __future__ import annotations

import asyncio

from asyncload.planning.plan import PARTS_AT_ONCE

# Bytes a second. A part that is slower waits for the network rather than for us.
_QUICK = 80 * 1024 * 1024


class PartWindow:
    """Few parts while each is sent quickly; more, up to `most`, where the network has latency.

    Each part that was not quick makes room for one more, so that the number doubles with each
    round of them.
    """

    def __init__(self, most: int) -> None:
        self.size = min(PARTS_AT_ONCE, most)
        self._most = most
        self._places = asyncio.Semaphore(self.size)

    async def enter(self) -> None:
        """Wait for a place."""
        await self._places.acquire()

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()

    def learn(self, length: int, seconds: float) -> None:
        """Take in how long it took to send a part of `length` bytes."""
        if length < seconds * _QUICK and self.size < self._most:
            self.size += 1
            self._places.release()
