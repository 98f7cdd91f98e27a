"""Limit the requests in flight: as many as are worth making, fewer while the store complains.

`growth` decides, without an event loop; `AdaptiveLimit` lets requests wait for their places.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from asyncload.model.values import LimitReason
from asyncload.store.growth import Climb, Throttle

# A measurement has at least so many requests and seconds, or noise would decide.
_MIN_SAMPLES = 16
_MIN_SECONDS = 0.08
# Only requests during which this share of the places was in use count.
_BUSY = 0.75
# A gain that may be noise must be seen again among requests that began with this share in flight.
_FULL = 0.95


class Place(NamedTuple):
    """A request's place, with the circumstances at its start.

    `halvings` and `generation` identify the limit it began under, `begun` is its time in seconds,
    and `in_flight` the number of requests including it.
    """

    halvings: int
    generation: int
    begun: float
    in_flight: int


class AdaptiveLimit:
    """Places for requests in flight, given in the order of the waits.

    Args:
        ceiling: the maximum number of requests at once.
        start: the initial number, which grows while that brings throughput; None starts at the
            ceiling and stays there unless the store complains.
        ceiling_reason: why the ceiling is not higher.
        on_change: called after every change with the limit, the limit without complaints, and the
            reason; it must not block.
        clock: returns seconds, from any start; by default the running loop's time.
    """

    def __init__(
        self,
        ceiling: int,
        *,
        start: int | None = None,
        ceiling_reason: LimitReason = "asked for",
        on_change: Callable[[int, int, LimitReason], None] = lambda *_: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._climb = None if start is None else Climb.starting_at(start, ceiling)
        aim = ceiling if self._climb is None else self._climb.aim
        self._throttle = Throttle(aim, aim)
        self._ceiling = ceiling
        self._ceiling_reason = ceiling_reason
        self._on_change = on_change
        self._clock = clock or loop_time
        self._in_flight = self._peak = 0
        self._waiters: deque[asyncio.Future[Place]] = deque()
        self._generation = 0
        self._measured = _Measurement()

    @property
    def limit(self) -> int:
        """The maximum number of requests in flight at present."""
        return self._throttle.limit

    @property
    def aim(self) -> int:
        """The limit if the store did not complain."""
        return self._throttle.ceiling

    @property
    def in_flight(self) -> int:
        """The number of places in use; above the limit just after a halving."""
        return self._in_flight

    @property
    def peak(self) -> int:
        """The maximum number of places that were in use."""
        return self._peak

    @property
    def reason(self) -> LimitReason:
        """The reason for the present limit."""
        if self._throttle.refused is not None:
            return "throttled"
        if self._climb is None:
            return self._ceiling_reason
        if self._climb.done and self._peak >= self._ceiling:
            return self._ceiling_reason
        return "throughput" if self._climb.resting else "enough"

    async def acquire(self) -> Place:
        """Wait for a place."""
        if self._in_flight < self._throttle.limit and not self._waiters:
            return self._place()
        waiter: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
                # Those behind it need not wait for its turn.
                self._hand_on()
            else:
                # The place had been given to it already.
                self.release()
            raise

    def delayed(self, place: Place) -> Place:
        """Return the place of a request whose start one of our own limits delayed.

        Such a request says nothing about the store or about more requests at once.
        """
        return place._replace(begun=self._clock(), in_flight=0)

    def release(self) -> None:
        """Return a place; the longest waiter gets it."""
        self._in_flight -= 1
        self._hand_on()

    def resize(self, ceiling: int) -> None:
        """Change the maximum; a growing limit continues to grow from its present value."""
        if ceiling == self._ceiling:
            return
        self._ceiling = ceiling
        if self._climb is not None:
            self._climb = self._climb.with_ceiling(ceiling)
            self._measured = _Measurement(self._measured.kind)
            self._turn_to(self._climb.aim)
        else:
            self._turn_to(ceiling)

    def succeeded(self, place: Place, kind: str = "") -> None:
        """Record that the store served a request; requests of one `kind` take equally long."""
        if self._throttle.refused is not None:
            self._move(self._throttle.after_success(place.halvings))
        climb = self._climb
        if climb is None or climb.done or place.generation != self._generation:
            return
        if self._throttle.refused is None:
            self._measure(climb, place, kind)

    def overloaded(self, place: Place) -> None:
        """Record that the store complained about a request, or did not answer it."""
        throttle = self._throttle.after_complaint(place.halvings)
        if throttle.halvings != self._throttle.halvings:
            self._begin_generation()
        self._move(throttle)

    def _measure(self, climb: Climb, place: Place, kind: str) -> None:
        if climb.doubted and climb.aim > climb.base and 0 < place.in_flight < _FULL * climb.aim:
            # It began while the number rose, and a busy store served it before it had them all.
            return
        measured = self._measured
        in_flight = (place.in_flight + self._in_flight) / 2 if place.in_flight else 0.0
        measured.add(place, in_flight, kind, self._clock(), _BUSY * climb.aim)
        if measured.other_kind:
            self._measured = _Measurement(kind)
            self._climb = climb.reset()
        elif self._throttle.limit == climb.aim and measured.enough(climb.aim // 2):
            throughput = measured.throughput
            self._measured = _Measurement(kind)
            if throughput is not None:
                self._climb = climb.after(throughput)
                self._turn_to(self._climb.aim)

    def _turn_to(self, aim: int) -> None:
        if aim != self._throttle.ceiling:
            self._begin_generation()
            self._move(self._throttle.with_ceiling(aim))

    def _begin_generation(self) -> None:
        self._generation += 1
        self._measured = _Measurement(self._measured.kind)

    def _move(self, throttle: Throttle) -> None:
        before, self._throttle = self._throttle, throttle
        if before.refused is not None and throttle.refused is None:
            self._begin_generation()
        if throttle.limit != before.limit:
            at_ceiling = throttle.limit == throttle.ceiling
            if at_ceiling or throttle.refused is not None:
                self._on_change(throttle.limit, throttle.ceiling, self.reason)
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiters and self._in_flight < self._throttle.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                # Counted before the waiter wakes, so that no other request takes the place.
                waiter.set_result(self._place())

    def _place(self) -> Place:
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        halvings, generation = self._throttle.halvings, self._generation
        return Place(halvings, generation, self._clock(), self._in_flight)


class _Measurement:
    """The throughput of requests of one kind during which most places were in use.

    What was in use during a request is the mean of its start and its end: after the limit was
    doubled, new requests start one after the other within a moment. By Little's law the throughput
    is the number in flight divided by the time each took, which is as accurate for a few requests
    that end together as for many that end evenly.
    """

    def __init__(self, kind: str | None = None) -> None:
        self.kind = kind
        self._begun: float | None = None
        self._now = 0.0
        self._samples = self._idle = self._others = 0
        self._in_flight = self._seconds = 0.0

    def add(self, place: Place, in_flight: float, kind: str, now: float, busy: float) -> None:
        """Record a request that succeeded now; it counts only if `busy` requests were in flight."""
        self._now = now
        if self._begun is None:
            self.kind = self.kind or kind
            self._begun = place.begun
        if kind != self.kind:
            self._others += 1
        elif in_flight < busy:
            self._idle += 1
        else:
            self._samples += 1
            self._in_flight += in_flight
            self._seconds += now - place.begun

    @property
    def other_kind(self) -> bool:
        """Whether most requests are of other kinds now."""
        return self._others > _MIN_SAMPLES + 2 * (self._samples + self._idle)

    def enough(self, samples: int) -> bool:
        """Whether there are enough samples over enough time."""
        seconds = 0.0 if self._begun is None else self._now - self._begun
        count = self._samples + self._idle
        return count >= max(samples, _MIN_SAMPLES) and seconds >= _MIN_SECONDS

    @property
    def throughput(self) -> float | None:
        """In requests a second; None if too few were in flight."""
        if self._samples <= self._idle or not self._seconds:
            return None
        return self._in_flight / self._seconds


def loop_time() -> float:
    """Return the running loop's time in seconds, by which all waits are measured."""
    return asyncio.get_running_loop().time()
