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


@pytest.mark.parametrize(("most", "places"), [(1, 1), (3, 3), (4, 4), (32, 4)])
async def test_it_starts_with_four_places_at_most(most, places):
    """One request in flight stays one."""
    assert await most_at_once(PartWindow(most)) == places


async def test_each_slow_part_makes_room_for_one_more():
    """A round of four slow ones makes eight; never more than are allowed."""
    window = PartWindow(10)
    for expected in (5, 6, 7, 8, 9, 10, 10):
        window.learn(8 * MIB, SLOW)
        assert await most_at_once(window) == expected


async def test_quick_parts_change_nothing():
    """Few at once keep the bytes in the processor's cache."""
    window = PartWindow(32)
    for _ in range(100):
        window.learn(8 * MIB, QUICK)
    assert await most_at_once(window) == 4


async def test_a_large_part_may_take_longer():
    """What counts is the rate: 16 MiB in 60 ms are as quick as 8 MiB in 30 ms."""
    window = PartWindow(32)
    window.learn(16 * MIB, 0.06)
    assert window.size == 4
    window.learn(8 * MIB, 0.06)
    assert window.size == 5


@given(most=st.integers(1, 64), seconds=st.lists(st.floats(0, 1), max_size=100))
def test_its_size_stays_within_bounds(most, seconds):
    """Whatever the times."""
    window = PartWindow(most)
    for one in seconds:
        window.learn(8 * MIB, one)
        assert min(4, most) <= window.size <= most
