"""How many requests may be in flight: as many as are asked for, fewer while the store is crowded.

`Throttle` decides, and needs no event loop; `AdaptiveLimit` lets requests wait for their places.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

# Rounds of successes from one request at once to the ceiling, whatever that is: growing by one
# would take a thousand rounds where a thousand are allowed.
_ROUNDS_TO_CEILING = 32


@dataclass(frozen=True, slots=True)
class Throttle:
    """The limit on requests in flight: halved when the store is crowded, grown by successes.

    `round` counts the halvings. A request belongs to the round that it begins in; of each round
    only the first complaint halves the limit, and only successes count towards growing, because
    what was in flight at a halving says nothing of the limit since. `successes` are those since
    the limit last changed. The limit stays between 1 and `ceiling`.

    Source: additive increase, multiplicative decrease, as of TCP (RFC 5681).
    """

    ceiling: int
    limit: int
    round: int = 0
    successes: int = 0

    def after_success(self, begun: int) -> Throttle:
        """Return the state after a success of a request that began in round `begun`."""
        if self.limit == self.ceiling or begun != self.round:
            return self
        if self.successes + 1 < self.limit:
            return replace(self, successes=self.successes + 1)
        step = -(-self.ceiling // _ROUNDS_TO_CEILING)
        return replace(self, limit=min(self.ceiling, self.limit + step), successes=0)

    def after_complaint(self, begun: int) -> Throttle:
        """Return the state after the store's complaint about a request of round `begun`."""
        if begun != self.round:
            return self
        return replace(self, limit=max(1, self.limit // 2), round=self.round + 1, successes=0)


class AdaptiveLimit:
    """Places for requests in flight, given in the order in which they are asked for.

    Args:
        ceiling: the most requests at once.
        tell: is called with each new limit; it must not block.
    """

    def __init__(self, ceiling: int, *, tell: Callable[[int], None] = lambda _: None) -> None:
        self._state = Throttle(ceiling, ceiling)
        self._tell = tell
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._state.limit

    @property
    def in_flight(self) -> int:
        """How many places are taken; more than the limit just after it was halved."""
        return self._in_flight

    async def acquire(self) -> int:
        """Wait for a place; return the round that the request begins in."""
        if self._in_flight < self._state.limit and not self._waiters:
            self._in_flight += 1
            return self._state.round
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
                # Those behind it no longer wait for its turn.
                self._hand_on()
            else:
                # The place was given to it already.
                self.release()
            raise
        return self._state.round

    def release(self) -> None:
        """Give a place back, to whoever has waited longest."""
        self._in_flight -= 1
        self._hand_on()

    def succeeded(self, begun: int) -> None:
        """Take in that the store served a request of round `begun`."""
        state = self._state
        if state.limit != state.ceiling:
            self._move(state.after_success(begun))

    def crowded(self, begun: int) -> None:
        """Take in that the store complained about a request of round `begun`, or gave no answer."""
        self._move(self._state.after_complaint(begun))

    def _move(self, state: Throttle) -> None:
        before, self._state = self._state, state
        if state.limit != before.limit:
            self._tell(state.limit)
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiters and self._in_flight < self._state.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                # Counted for whoever wakes, so that nobody comes between.
                self._in_flight += 1
                waiter.set_result(None)
