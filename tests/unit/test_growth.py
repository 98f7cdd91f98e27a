"""How many requests at once are worth it, and how many a store takes: decisions without a loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.store.growth import Climb, Throttle

CEILINGS = st.integers(1, 1024)


def after_rounds(throttle, rounds):
    """Return the state after so many rounds of successes."""
    for _ in range(rounds):
        for _ in range(throttle.start):
            throttle = throttle.after_success(throttle.halvings)
    return throttle


# What the store says


@given(CEILINGS, st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=300))
def test_the_limit_stays_between_one_and_the_ceiling(ceiling, events):
    """For any outcome of requests of this halving or of earlier ones."""
    state = Throttle(ceiling, ceiling)
    for success, halvings_ago in events:
        step = state.after_success if success else state.after_complaint
        state = step(state.halvings - halvings_ago)
        assert 1 <= state.limit <= ceiling
        assert state.start + state.rise <= ceiling


@given(CEILINGS, st.integers(1, 50))
def test_the_complaints_about_one_limit_halve_it_once(ceiling, complaints):
    """What was in flight at the first of them knew nothing of the new limit."""
    before = state = Throttle(ceiling, ceiling)
    for _ in range(complaints):
        state = state.after_complaint(before.halvings)
    assert state.limit == max(1, ceiling // 2)


@given(CEILINGS)
def test_each_complaint_halves_again_down_to_one(ceiling):
    """A store that keeps complaining soon gets one request at a time."""
    state = Throttle(ceiling, ceiling)
    limits = [ceiling]
    while state.limit > 1:
        state = state.after_complaint(state.halvings)
        limits.append(state.limit)
    assert limits == [max(1, ceiling >> n) for n in range(len(limits))]
    assert state.refused in {None, ceiling}


@given(CEILINGS, CEILINGS)
def test_successes_bring_the_ceiling_back(ceiling, refused):
    """Within 48 rounds of as many successes as there may be requests at once."""
    state = Throttle(ceiling, min(ceiling, refused))
    for _ in range(12):
        state = state.after_complaint(state.halvings)
    state = after_rounds(state, 48)
    assert (state.limit, state.refused) == (ceiling, None)
    assert state.after_success(state.halvings) is state


def test_it_returns_fast_and_then_stays_below_the_refused_limit():
    """Half of the way in each round; there 13 rounds; then 1, 2, 4 more."""
    state = Throttle(64, 11).after_complaint(0)
    limits = [state.limit]
    for _ in range(24):
        state = after_rounds(state, 1)
        limits.append(state.limit)
    assert limits == [5, 8, 9] + [10] * 14 + [11, 13, 17, 25, 41, 64, 64, 64]
    assert state.refused is None


def test_a_success_from_before_a_complaint_proves_nothing():
    """It was sent when there were more at once."""
    state = Throttle(32, 32).after_complaint(0)
    for _ in range(100):
        state = state.after_success(0)
    assert (state.limit, state.successes) == (16, 0)


def test_a_storm_says_nothing_of_how_many_would_be_too_many():
    """If nothing succeeded between the complaints, the way back leads to the first."""
    state = Throttle(256, 200)
    for _ in range(8):
        state = state.after_complaint(state.halvings)
    assert (state.limit, state.refused) == (1, 200)
    assert [after_rounds(state, rounds).limit for rounds in range(9)] == [
        1, 2, 4, 8, 16, 32, 64, 128, 164,
    ]  # fmt: skip
    state = state.after_success(state.halvings).after_complaint(state.halvings)
    assert (state.limit, state.refused) == (1, 2)


def test_without_a_complaint_another_ceiling_is_used_at_once():
    """Successes change nothing: only a complaint makes the limit less than the ceiling."""
    state = Throttle(32, 32).with_ceiling(128)
    assert (state.limit, state.after_success(0)) == (128, state)
    assert state.with_ceiling(40).limit == 40
    complained = state.after_complaint(0)
    assert complained.with_ceiling(256).limit == complained.limit == 64


# What more requests bring


def warm(start, ceiling):
    """Return the state once connections are made: what was measured meanwhile does not count."""
    return Climb.starting_at(start, ceiling).after(0)


def climb_with(throughputs, ceiling=256, start=32):
    """Return the states after each measurement; `throughputs` tells of a limit what it brings."""
    climb = warm(start, ceiling)
    states = [climb]
    for _ in range(100):
        climb = climb.after(throughputs(climb.aim))
        states.append(climb)
    return states


def test_it_doubles_while_that_brings_throughput():
    """Four measurements to 256."""
    aims = [state.aim for state in climb_with(lambda limit: limit * 10)]
    assert aims[:6] == [32, 64, 128, 256, 256, 256]


def test_if_more_bring_nothing_it_returns_and_rests():
    """For 8 measurements, then for 16, 32: a store may have got faster."""
    states = climb_with(lambda _: 5000)
    aims = [state.aim for state in states]
    assert [at for at, aim in enumerate(aims) if aim == 64] == [1, 10, 27, 60]
    assert set(aims) == {32, 64}
    assert (states[2].resting, states[1].resting) == (True, False)


@pytest.mark.parametrize(("gain", "aims"), [(1.07, [32, 32, 32]), (1.09, [32, 64, 128])])
def test_twice_as_many_are_worth_a_twelfth_more(gain, aims):
    """If they bring it twice, with a look at the base in between: once may be noise."""
    climb = warm(32, 256).after(1000)
    seen = []
    for brought in (1000 * gain, 1000, 1000 * gain):
        climb = climb.after(brought)
        seen.append(climb.aim)
    assert seen == aims


def test_a_gain_of_half_is_not_noise():
    """It counts at once; noise that comes once is forgotten, and does not stop the growth."""
    climb = warm(32, 256).after(1000)
    assert climb.after(1500).aim == 128
    doubted = climb.after(1300)
    assert (doubted.aim, doubted.resting) == (32, False)
    settled = doubted.after(1000).after(1000)
    assert (settled.aim, settled.resting, settled.doubted) == (32, True, False)


def test_fewer_than_twice_as_many_need_bring_less():
    """The ceiling may be near."""
    climb = warm(32, 40).after(1000)
    assert climb.aim == 40
    assert climb.after(1019).aim == 32
    up = climb.after(1126)
    assert (up.aim, up.done) == (40, True)


def test_a_store_that_slows_down_is_tried_again_soon():
    """After two measurements: more requests may make up for it. Noise does not count."""
    climb = warm(32, 256).after(1000).after(1000)
    assert climb.after(600).after(1000).after(600).aim == 32
    slower = climb.after(600).after(600)
    assert (slower.aim, slower.throughput) == (64, 600)
    assert slower.after(1200).aim == 128


def test_slow_changes_are_followed():
    """What 32 bring now is what 64 are compared with."""
    climb = warm(32, 256).after(1000).after(1000)
    throughput = 1000.0
    while climb.aim == 32:
        throughput *= 0.98
        climb = climb.after(throughput)
    assert climb.throughput == pytest.approx(throughput, rel=0.1)


def test_of_requests_of_another_kind_nothing_is_known():
    """The limit stays; its throughput is measured again."""
    climb = warm(32, 256).after(1000).reset()
    assert (climb.aim, climb.base, climb.throughput) == (64, 64, None)


@given(
    start=st.integers(1, 300),
    ceiling=st.integers(1, 300),
    throughputs=st.lists(st.floats(0, 1e6), max_size=200),
)
def test_the_aim_stays_between_one_and_the_ceiling(start, ceiling, throughputs):
    """And never goes below what it began with, or what proved to be worth it."""
    climb = Climb.starting_at(start, ceiling)
    for throughput in throughputs:
        before, climb = climb, climb.after(throughput)
        assert min(start, ceiling) <= before.base <= climb.base <= climb.aim <= ceiling
        assert climb.aim <= 2 * climb.base
