"""Decide how many requests to make at once. Pure: no event loop.

`Throttle` follows the store's complaints: it halves after one, and grows with successes. `Climb`
follows the throughput: it doubles the number of requests while that brings more.
"""

from __future__ import annotations

from typing import NamedTuple

# After a complaint, so many rounds of successes confirm a limit just below the refused one before
# more is tried: with a store of fixed capacity, most rounds should be there. A small limit, which a
# storm leaves, is confirmed sooner: its rounds are of a few successes.
_PROVEN_ROUNDS, _MIN_PROVEN_ROUNDS = 16, 3

# Twice the requests must bring so much more throughput, or a proportional share for fewer.
_WORTHWHILE = 0.08
# A smaller gain may be noise: it must be seen twice, with a measurement of the base in between.
_CERTAIN = 0.5
# Below this share of the earlier throughput, the store has changed: measure everything again.
_FALLEN = 0.7
_FALLEN_TWICE = 2
# The weight of a new measurement at rest: noise averages out, slow changes are followed.
_WEIGHT = 0.25
# Measurements between two tries, each of a tenth of a second or more.
_FIRST_REST, _MAX_REST = 8, 512


class Throttle(NamedTuple):
    """The limit on requests in flight: halved when the store complains, grown by successes.

    Before any complaint it is the ceiling. After a complaint about `refused` requests at once it
    grows in rounds; a round has as many successes as there were places when it began, and goes half
    of the way to one less than `refused`, at most to twice as many.
    There it stays for up to 16 rounds, then tries 1, 2, 4 more; at the ceiling the complaint is
    forgotten. If nothing succeeds between two complaints, `refused` stays that of the first: a
    store that serves nothing says nothing about its capacity.

    `halvings` counts the halvings, and a request belongs to the latest halving before it began.
    Only the first complaint about requests of one halving counts, and only successes of the present
    halving: earlier requests say nothing about the present limit. The limit stays between 1 and
    `ceiling`.

    Source: multiplicative decrease as in TCP (RFC 5681); the way back as in "Binary Increase
    Congestion Control (BIC) for Fast Long-Distance Networks", Xu, Harfoush and Rhee, 2004.
    """

    ceiling: int
    start: int
    rise: int = 0
    successes: int = 0
    halvings: int = 0
    refused: int | None = None
    proven: int = 0
    just_halved: bool = False

    @property
    def limit(self) -> int:
        """The maximum number of requests in flight at present."""
        return self.start + self.rise * self.successes // self.start

    def after_success(self, begun: int) -> Throttle:
        """Return the state after a success of a request that began after halving `begun`."""
        if begun != self.halvings or self.refused is None:
            return self
        if self.successes + 1 < self.start:
            return self._replace(successes=self.successes + 1, just_halved=False)
        grown = self._replace(start=self.start + self.rise, successes=0, just_halved=False)
        return _next_round(grown)

    def after_complaint(self, begun: int) -> Throttle:
        """Return the state after the store's complaint about a request of halving `begun`."""
        if begun != self.halvings:
            return self
        limit = self.limit
        halved = Throttle(
            self.ceiling,
            max(1, limit // 2),
            halvings=self.halvings + 1,
            refused=self.refused if self.just_halved else limit,
            just_halved=True,
        )
        return _next_round(halved)

    def with_ceiling(self, ceiling: int) -> Throttle:
        """Return the state with another ceiling; after a complaint, the limit below it stays."""
        if ceiling <= self.limit or self.refused is None:
            return Throttle(ceiling, ceiling, halvings=self.halvings)
        return _next_round(self._replace(ceiling=ceiling, start=self.limit, successes=0))


class Climb(NamedTuple):
    """How many requests at once are worth making: `aim` is tried, `base` is known.

    Each step follows a measurement of the throughput at `aim`, in requests a second. From a
    measured base, twice as many requests are tried. If they bring more, they are the new base;
    otherwise the climb returns to the base, and tries again after a rest that doubles with each
    failure. `throughput` is that of the base; None if it has to be measured.
    """

    ceiling: int
    base: int
    aim: int
    throughput: float | None = None
    rest: int = 0
    next_rest: int = _FIRST_REST
    fallen: int = 0
    warm: bool = True
    doubted: bool = False

    @classmethod
    def starting_at(cls, limit: int, ceiling: int) -> Climb:
        """Return the state before the first measurement."""
        return cls(ceiling, min(limit, ceiling), min(limit, ceiling), warm=False)

    @property
    def done(self) -> bool:
        """Whether the maximum is worth making: nothing is left to find out."""
        return self.base == self.ceiling

    @property
    def resting(self) -> bool:
        """Whether more requests were tried and brought nothing."""
        return self.aim == self.base < self.ceiling and self.rest > 0 and not self.doubted

    def after(self, throughput: float) -> Climb:
        """Return the state after a measurement of `aim` requests at once."""
        before = self.throughput
        if not self.warm:
            # The first measurement includes the making of connections and other first steps.
            return self._replace(warm=True)
        if before is None:
            return _try_more(self._replace(throughput=throughput))
        if self.aim > self.base:
            more = self.aim / self.base - 1
            if throughput >= before * (1 + _CERTAIN * more) or (
                self.doubted and throughput >= before * (1 + _WORTHWHILE * more)
            ):
                return _try_more(Climb(self.ceiling, self.aim, self.aim, throughput))
            if throughput >= before * (1 + _WORTHWHILE * more):
                return self._replace(aim=self.base, rest=1, doubted=True)
            longer = min(2 * self.next_rest, _MAX_REST)
            return self._replace(
                aim=self.base, rest=self.next_rest, next_rest=longer, doubted=False
            )
        if throughput < before * _FALLEN:
            if self.fallen + 1 < _FALLEN_TWICE:
                return self._replace(fallen=self.fallen + 1)
            return _try_more(Climb(self.ceiling, self.base, self.base, throughput))
        even = before + _WEIGHT * (throughput - before)
        state = self._replace(throughput=even, fallen=0, rest=max(0, self.rest - 1))
        return state if state.rest else _try_more(state)

    def with_ceiling(self, ceiling: int) -> Climb:
        """Return the state with another ceiling; a lower one is the new base if it is exceeded."""
        base = min(self.base, ceiling)
        return self._replace(ceiling=ceiling, base=base, aim=max(base, min(self.aim, ceiling)))

    def reset(self) -> Climb:
        """Return the state for requests of another kind: nothing is known about them."""
        return Climb(self.ceiling, self.aim, self.aim)


def _next_round(throttle: Throttle) -> Throttle:
    """Begin a round of successes: decide by how much the limit grows in it."""
    room = throttle.ceiling - throttle.start
    if throttle.refused is None or not room:
        return throttle._replace(rise=0, refused=None, proven=0)
    below = max(1, throttle.refused - 1)
    if throttle.start < below:
        return throttle._replace(rise=min(throttle.start, -(-(below - throttle.start) // 2)))
    more = throttle.proven - min(_PROVEN_ROUNDS, _MIN_PROVEN_ROUNDS + below)
    rise = min(room, 1 << more) if more >= 0 else 0
    return throttle._replace(rise=rise, proven=throttle.proven + 1)


def _try_more(climb: Climb) -> Climb:
    """Aim at twice as many requests as are known to be worth making."""
    return climb._replace(aim=min(2 * climb.base, climb.ceiling))
