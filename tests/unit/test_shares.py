"""What each of several processes may use: together never more than the run."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.aio.buffers import BufferPool
from asyncload.errors import InvalidKey
from asyncload.model.values import Failed, SourceFile
from asyncload.operations.requests import Counted, Requests, add_up, share_of
from asyncload.operations.tools import max_parts
from asyncload.operations.workers.choosing import (
    Machine,
    choose_on_cluster,
    choose_processes,
    explain_fewer,
)
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.settings.container import PROCESS, WORKER
from asyncload.settings.run import Settings
from asyncload.store.growth import Climb
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.rates import RateLimit
from asyncload.transfer import PartWindow, TransferPolicy

GIB = 1024 * MIB
POLICY = TransferPolicy()


def make_settings(**options):
    return Settings(volume=".", bucket="lake", **options)


@given(
    concurrency=st.integers(1, 1024),
    memory=st.integers(16, 4096),
    rate=st.none() | st.integers(64, 10**6),
    processes=st.integers(1, 64),
    spare=st.integers(0, 1),
)
def test_shares_never_exceed_the_whole(concurrency, memory, rate, processes, spare):
    """And leave at most a remainder unused."""
    settings = make_settings(
        concurrency=concurrency, memory=memory * MIB, limit_rate=rate and rate * 1024
    )
    shares = [share_of(settings, n, processes, spare=spare) for n in range(processes)]
    whole = settings.max_requests - spare
    assert sum(share.requests for share in shares) == max(whole, processes)
    assert all(share.start is None for share in shares)
    assert settings.memory - processes < sum(s.memory for s in shares) <= settings.memory
    if rate is None:
        assert {share.rate for share in shares} == {None}
    else:
        assert rate * 1024 - processes < sum(s.rate for s in shares) <= rate * 1024


def test_automatic_concurrency_starts_with_its_share():
    """All processes together begin as one does."""
    shares = [share_of(make_settings(), n, 3) for n in range(3)]
    assert [share.start for share in shares] == [22, 21, 21]
    assert sum(share.requests for share in shares) == make_settings().max_requests


def test_a_process_without_work_keeps_one_request_and_no_memory():
    """For the manifest."""
    share = share_of(make_settings()).least()
    assert (share.requests, share.memory) == (1, 0)


def test_a_rate_limits_the_parts_in_flight():
    """A process that may send little needs few parts at once."""
    assert max_parts(share_of(make_settings(concurrency=64))) == 64
    limited = make_settings(concurrency=64, limit_rate="128MiB")
    assert max_parts(share_of(limited)) == 16
    assert max_parts(share_of(limited, 0, 2)) == 8


def test_counts_of_all_processes_add_up():
    """Those that have ended count with their requests, not with their limits."""
    here = Counted(10, 1, 100, limit=8, aim=16, peak=9, reason="throttled")
    there = Counted(20, 2, 200, limit=16, aim=16, peak=16, reason="enough")
    gone = Counted(5, 0, 50, limit=16, aim=16, peak=12, reason="ceiling")
    assert add_up([here, there, gone], 2) == Counted(35, 3, 350, 24, 32, 37, "throttled")
    assert add_up([there, gone], 2).reason == "ceiling"
    assert (here.allowed, there.allowed, there._replace(limit=3).allowed) == (8, 16, 16)


# Limits that change


async def test_more_requests_are_allowed_at_once_when_the_share_grows():
    """A fixed limit grows with successes; a smaller one applies at once."""
    limit = AdaptiveLimit(2)
    places = [await limit.acquire() for _ in range(2)]
    limit.resize(4)
    limit.resize(4)
    assert limit.aim == 4
    for place in places:
        limit.succeeded(place)
        limit.release()
    assert limit.limit == 4
    limit.resize(1)
    assert (limit.limit, limit.aim) == (1, 1)


async def test_an_automatic_limit_continues_to_grow_from_where_it_is():
    """Up to the new ceiling; a lower ceiling is the new limit."""
    limit = AdaptiveLimit(8, start=8)
    limit.resize(32)
    assert limit.aim == 8
    limit.resize(4)
    assert limit.aim == 4


@given(st.integers(1, 256), st.integers(1, 256), st.integers(1, 256))
def test_a_climb_keeps_within_its_new_ceiling(start, before, after):
    """Neither base nor aim are above it, and the aim is not below the base."""
    climb = Climb.starting_at(start, before).with_ceiling(after)
    assert climb.base <= climb.aim <= climb.ceiling == after


async def test_requests_use_another_share():
    """Concurrency and rate."""
    settings = make_settings(concurrency=8, limit_rate="1MiB")
    requests = Requests(settings, share_of(settings, 0, 2))
    assert requests.at_once() == 4
    requests.resize(share_of(settings))
    assert requests.at_once() == 8
    assert requests.connection_memory() == 0


async def test_a_higher_rate_lets_more_bodies_be_in_progress():
    """As many as have a pace that fits their deadlines."""
    rate = RateLimit(256 * 1024)
    async with rate.turn(MIB):
        rate.resize(512 * 1024)
        async with asyncio.timeout(10), rate.turn(MIB):
            rate.resize(256 * 1024)


async def test_a_pool_that_shrinks_frees_what_it_can():
    """Buffers on loan stay; one that grows serves those who wait."""
    pool = BufferPool(4 * MIB)
    lent = await pool.acquire(MIB)
    for buffer in [await pool.acquire(MIB) for _ in range(3)]:
        pool.release(buffer)
    pool.resize(2 * MIB)
    await pool.acquire(MIB)
    waiting = asyncio.ensure_future(pool.acquire(MIB))
    await asyncio.sleep(0)
    assert not waiting.done()
    pool.resize(3 * MIB)
    await waiting
    pool.resize(0)
    pool.release(lent)
    assert pool.in_use == 2 * MIB


async def test_a_window_grows_to_its_new_maximum():
    """With parts that are sent slowly."""
    window = PartWindow(8)
    window.learn(MIB, 10)
    assert window.size == 8
    window.resize(9)
    window.learn(MIB, 10)
    assert window.size == 9


# How many processes


def make_plan(small=0, size=17_000, large=(), failures=0):
    plan = LoadPlan(
        KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2)), put_limit=16 * MIB
    )
    for n in range(small):
        plan.add(SourceFile(f"a/{n}.csv", size))
    for n, each in enumerate(large):
        plan.add(SourceFile(f"b/{n}.csv", each))
    for n in range(failures):
        plan.add_failure(Failed(f"c/{n}.csv", None, 1, InvalidKey("no")))
    return plan


@pytest.fixture(scope="module")
def large_plan():
    """A plan that is worth several processes."""
    return make_plan(small=20_000)


def choose(settings, plan, cores=2, memory=None, tasks=None):
    return choose_processes(settings, POLICY, plan, lambda: Machine(cores, memory, tasks))


@pytest.mark.parametrize(
    ("plan", "cores", "processes"),
    [
        ({"small": 2}, 8, 1),
        ({"small": 200}, 8, 1),
        ({"small": 20_000}, 1, 1),
        ({"small": 20_000}, 2, 2),
        ({"small": 20_000}, 4, 4),
        ({"large": [4 * GIB]}, 8, 1),
        ({"large": [GIB] * 4}, 2, 1),
        ({"large": [GIB] * 4}, 3, 2),
        ({"large": [GIB] * 4, "small": 20_000}, 2, 2),
        ({"large": [20 * MIB] * 4}, 8, 1),
        ({"failures": 20_000}, 2, 1),
    ],
)
def test_processes_are_chosen_by_work_and_cores(plan, cores, processes):
    """Each needs enough to do; a large file is loaded by one of them."""
    assert choose(make_settings(), make_plan(**plan), cores) == processes


@pytest.mark.parametrize(
    ("options", "machine", "processes"),
    [
        ({}, {}, 8),
        ({}, {"memory": PROCESS + 256 * MIB + WORKER}, 2),
        ({}, {"memory": PROCESS}, 1),
        ({"concurrency": 64}, {"memory": PROCESS + 256 * MIB + WORKER}, 1),
        ({}, {"tasks": 64}, 2),
        ({}, {"tasks": 10}, 1),
        ({"limit_rate": "256MiB"}, {}, 2),
        ({"limit_rate": "1MiB"}, {}, 1),
        ({"concurrency": 3}, {}, 3),
        ({"memory": "64MiB"}, {}, 4),
        ({"processes": 5}, {"cores": 1, "memory": PROCESS, "tasks": 1}, 5),
        ({"processes": 1}, {}, 1),
        ({"processes": 8, "concurrency": 2}, {}, 2),
        ({"processes": 8, "limit_rate": "128KiB"}, {}, 2),
        ({"processes": 8, "memory": "32MiB"}, {}, 2),
    ],
)
def test_each_process_needs_its_share_of_the_limits(large_plan, options, machine, processes):
    """What a container leaves bounds the choice; a number that was asked for only shares do."""
    assert choose(make_settings(**options), large_plan, **{"cores": 8} | machine) == processes


def test_no_more_processes_than_files():
    """Even if asked for."""
    assert choose(make_settings(processes=8), make_plan(small=3)) == 3
    assert choose(make_settings(processes=8), make_plan()) == 1


@pytest.mark.parametrize(
    ("options", "plan", "warning"),
    [
        (
            {"processes": 2, "memory": "16MiB"},
            {"small": 9},
            "2: only 1 can be used: --memory 16MiB",
        ),
        ({"processes": 8, "concurrency": 2}, {"small": 9}, "8: only 2 can be used: each needs its"),
        ({"processes": 8}, {"small": 3}, None),
        ({"processes": 8}, {"small": 9}, None),
        ({"memory": "16MiB"}, {"small": 20_000}, None),
    ],
)
def test_fewer_processes_than_asked_for_are_explained(options, plan, warning):
    """Unless there are no more files."""
    settings, made = make_settings(**options), make_plan(**plan)
    found = explain_fewer(settings, made, choose(settings, made))
    assert (found is not None) == (warning is not None)
    if found is not None:
        assert found.message.startswith(f"--processes {warning}")


def test_each_process_has_room_for_parts():
    """A huge file has large ones; one that is too large fails in any number of processes."""
    settings = make_settings(processes=8, memory="1GiB")
    assert choose(settings, make_plan(large=[4096 * GIB] * 8)) == 1
    assert choose(settings, make_plan(large=[GIB] * 8)) == 8
    assert choose(settings, make_plan(large=[6000 * GIB] * 8)) == 8


def test_this_machine_can_be_asked_for_its_limits():
    """For any limits."""
    assert Machine.here().cores >= 1


@pytest.mark.parametrize(
    ("options", "workers", "processes"),
    [
        ({}, 2, 3),
        ({}, 100, 101),
        ({"processes": 8}, 100, 8),
        ({"processes": 8}, 2, 3),
        ({"concurrency": 5}, 100, 5),
        ({"limit_rate": "192KiB"}, 100, 3),
        ({"memory": GIB}, 100_000, 300),
    ],
)
def test_a_cluster_is_used_as_far_as_its_processes_have_something_to_do(
    options, workers, processes
):
    """Each has a file, a request and a part of the rate; memory is that of its machine."""
    plan = make_plan(small=300)
    assert choose_on_cluster(make_settings(**options), plan, workers) == processes


def test_machines_of_a_cluster_share_what_protects_the_store():
    """Requests and rate, not the memory and the threads of one machine."""
    settings = make_settings(concurrency=64, memory=GIB, limit_rate=64 * MIB)
    share = share_of(settings, 1, 4, own_memory=True)
    alone = share_of(settings)
    assert (share.requests, share.rate) == (16, 16 * MIB)
    assert (share.memory, share.threads) == (alone.memory, alone.threads)
