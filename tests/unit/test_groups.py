"""Tasks that end together: how many there are at once, and which of their errors is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload import errors
from asyncload.aio.groups import Group, first_error, for_each
from asyncload.aio.shielding import StrayCancellation

BUGS = [ValueError, KeyboardInterrupt]
ENDING = [errors.AccessDenied, errors.KeyCollision, errors.StoreUnavailable]
FAULTS = [errors.SourceChanged, errors.ServerError, errors.ObjectConflict]
LEAVES = st.sampled_from(BUGS + ENDING + FAULTS).map(lambda kind: kind("it happened"))


@given(st.lists(LEAVES, min_size=1, max_size=8))
def test_the_most_important_error_is_raised(raised):
    """A bug goes before what ends the run, that before a file's fault; then the first counts."""

    def rank(error):
        return [type(error) in kinds for kinds in (BUGS, ENDING, FAULTS)].index(True)

    assert first_error(raised) is min(raised, key=rank)


async def test_the_first_to_fail_cancels_the_others_and_is_raised_by_itself():
    """No group of errors reaches a caller."""
    cancelled = []

    async def wait():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def fail():
        raise errors.SourceChanged("it changed")

    async def both():
        async with Group() as group:
            group.create_task(wait())
            group.create_task(fail())

    with pytest.raises(errors.SourceChanged, match="it changed"):
        await both()
    assert cancelled == [True]


@pytest.mark.parametrize("concurrency", [1, 3, 40])
async def test_every_item_is_acted_on_once_and_so_many_at_once(concurrency):
    """The bound is reached where there is enough to do, and never passed."""
    done, running, most = [], 0, 0

    async def act(item):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    await for_each(iter(range(20)), act, concurrency)
    assert sorted(done) == list(range(20))
    assert most == min(concurrency, 20)


async def test_a_failure_leaves_the_items_behind_it_alone():
    """What comes after is not begun."""
    begun = []

    async def act(item):
        begun.append(item)
        raise errors.AccessDenied("no")

    with pytest.raises(errors.AccessDenied):
        await for_each(iter(range(9)), act, 2)
    assert begun == [0, 1]


async def wait_for_ever():
    await asyncio.Event().wait()


async def vanish_at_once():
    raise asyncio.CancelledError


async def vanish_after_a_time_out():
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await wait_for_ever()
    raise asyncio.CancelledError


async def vanish_by_somebody_elses_hand():
    asyncio.current_task().cancel()
    await wait_for_ever()


@pytest.mark.fault("C10")
@pytest.mark.parametrize(
    "vanish", [vanish_at_once, vanish_after_a_time_out, vanish_by_somebody_elses_hand]
)
async def test_a_task_that_ends_as_cancelled_and_was_not_asked_to_is_a_bug(vanish):
    """It is named, and those who wait for its work don't wait for ever."""

    async def both():
        async with Group() as group:
            group.create_task(wait_for_ever())
            group.create_task(vanish())

    with pytest.raises(StrayCancellation, match=vanish.__name__):
        await both()
    assert not asyncio.current_task().cancelling()


async def test_a_task_that_is_stopped_leaves_the_others_alone():
    """At any turn: a task that had not begun leaves nothing behind either."""
    for turns in range(4):
        async with Group() as group:
            stopped = group.create_task(wait_for_ever())
            other = group.create_task(asyncio.sleep(0.01, "result"))
            for _ in range(turns):
                await asyncio.sleep(0)
            group.stop(stopped)
        assert stopped.cancelled()
        assert other.result() == "result"


@pytest.mark.fault("C11")
@pytest.mark.parametrize("inner", [0, 1, 2, 5])
async def test_a_cancelled_group_is_cancelled_even_if_something_fails(inner):
    """A file's fault in the same turn of the loop does not let its owner continue."""
    went_on = []

    async def fail_later():
        for _ in range(inner):
            await asyncio.sleep(0)
        raise errors.SourceChanged("it changed")

    async def fail_when_cancelled():
        try:
            await wait_for_ever()
        finally:
            raise errors.ServerError("it failed")

    async def owner():
        try:
            async with Group() as group:
                group.create_task(fail_when_cancelled())
                await asyncio.sleep(0)
                asyncio.current_task().cancel()
                group.create_task(fail_later())
        except errors.AsyncloadError:
            went_on.append(True)

    task = asyncio.create_task(owner())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert went_on == []


@pytest.mark.parametrize("busy", [True, False], ids=["in its body", "while it waits"])
async def test_an_owner_continues_after_an_error_as_if_never_cancelled(busy):
    """The group interrupts its body, and takes that back; asyncio's own does not always."""

    async def fail():
        await asyncio.sleep(0)
        raise errors.SourceChanged("it changed")

    async def own():
        async with Group() as group:
            group.create_task(fail())
            if busy:
                await wait_for_ever()

    with pytest.raises(errors.SourceChanged):
        await own()
    assert not asyncio.current_task().cancelling()
    await asyncio.sleep(0)


async def test_an_error_of_the_body_cancels_the_tasks_and_is_raised():
    """As it is, with its cause."""
    cause = OSError("no")

    async def own():
        async with Group() as group:
            tasks.append(group.create_task(wait_for_ever()))
            await asyncio.sleep(0)
            raise errors.SourceChanged("it changed") from cause

    tasks = []
    with pytest.raises(errors.SourceChanged) as raised:
        await own()
    assert raised.value.__cause__ is cause
    assert tasks[0].cancelled()


async def test_a_bug_is_raised_although_the_group_was_cancelled():
    """It would be found nowhere else."""

    async def fail_when_cancelled():
        try:
            await wait_for_ever()
        finally:
            raise ZeroDivisionError

    async def owner():
        async with Group() as group:
            group.create_task(fail_when_cancelled())
            await asyncio.sleep(0)
            asyncio.current_task().cancel()

    with pytest.raises(ZeroDivisionError):
        await asyncio.create_task(owner())


@pytest.mark.parametrize("turns", range(5))
async def test_a_time_out_around_a_group_is_a_time_out(turns):
    """Its tasks were asked to end."""

    async def wait_in_vain():
        async with asyncio.timeout(None) as time, Group() as group:
            group.create_task(wait_for_ever())
            for _ in range(turns):
                await asyncio.sleep(0)
            time.reschedule(0)

    with pytest.raises(TimeoutError):
        await wait_in_vain()
    assert not asyncio.current_task().cancelling()
