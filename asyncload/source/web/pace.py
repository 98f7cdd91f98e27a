"""Limit the requests per second to an API: evenly spaced, and never more in any second."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

# Requests are spaced a little further apart than the rate requires, because some take longer than
# others to arrive.
_SPACING = 1.02
# A request that started late is followed by the next one after at least this share of the spacing.
_CATCH_UP = 0.5


class Pace:
    """Lets requests start one after the other, at most `rate` in any second.

    Args:
        rate: requests per second; may be below 1.
        sleep: waits for a number of seconds.
        clock: returns seconds, from any start; by default the running loop's time.
    """

    def __init__(
        self,
        rate: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._spacing = _SPACING / rate
        self._period = max(1.0, 1.0 / rate) * _SPACING
        self._recent: deque[float] = deque(maxlen=max(1, int(rate)))
        self._sleep = sleep
        self._clock = clock or asyncio.get_running_loop().time
        self._next = float("-inf")
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until the next request may start."""
        async with self._turn:
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
            now = self._clock()
            due = self._next if self._next > now - self._spacing else now
            self._next = max(due + self._spacing, now + _CATCH_UP * self._spacing)
            self._recent.append(now)

    def pause(self, seconds: float) -> None:
        """Let no request start for this long, because the API asks to wait."""
        self._next = max(self._next, self._clock() + seconds)

    def _wait(self) -> float:
        at = self._next
        if len(self._recent) == self._recent.maxlen:
            at = max(at, self._recent[0] + self._period)
        return at - self._clock()
