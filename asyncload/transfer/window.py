"""Limit how many parts are in progress at once."""

from __future__ import annotations

import asyncio

from asyncload.planning.plan import PARTS_AT_ONCE

# In bytes per second. A slower part waits for the network, not for this machine.
_QUICK = 80 * 1024 * 1024


class PartWindow:
    """Few parts while each is sent quickly; more, up to `most`, if the network has latency.

    Each part that was not quick makes room for one more, so the number doubles with each round.
    """

    def __init__(self, most: int) -> None:
        self.size = min(PARTS_AT_ONCE, most)
        self._most = most
        self._places = asyncio.Semaphore(self.size)

    def resize(self, most: int) -> None:
        """Change the maximum; parts in progress stay."""
        self._most = most

    async def enter(self) -> None:
        """Wait for a place."""
        await self._places.acquire()

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()

    def learn(self, length: int, seconds: float) -> None:
        """Record how long it took to send a part of `length` bytes."""
        if length < seconds * _QUICK and self.size < self._most:
            self.size += 1
            self._places.release()
