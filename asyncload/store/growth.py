"""How many requests at once are worth it, and how many a store takes: decisions, no event loop.

`Throttle` is about what the store says: halved by its complaints, grown by its successes. `Climb`
is about what more requests bring: it doubles while that brings throughput.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# So many rounds of successes are to prove a limit just below one that the store refused, before
# more is tried: of a store that serves so much and no more, most rounds should be there. A limit of
# a few is proven sooner: that is where a storm leaves it, and its rounds are of a few successes.
_PROVEN_ROUNDS, _MIN_PROVEN_ROUNDS = 16, 3

# Twice the requests at once have to bring so much more, or as much in proportion for fewer.
_WORTHWHILE = 0.08
# If it is less than this, noise may have brought it: it has to be so twice, with a look at the base
# in between.
_CERTAIN = 0.5
# Less than this of what it was: the store has changed, and what was found out no longer holds.
_FALLEN = 0.7
_FALLEN_TWICE = 2
# Of a new measurement, at rest: noise is to even out, slow changes are to be followed.
_WEIGHT = 0.25
# Measurements between one try and the next: of a tenth of a second or more each.
_FIRST_REST, _MAX_REST = 8, 512


@dataclass(frozen=True, slots=True)
class Throttle:
    """The limit on requests in flight: halved when the store complains, grown by successes.

    It grows in rounds of as many successes as there were places when the round began. Unless the
    store complained, each success makes room for one more, which doubles the limit in a round.
    After a complaint about `refused` requests at once each round goes half of the way to one less.
    There it stays for up to 16 rounds, then tries 1, 2, 4 more; at the ceiling the complaint is
    forgotten. Where nothing succeeds between two complaints, `refused` stays that of the first: a
    store that serves nobody says nothing of how many would be too many.

    `halvings` are counted, and a request belongs to the halving that it begins after: of the
    complaints about requests of one halving only the first counts, and so do only their successes,
    because what was in flight then says nothing of the limit since. The limit stays between 1 and
    `ceiling`.

    Source: multiplicative decrease as of TCP (RFC 5681); the way back as of "Binary Increase
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
        """How many requests may be in flight now."""
        return self.start + self.rise * self.successes // self.start

    def after_success(self, begun: int) -> Throttle:
        """Return the state after a success of a request that began after halving `begun`."""
        if begun != self.halvings or (self.limit == self.ceiling and self.refused is None):
            return self
        if self.successes + 1 < self.start:
            return replace(self, successes=self.successes + 1, just_halved=False)
        grown = replace(self, start=self.start + self.rise, successes=0, just_halved=False)
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
        """Return the state with another ceiling; below it, the limit goes on from where it is."""
        if ceiling <= self.limit:
            return Throttle(ceiling, ceiling, halvings=self.halvings)
        return _next_round(replace(self, ceiling=ceiling, start=self.limit, successes=0))


@dataclass(frozen=True, slots=True)
class Climb:
    """How many requests at once are worth it: `aim` is what is tried, `base` what is known.

    Each step is taken by a measurement of the throughput at `aim`, in requests a second. From a
    base that was measured, twice as many are tried. Where that brings more, it is the new base;
    else they are given up, and tried again after a rest that doubles with each failure.
    `throughput` is what the base brings, None where that is to be measured.
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
        """Whether all that may be tried is worth it: there is nothing left to find out."""
        return self.base == self.ceiling

    @property
    def resting(self) -> bool:
        """Whether more were tried and brought nothing."""
        return self.aim == self.base < self.ceiling and self.rest > 0 and not self.doubted

    def after(self, throughput: float) -> Climb:
        """Return the state after a measurement of `aim` requests at once."""
        before = self.throughput
        if not self.warm:
            # Connections were made meanwhile, and all else was done for the first time.
            return replace(self, warm=True)
        if before is None:
            return _try_more(replace(self, throughput=throughput))
        if self.aim > self.base:
            more = self.aim / self.base - 1
            if throughput >= before * (1 + _CERTAIN * more) or (
                self.doubted and throughput >= before * (1 + _WORTHWHILE * more)
            ):
                return _try_more(Climb(self.ceiling, self.aim, self.aim, throughput))
            if throughput >= before * (1 + _WORTHWHILE * more):
                return replace(self, aim=self.base, rest=1, doubted=True)
            longer = min(2 * self.next_rest, _MAX_REST)
            return replace(
                self, aim=self.base, rest=self.next_rest, next_rest=longer, doubted=False
            )
        if throughput < before * _FALLEN:
            if self.fallen + 1 < _FALLEN_TWICE:
                return replace(self, fallen=self.fallen + 1)
            return _try_more(Climb(self.ceiling, self.base, self.base, throughput))
        even = before + _WEIGHT * (throughput - before)
        state = replace(self, throughput=even, fallen=0, rest=max(0, self.rest - 1))
        return state if state.rest else _try_more(state)

    def anew(self) -> Climb:
        """Return the state where requests of another kind are made: nothing is known of those."""
        return Climb(self.ceiling, self.aim, self.aim)


def _next_round(throttle: Throttle) -> Throttle:
    """Begin a round of successes: decide by how much the limit grows during it."""
    room = throttle.ceiling - throttle.start
    if throttle.refused is None:
        return replace(throttle, rise=min(throttle.start, room))
    if not room:
        return replace(throttle, rise=0, refused=None, proven=0)
    below = max(1, throttle.refused - 1)
    if throttle.start < below:
        return replace(throttle, rise=min(throttle.start, -(-(below - throttle.start) // 2)))
    more = throttle.proven - min(_PROVEN_ROUNDS, _MIN_PROVEN_ROUNDS + below)
    rise = min(room, 1 << more) if more >= 0 else 0
    return replace(throttle, rise=rise, proven=throttle.proven + 1)


def _try_more(climb: Climb) -> Climb:
    """Aim at twice as many requests at once as are known to be worth it."""
    return replace(climb, aim=min(2 * climb.base, climb.ceiling))
