"""How many requests a second an API gets: never more than the rate in any second, hardly fewer."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.source.web.pace import Pace
from tests.support.virtual_time import run_virtually


def starts_of(rate, requests, workers, seconds_of=lambda number: 0.05, pause=None):
    """The times at which requests start that take so many seconds, by so many workers."""
    started = []

    async def run():
        pace = Pace(rate)
        numbers = iter(range(requests))
        loop = asyncio.get_running_loop()

        async def work():
            for number in numbers:
                await pace.turn()
                started.append(loop.time())
                if pause == number:
                    pace.pause(5)
                await asyncio.sleep(seconds_of(number))

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())

    run_virtually(run())
    return started


def most_in_a_second(times):
    return max(sum(begin <= time < begin + 1.0 for time in times) for begin in times)


@pytest.mark.parametrize("rate", [1, 5, 40, 250])
def test_the_rate_is_kept_within_five_per_cent(rate):
    """And no second has more."""
    times = starts_of(rate, 12 * rate + 1, workers=rate)
    assert 0.95 * rate <= (len(times) - 1) / (times[-1] - times[0]) <= rate
    assert most_in_a_second(times) <= rate


def test_less_than_one_request_a_second():
    """One in two seconds."""
    times = starts_of(0.5, 10, workers=3)
    assert all(2.0 <= later - earlier <= 2.1 for earlier, later in pairwise(times))


@settings(deadline=None, max_examples=50)
@given(
    rate=st.integers(1, 60),
    workers=st.integers(1, 50),
    seconds=st.lists(st.floats(0, 0.7), min_size=1, max_size=20),
)
def test_no_second_has_more_whatever_requests_take(rate, workers, seconds):
    """Slow ones in between leave no debt that is made up for in a burst."""
    times = starts_of(rate, 150, workers, lambda number: seconds[number % len(seconds)])
    assert most_in_a_second(times) <= rate


def test_a_blocked_loop_is_not_made_up_for_in_a_burst():
    """Requests that became due meanwhile start one after the other."""
    now = [0.0]
    started = []

    async def sleep(seconds):
        # The loop wakes up a second late, once.
        now[0] += seconds + (1.0 if len(started) == 30 else 0.0)

    async def run():
        pace = Pace(40, sleep=sleep, clock=lambda: now[0])
        for _ in range(200):
            await pace.turn()
            started.append(now[0])

    asyncio.run(run())
    assert most_in_a_second(started) <= 40
    assert started[-1] < 200 / 40 + 1.2


def test_a_pause_holds_back_every_request():
    """Those that wait for their turn already, too."""
    times = starts_of(40, 100, workers=20, pause=50)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert [gap for gap in gaps if gap > 1] == [pytest.approx(5, abs=0.1)]
