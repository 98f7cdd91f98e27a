"""How long the parts of a watch wait, and what ends their waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress

# In seconds.
_TICK = 0.5


class Pauses:
    """The pauses of a watch.

    Args:
        settle: how long a file must be quiet, in seconds.
        stop: ends the watch.
    """

    def __init__(self, settle: float, stop: asyncio.Event) -> None:
        self.settle = settle
        self.seconds = min(_TICK, settle / 4)
        self._stop = stop
        self._woken = asyncio.Event()

    @property
    def stopped(self) -> bool:
        """Whether the watch is to end."""
        return self._stop.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until the watch is to end."""
        await _wait_for(self._stop, seconds)

    async def tick(self) -> None:
        """Wait for a moment, or until another part has something new."""
        self._woken.clear()
        await _wait_for(self._woken, self.seconds)

    def wake(self) -> None:
        """End the present waits for something new."""
        self._woken.set()


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
