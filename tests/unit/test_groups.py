"""Tasks that end together: how many there are at once, and which of their errors is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload import errors
from asyncload.groups import first_error, for_each, task_group

BUGS = [ValueError, KeyboardInterrupt]
ENDING = [errors.AccessDenied, errors.KeyCollision, errors.StoreUnavailable]
FAULTS = [errors.SourceChanged, errors.ServerError, errors.ObjectConflict]
LEAVES = st.sampled_from(BUGS + ENDING + FAULTS).map(lambda kind: kind("it happened"))
TREES = st.recursive(LEAVES, lambda trees: st.lists(trees, min_size=1, max_size=4))


def _group(tree):
    return (
        BaseExceptionGroup("group", [_group(t) for t in tree]) if isinstance(tree, list) else tree
    )


def _flat(tree):
    return [leaf for branch in tree for leaf in _flat(branch)] if isinstance(tree, list) else [tree]


@given(st.lists(TREES, min_size=1, max_size=4))
def test_the_error_told_is_the_one_that_says_most(tree):
    """A bug goes before what ends the run, that before a file's fault; then the first counts."""

    def rank(error):
        return [type(error) in kinds for kinds in (BUGS, ENDING, FAULTS)].index(True)

    assert first_error(_group(tree)) is min(_flat(tree), key=rank)


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
        async with task_group() as group:
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
