"""Places for requests in flight: given in turn, and as many as the decisions say."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.store.limits import AdaptiveLimit

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


async def test_a_lower_limit_admits_no_request_until_enough_have_ended():
    """Requests in flight continue; then the waiting ones get the places that are left."""
    told = []
    limit = AdaptiveLimit(4, on_change=lambda limit, *_: told.append(limit))
    begun = [await limit.acquire() for _ in range(4)]
    limit.overloaded(begun[0])
    waiting = [asyncio.ensure_future(limit.acquire()) for _ in range(2)]
    for left in (3, 2):
        limit.release()
        await asyncio.sleep(0)
        assert limit.in_flight == left
        assert not waiting[0].done()
    limit.release()
    assert (await waiting[0]).halvings == begun[0].halvings + 1
    assert (limit.in_flight, waiting[1].done()) == (2, False)
    limit.release()
    await waiting[1]
    assert told == [2]


async def test_a_higher_limit_lets_the_waiting_in():
    """Without anybody leaving."""
    told = []
    limit = AdaptiveLimit(2, on_change=lambda *news: told.append(news))
    place = await limit.acquire()
    limit.overloaded(place)
    waiting = asyncio.ensure_future(limit.acquire())
    await asyncio.sleep(0)
    for _ in range(5):
        assert not waiting.done()
        limit.succeeded(place._replace(halvings=1))
        await asyncio.sleep(0)
    await waiting
    assert (limit.limit, limit.in_flight) == (2, 2)
    assert told == [(1, 2, "throttled"), (2, 2, "asked for")]


async def test_a_success_at_the_ceiling_and_an_old_complaint_change_nothing():
    """Only a limit that changed is told."""
    told = []
    limit = AdaptiveLimit(8, on_change=lambda limit, *_: told.append(limit))
    place = await limit.acquire()
    limit.succeeded(place)
    limit.overloaded(place)
    limit.overloaded(place)
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


async def test_a_cancelled_waiter_delays_no_other():
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
    limit.overloaded(begun)
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
            limit.overloaded(begun)
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
