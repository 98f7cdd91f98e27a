"""How many bytes of bodies a second may be sent (`--limit-rate`), evenly, over all requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_KIB = 1024

# A body is paid for in slices of a sixteenth of a second, so that none goes out in one burst.
_SLICES_A_SECOND = 16
_MIN_SLICE, _MAX_SLICE = 16 * _KIB, 1024 * _KIB

# Bodies of more than a slice share the rate: each gets at least so many bytes a second, four times
# what its deadline counts on.
_MIN_PACE = 256 * _KIB


class RateLimit:
    """Lets at most `rate` bytes a second pass, in the order in which they are asked for.

    In any time of `seconds` no more than `rate * seconds + burst` bytes pass, counted when `take`
    returns.

    Attributes:
        slice: so many bytes of a body are sent at once.
        sent_in_slices: whoever writes a body takes its slices, all but the first; else all of it is
            taken before it is sent, and goes out at once.

    Args:
        rate: in bytes a second.
        sleep: waits for that many seconds.
        clock: tells seconds, from any start; the running loop's time where there is none.

    Source: the generic cell rate algorithm, ITU-T I.371, which is a token bucket without a timer.
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
        self._clock = clock or _loop_time
        # When the bucket would be full again, had nothing more been asked for.
        self._full_at = float("-inf")
        self._turns = asyncio.Semaphore(max(1, rate // _MIN_PACE))

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Hold the body back while as many others are under way as the rate can feed.

        Each one under way gets on so fast that it arrives within its deadline. A body that is a
        single slice needs no turn.
        """
        if size <= self.slice:
            yield
            return
        async with self._turns:
            yield

    async def begin(self, size: int) -> bool:
        """Wait until a body of `size` bytes may be begun; return whether the rate delays it."""
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


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
