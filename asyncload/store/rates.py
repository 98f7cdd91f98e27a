"""Limit the bytes of bodies sent per second (`--limit-rate`), evenly over all requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from asyncload.store.limits import loop_time

_KIB = 1024

# A body is sent in slices of a sixteenth of a second, so that none goes out in one burst.
_SLICES_A_SECOND = 16
_MIN_SLICE, _MAX_SLICE = 16 * _KIB, 1024 * _KIB

# In bytes per second: what each body larger than a slice gets at least, four times the rate that
# its deadline assumes.
_MIN_PACE = 256 * _KIB

# Bodies in progress together arrive within so many seconds. If all went at once, none would have
# arrived when a run ends early, at its deadline or by a signal.
_AHEAD_SECONDS = 12


class RateLimit:
    """Lets at most `rate` bytes a second pass, in the order of the calls.

    In any period of `seconds`, at most `rate * seconds + burst` bytes pass, counted when `take`
    returns.

    Attributes:
        slice: the number of bytes of a body sent at once.
        sent_in_slices: the writer of a body takes its slices, all but the first; otherwise the
            whole body is taken before it is sent, and sent at once.

    Args:
        rate: in bytes a second.
        sleep: waits for a number of seconds.
        clock: returns seconds, from any start; by default the running loop's time.

    Source: the generic cell rate algorithm, ITU-T I.371: a token bucket without a timer.
    """

    def __init__(
        self,
        rate: int,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.slice = min(max(rate // _SLICES_A_SECOND, _MIN_SLICE), _MAX_SLICE)
        self.burst = 2 * self.slice
        self.sent_in_slices = False
        self._rate = rate
        self._sleep = sleep
        self._clock = clock or loop_time
        # The time when the bucket is full again, if nothing more is taken.
        self._full_at = float("-inf")
        # Of the bodies in progress.
        self._count = self._bytes = 0
        # The first that waits for a turn holds it, so that none is overtaken.
        self._entrance = asyncio.Lock()
        self._changed = asyncio.Event()

    def resize(self, rate: int) -> None:
        """Change the rate; a higher one allows more bodies in progress, too."""
        self._rate = rate
        self._changed.set()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Hold a body back while as many others are in progress as the rate allows.

        Each body in progress is fast enough to arrive within its deadline, and all of them arrive
        within twelve seconds, unless a single one takes longer. A body of a single slice needs no
        turn.
        """
        if size <= self.slice:
            yield
            return
        async with self._entrance:
            while not self._has_room(size):
                self._changed.clear()
                await self._changed.wait()
            self._count += 1
            self._bytes += size
        try:
            yield
        finally:
            self._count -= 1
            self._bytes -= size
            self._changed.set()

    def _has_room(self, size: int) -> bool:
        return not self._count or (
            self._count < self._rate // _MIN_PACE
            and self._bytes + size <= self._rate * _AHEAD_SECONDS
        )

    async def begin(self, size: int) -> bool:
        """Wait until a body of `size` bytes may start; return whether the rate delays it."""
        if not self.sent_in_slices:
            return await self.take(size)
        return await self.take(min(size, self.slice)) or size > self.slice

    async def take(self, size: int) -> bool:
        """Wait until `size` bytes may be sent; return whether there was a wait."""
        waited = False
        while size > 0:
            piece = min(size, self.slice)
            size -= piece
            now = self._clock()
            self._full_at = max(now, self._full_at) + piece / self._rate
            wait = self._full_at - self.burst / self._rate - now
            if wait > 0:
                waited = True
                await self._sleep(wait)
        return waited
