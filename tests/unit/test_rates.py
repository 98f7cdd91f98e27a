"""How many bytes a second are let pass: never more, hardly fewer, in turn."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.store.rates import RateLimit
from tests.support.virtual_time import run_virtually

KIB, MIB = 1024, 1024 * 1024


def most_in_any_window(passed, rate, burst):
    """Return by how many bytes the worst window exceeds its due; `passed` is (time, bytes)s."""
    worst = float("-inf")
    for first, (begin, _) in enumerate(passed):
        total = 0
        for end, size in passed[first:]:
            total += size
            worst = max(worst, total - rate * (end - begin) - burst)
    return worst


@settings(deadline=None, max_examples=50)
@given(
    rate=st.integers(64 * KIB, 256 * MIB),
    asked=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 4 * MIB)), min_size=1, max_size=12),
)
def test_no_window_passes_more_than_the_rate_and_the_burst(rate, asked):
    """For any sizes and times, piece by piece."""
    limit = RateLimit(rate)
    passed = []

    async def ask(begin, size):
        await asyncio.sleep(begin)
        for offset in range(0, size, limit.slice):
            piece = min(limit.slice, size - offset)
            await limit.take(piece)
            passed.append((asyncio.get_running_loop().time(), piece))

    async def run():
        async with asyncio.TaskGroup() as group:
            for begin, size in asked:
                group.create_task(ask(begin, size))

    run_virtually(run())
    assert sum(size for _, size in passed) == sum(size for _, size in asked)
    assert most_in_any_window(passed, rate, limit.burst) <= 1


@pytest.mark.parametrize("rate", [64 * KIB, MIB, 50 * MIB, 1024 * MIB])
def test_the_rate_is_reached(rate):
    """Ten seconds' bytes take ten seconds, but for what the burst saves."""
    limit = RateLimit(rate)
    _, seconds = run_virtually(limit.take(10 * rate))
    assert seconds == pytest.approx(10 - limit.burst / rate, rel=1e-6)


def test_a_part_does_not_go_in_one_burst():
    """8 MiB at 4 MiB a second: a piece every sixteenth of a second."""
    limit = RateLimit(4 * MIB)
    assert (limit.slice, limit.burst) == (256 * KIB, 512 * KIB)


@pytest.mark.parametrize(("rate", "turns"), [(64 * KIB, 1), (MIB, 1), (50 * MIB, 75)])
def test_no_more_bodies_are_under_way_than_arrive_in_time(rate, turns):
    """Those of twelve seconds; small ones do not wait for large ones."""
    limit = RateLimit(rate)
    under_way = most = small = 0

    async def send():
        nonlocal under_way, most
        async with limit.turn(8 * MIB):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1

    async def send_small():
        nonlocal small
        async with limit.turn(limit.slice):
            small += 1

    async def run():
        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(send())
            await asyncio.sleep(0.5)
            await send_small()
            assert under_way == turns

    run_virtually(run())
    assert (most, small) == (turns, 1)


@pytest.mark.parametrize(("rate", "turns"), [(256 * KIB, 1), (MIB, 4), (3 * MIB, 12)])
def test_each_body_is_quick_enough_for_its_deadline(rate, turns):
    """It gets a quarter of a MiB a second, however small it is."""
    limit = RateLimit(rate)
    entered = []

    async def send():
        async with limit.turn(limit.slice + 1):
            entered.append(limit)
            await asyncio.sleep(1)

    async def run():
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(send())
            await asyncio.sleep(0.5)
            assert len(entered) == turns
            # A higher rate lets more begin, at once.
            limit.resize(5 * MIB)
            await asyncio.sleep(0.1)
            assert len(entered) == 20

    run_virtually(run())


def test_parts_arrive_early_at_a_low_rate():
    """Half of 3 MiB a second, as each of two processes has: some have arrived at any deadline."""
    limit = RateLimit(3 * MIB // 2)
    arrived = []

    async def send():
        async with limit.turn(8 * MIB):
            for _ in range(0, 8 * MIB, limit.slice):
                await limit.take(limit.slice)
            arrived.append(asyncio.get_running_loop().time())

    async def run():
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(send())

    run_virtually(run())
    # Not all of them after 43 s.
    assert [sum(each <= seconds for each in arrived) for seconds in (12, 24, 36, 48)] == [
        2,
        4,
        6,
        8,
    ]


def test_a_body_that_gives_up_its_turn_lets_the_next_one_begin():
    """Be it in progress, or the first to wait."""
    limit = RateLimit(MIB)

    async def send():
        async with limit.turn(8 * MIB):
            await asyncio.sleep(3600)

    async def run():
        tasks = [asyncio.create_task(send()) for _ in range(2)]
        await asyncio.sleep(1)
        for task in reversed(tasks):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(1), limit.turn(8 * MIB):
            pass

    run_virtually(run())
