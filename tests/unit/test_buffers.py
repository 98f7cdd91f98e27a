"""The memory that file bytes pass through: bounded, reused, handed out in turn."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import sys
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.aio.buffers import BufferPool, buffer_length
from asyncload.errors import OutOfMemory
from asyncload.planning.plan import MIB

CAPACITY = 8 * MIB
STEPS = st.lists(
    st.tuples(st.just("acquire"), st.integers(0, CAPACITY))
    | st.tuples(st.sampled_from(["release", "discard", "cancel", "turn"]), st.integers(0, 50)),
    max_size=60,
)


@given(STEPS)
def test_never_more_than_the_capacity_is_handed_out(steps):
    """For any use and any cancellation; once all is given back, all are served."""
    asyncio.run(_use_a_pool(steps))


async def _use_a_pool(steps):
    pool, held, users = BufferPool(CAPACITY), [], []

    async def use(size):
        buffer = await pool.acquire(size)
        assert len(buffer) >= size
        held.append(buffer)

    for step, value in steps:
        if step == "acquire":
            users.append(asyncio.create_task(use(value)))
        elif step == "turn":
            await asyncio.sleep(0)
        elif step == "cancel" and users:
            users[value % len(users)].cancel()
        elif held:
            give_back = pool.release if step == "release" else pool.discard
            give_back(held.pop(value % len(held)))
        assert sum(map(len, held)) <= pool.in_use <= CAPACITY
    async with asyncio.timeout(60):
        while held or not all(user.done() for user in users):
            while held:
                pool.release(held.pop())
            await asyncio.sleep(0)
    assert all(user.cancelled() or user.result() is None for user in users)
    assert pool.in_use == 0


async def test_a_buffer_finds_a_new_user():
    """Fresh memory costs time: what was released is handed out again, if the length suits."""
    pool = BufferPool(CAPACITY)
    first, other = await pool.acquire(MIB), await pool.acquire(2 * MIB)
    pool.release(other)
    pool.release(first)
    assert await pool.acquire(MIB // 2) is first
    assert await pool.acquire(2 * MIB) is other


async def test_a_discarded_buffer_finds_no_new_user():
    """Something may still be reading it; its room is free."""
    pool = BufferPool(MIB)
    buffer = await pool.acquire(MIB)
    pool.discard(buffer)
    assert pool.in_use == 0
    assert await pool.acquire(MIB) is not buffer


async def test_kept_buffers_make_room_for_one_of_another_length():
    """Memory stays within the capacity, for any sequence of lengths."""
    pool, alive = BufferPool(CAPACITY), weakref.WeakSet()
    for size in (MIB, 4 * MIB, 2 * MIB, CAPACITY, MIB):
        for buffer in [await pool.acquire(size) for _ in range(CAPACITY // size)]:
            alive.add(buffer)
            pool.release(buffer)
        del buffer
        assert sum(map(len, alive)) == CAPACITY


@pytest.mark.parametrize("size", [1, 3 * MIB, 16 * MIB])
async def test_buffers_begin_at_a_page(size):
    """Elsewhere, the kernel may copy files half as fast."""
    buffer = await BufferPool(16 * MIB).acquire(size)
    assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % mmap.PAGESIZE == 0


async def test_missing_memory_ends_the_run_not_one_file():
    """It ends the run, and takes nothing from the pool."""
    pool = BufferPool(1 << 60)
    with pytest.raises(OutOfMemory, match="out of memory: no room for a buffer of"):
        await pool.acquire(1 << 60)
    assert pool.in_use == 0


async def test_missing_memory_is_raised_in_the_waiter():
    """Not in the caller that made room, and no one waits forever."""
    pool = BufferPool(1 << 60)
    held = await pool.acquire(MIB)
    too_large = asyncio.create_task(pool.acquire(1 << 60))
    next_one = asyncio.create_task(pool.acquire(MIB))
    await asyncio.sleep(0)
    pool.release(held)
    async with asyncio.timeout(60):
        with pytest.raises(OutOfMemory):
            await too_large
        pool.release(await next_one)
    assert pool.in_use == 0


async def test_missing_memory_is_not_raised_in_a_cancelled_waiter():
    """Cancelled is cancelled, and nothing is left unheard for the loop to complain about."""
    pool = BufferPool(1 << 60)
    held = await pool.acquire(MIB)
    user = asyncio.create_task(pool.acquire(1 << 60))
    await asyncio.sleep(0)
    pool.release(held)
    user.cancel()
    await asyncio.wait([user])
    assert user.cancelled()
    assert pool.in_use == 0


async def test_waiters_are_served_in_order():
    """A large request is not starved by small ones, though there were room for them."""
    pool, served = BufferPool(4 * MIB), []
    held = [await pool.acquire(2 * MIB), await pool.acquire(MIB)]

    async def use(size):
        buffer = await pool.acquire(size)
        served.append(size)
        pool.release(buffer)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for size in (4 * MIB, MIB, 2 * MIB):
            group.create_task(use(size))
        await asyncio.sleep(0)
        pool.release(held.pop())
        await asyncio.sleep(0)
        assert served == []
        pool.release(held.pop())
    assert served == [4 * MIB, MIB, 2 * MIB]


async def test_who_gives_up_waiting_lets_the_next_one_in():
    """A cancelled request blocks no other one."""
    pool = BufferPool(4 * MIB)
    await pool.acquire(2 * MIB)
    first = asyncio.create_task(pool.acquire(4 * MIB))
    second = asyncio.create_task(pool.acquire(MIB))
    await asyncio.sleep(0)
    first.cancel()
    async with asyncio.timeout(60):
        assert len(await second) == MIB
    assert first.cancelled()


async def test_a_buffer_released_during_a_cancellation_goes_to_the_next_waiter():
    """The one that gives up is first in turn, and has not yet left the queue."""
    pool = BufferPool(MIB)
    held = await pool.acquire(MIB)
    first, second = (asyncio.create_task(pool.acquire(MIB)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    pool.release(held)
    async with asyncio.timeout(60):
        assert await second is held
    assert first.cancelled()


async def test_a_buffer_granted_to_a_user_that_just_gave_up_is_not_lost():
    """Grant and cancellation may come in one turn of the loop."""
    pool = BufferPool(MIB)
    held = await pool.acquire(MIB)
    user = asyncio.create_task(pool.acquire(MIB))
    await asyncio.sleep(0)
    pool.release(held)
    user.cancel()
    await asyncio.wait([user])
    assert user.cancelled()
    assert pool.in_use == 0


async def test_more_than_the_capacity_is_never_to_be_had():
    """Waiting would never end."""
    with pytest.raises(ValueError, match=f"a buffer of {MIB + 1} bytes from a pool of {MIB}"):
        await BufferPool(MIB).acquire(MIB + 1)


async def test_the_whole_capacity_can_be_acquired():
    """If rounding up would exceed it, the buffer is exactly as long as requested."""
    pool = BufferPool(9 * MIB)
    assert len(await pool.acquire(9 * MIB)) == 9 * MIB


@given(st.integers(0, 1 << 32))
def test_few_lengths_are_in_use(size):
    """Room for all bytes: powers of two from 1 to 16 MiB, then whole MiB."""
    length = buffer_length(size)
    assert length >= max(size, MIB)
    assert length % MIB == 0
    if size <= 16 * MIB:
        assert length.bit_count() == 1
        assert length == MIB or length < 2 * size
    else:
        assert length - size < MIB


async def test_reserved_memory_is_not_lent():
    """At the time of each request; buffers in use stay in use."""
    reserved = 0
    pool = BufferPool(4 * MIB, reserved=lambda: reserved)
    first = await pool.acquire(MIB)
    reserved = 2 * MIB
    second = await pool.acquire(MIB)
    third = asyncio.ensure_future(pool.acquire(MIB))
    await asyncio.sleep(0)
    assert not third.done()
    pool.release(first)
    assert len(await third) == len(second) == MIB
    reserved = 0
    assert len(await pool.acquire(2 * MIB)) == 2 * MIB


async def test_the_only_buffer_is_lent_despite_reservations():
    """No task waits for ever; returned buffers make room."""
    pool = BufferPool(4 * MIB, reserved=lambda: 3 * MIB)
    pool.release(await pool.acquire(MIB))
    assert len(await pool.acquire(4 * MIB)) == 4 * MIB


async def test_a_closed_pool_holds_no_memory():
    """What was returned is given back at once; what is in use is its owner's."""
    pool = BufferPool(4 * MIB)
    used, returned = await pool.acquire(MIB), await pool.acquire(MIB)
    pool.release(returned)
    pool.close()
    assert pool.in_use == len(used)
    assert sys.getrefcount(returned) == 2
