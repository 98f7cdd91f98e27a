"""A budget of bytes: who waits, and who is next."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.aio.budget import Budget


async def settle():
    """Let all tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


class Holder:
    """A task that holds a part of a budget until it is released."""

    def __init__(self, budget, size):
        self.has, self.release = False, asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._hold(budget, size))

    async def _hold(self, budget, size):
        async with budget.hold(size):
            self.has = True
            await self.release.wait()


async def test_no_more_is_held_than_there_is():
    """In the order of asking: a small one does not overtake a large one that waits."""
    budget = Budget(10)
    holders = [Holder(budget, size) for size in (6, 5, 4, 0)]
    await settle()
    assert [holder.has for holder in holders] == [True, False, False, True]
    assert budget.held == 6
    holders[0].release.set()
    await settle()
    assert [holder.has for holder in holders] == [True, True, True, True]
    assert budget.held == 9
    for holder in holders:
        holder.release.set()
    await asyncio.gather(*(holder.task for holder in holders))
    assert budget.held == 0


@pytest.mark.parametrize("late", [False, True])
async def test_a_cancelled_waiter_takes_nothing(late):
    """Not even if its turn has come in the same moment; the next one is served."""
    budget = Budget(10)
    first, cancelled, third = (Holder(budget, size) for size in (6, 9, 4))
    await settle()
    if late:
        first.release.set()
        await asyncio.sleep(0)
    cancelled.task.cancel()
    await settle()
    assert not cancelled.has
    assert third.has
    for holder in (first, third):
        holder.release.set()
        await holder.task
    assert budget.held == 0
