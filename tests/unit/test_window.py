"""How many parts are under way: few while they are quick, more where the network has latency."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.transfer import PartWindow

MIB = 1024 * 1024
SLOW, QUICK = 0.2, 0.01


async def most_at_once(window):
    """Return how many places there are to take."""
    taken = 0
    while True:
        try:
            await asyncio.wait_for(window.enter(), 0.01)
        except TimeoutError:
            break
        taken += 1
    for _ in range(taken):
        window.leave()
    return taken


@pytest.mark.parametrize(("most", "places"), [(1, 1), (3, 3), (8, 8), (32, 8)])
async def test_it_starts_with_eight_places_at_most(most, places):
    """One request in flight stays one."""
    assert await most_at_once(PartWindow(most)) == places


async def test_each_slow_part_makes_room_for_one_more():
    """A round of eight slow ones makes sixteen; never more than are allowed."""
    window = PartWindow(11)
    for expected in (9, 10, 11, 11):
        window.learn(8 * MIB, SLOW)
        assert await most_at_once(window) == expected


async def test_quick_parts_change_nothing():
    """More at once would take memory, and be no faster."""
    window = PartWindow(32)
    for _ in range(100):
        window.learn(8 * MIB, QUICK)
    assert await most_at_once(window) == 8


async def test_a_large_part_may_take_longer():
    """What counts is the rate: 16 MiB in 120 ms are as quick as 8 MiB in 60 ms."""
    window = PartWindow(32)
    window.learn(16 * MIB, 0.12)
    assert window.size == 8
    window.learn(8 * MIB, 0.12)
    assert window.size == 9


@given(most=st.integers(1, 64), seconds=st.lists(st.floats(0, 1), max_size=100))
def test_its_size_stays_within_bounds(most, seconds):
    """For any times."""
    window = PartWindow(most)
    for one in seconds:
        window.learn(8 * MIB, one)
        assert min(8, most) <= window.size <= most
