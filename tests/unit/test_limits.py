"""How many requests may be in flight: halved by complaints, grown by successes, fair to all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.limits import AdaptiveLimit, Throttle

CEILINGS = st.integers(1, 1024)


# What is decided


@given(CEILINGS, st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=300))
def test_the_limit_stays_between_one_and_the_ceiling(ceiling, events):
    """Whatever happens, to requests of this round or of those before."""
    state = Throttle(ceiling, ceiling)
    for success, rounds_ago in events:
        step = state.after_success if success else state.after_complaint
        state = step(state.round - rounds_ago)
        assert 1 <= state.limit <= ceiling
        assert state.successes < state.limit


@given(CEILINGS, st.integers(1, 50))
def test_the_complaints_of_one_round_halve_the_limit_once(ceiling, complaints):
    """What was in flight at the first of them knew nothing of the new limit."""
    before = state = Throttle(ceiling, ceiling)
    for _ in range(complaints):
        state = state.after_complaint(before.round)
    assert state.limit == max(1, ceiling // 2)


@given(CEILINGS)
def test_each_round_halves_again_down_to_one(ceiling):
    """A store that goes on complaining is soon asked one thing at a time."""
    state = Throttle(ceiling, ceiling)
    limits = [ceiling]
    while state.limit > 1:
        state = state.after_complaint(state.round)
        limits.append(state.limit)
    assert limits == [max(1, ceiling >> n) for n in range(len(limits))]


@given(CEILINGS)
def test_successes_bring_the_ceiling_back(ceiling):
    """Within 32 rounds of as many successes as there may be requests at once."""
    state = Throttle(ceiling, 1)
    rounds = 0
    while state.limit < ceiling:
        rounds += 1
        grown = state
        for _ in range(state.limit):
            grown = grown.after_success(grown.round)
        assert grown.limit > state.limit
        state = grown
    assert rounds <= 32
    assert state.after_success(state.round) is state


def test_growth_is_additive():
    """One more request for each round of successes, where 32 are allowed."""
    state = Throttle(32, 4)
    limits = []
    for _ in range(15):
        state = state.after_success(0)
        limits.append(state.limit)
    assert limits == [4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7]


def test_a_success_from_before_a_complaint_proves_nothing():
    """It was sent when there were more at once."""
    state = Throttle(32, 32).after_complaint(0)
    for _ in range(100):
        state = state.after_success(0)
    assert (state.limit, state.successes) == (16, 0)


# Who gets a place


async def test_at_most_so_many_hold_a_place():
    """The next one waits until a place is given back."""
    limit = AdaptiveLimit(2)
    await limit.acquire()
    await limit.acquire()
    third = asyncio.ensure_future(limit.acquire())
    await asyncio.sleep(0)
    assert (third.done(), limit.in_flight) == (False, 2)
    limit.release()
    await third
    assert limit.in_flight == 2


async def test_places_are_given_in_the_order_they_were_asked_for():
    """Also against one who comes when a place was just given back."""
    limit = AdaptiveLimit(1)
    got = []

    async def work(name):
        await limit.acquire()
        got.append(name)
        await asyncio.sleep(0)
        limit.release()

    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(work(name))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        group.create_task(work(5))
    assert got == [0, 1, 2, 3, 4, 5]
    assert limit.in_flight == 0


async def test_a_lower_limit_lets_nobody_in_until_enough_have_left():
    """What is in flight goes on; then the waiting ones get the places that are left."""
    told = []
    limit = AdaptiveLimit(4, tell=told.append)
    begun = [await limit.acquire() for _ in range(4)]
    limit.crowded(begun[0])
    waiting = [asyncio.ensure_future(limit.acquire()) for _ in range(2)]
    for left in (3, 2):
        limit.release()
        await asyncio.sleep(0)
        assert limit.in_flight == left
        assert not waiting[0].done()
    limit.release()
    assert await waiting[0] == begun[0] + 1
    assert (limit.in_flight, waiting[1].done()) == (2, False)
    limit.release()
    await waiting[1]
    assert told == [2]


async def test_a_higher_limit_lets_the_waiting_in():
    """Without anybody leaving."""
    told = []
    limit = AdaptiveLimit(2, tell=told.append)
    limit.crowded(await limit.acquire())
    begun = limit.acquire()
    waiting = asyncio.ensure_future(begun)
    await asyncio.sleep(0)
    limit.succeeded(1)
    await waiting
    assert (limit.limit, limit.in_flight, told) == (2, 2, [1, 2])


async def test_a_success_at_the_ceiling_and_an_old_complaint_tell_nothing():
    """Only a limit that changed is told."""
    told = []
    limit = AdaptiveLimit(8, tell=told.append)
    limit.succeeded(0)
    limit.crowded(0)
    limit.crowded(0)
    assert told == [4]
    assert AdaptiveLimit(8).limit == 8


@pytest.mark.parametrize("given_already", [False, True])
async def test_who_is_cancelled_takes_no_place(given_already):
    """Neither while waiting nor when the place was given at the same moment."""
    limit = AdaptiveLimit(1)
    await limit.acquire()
    first, second = (asyncio.ensure_future(limit.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    if given_already:
        limit.release()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    if not given_already:
        assert not second.done()
        limit.release()
    await second
    assert limit.in_flight == 1
    limit.release()
    assert limit.in_flight == 0


async def test_a_cancelled_waiter_keeps_nobody_waiting():
    """It leaves the queue although its place came free before it knew."""
    limit = AdaptiveLimit(1)
    await limit.acquire()
    cancelled = asyncio.ensure_future(limit.acquire())
    await asyncio.sleep(0)
    cancelled.cancel()
    limit.release()
    await limit.acquire()
    assert cancelled.cancelled() or await asyncio.wait({cancelled})
    assert limit.in_flight == 1


async def test_who_comes_behind_a_cancelled_waiter_gets_the_free_place():
    """The queue looked taken, and is not."""
    limit = AdaptiveLimit(1)
    begun = await limit.acquire()
    ahead = asyncio.ensure_future(limit.acquire())
    await asyncio.sleep(0)
    limit.crowded(begun)
    ahead.cancel()
    behind = asyncio.ensure_future(limit.acquire())
    limit.release()
    await behind
    assert (ahead.cancelled(), limit.in_flight) == (True, 1)


async def test_every_place_comes_back_from_a_crowd_that_is_cancelled():
    """In the middle of it, holders and waiters alike."""
    limit = AdaptiveLimit(3)

    async def work():
        begun = await limit.acquire()
        try:
            await asyncio.sleep(0)
            limit.crowded(begun)
            await asyncio.sleep(1000)
        finally:
            limit.release()

    crowd = [asyncio.ensure_future(work()) for _ in range(50)]
    for _ in range(5):
        await asyncio.sleep(0)
    for worker in crowd:
        worker.cancel()
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(end) for end in ended} == {asyncio.CancelledError}
    assert limit.in_flight == 0
    await limit.acquire()
