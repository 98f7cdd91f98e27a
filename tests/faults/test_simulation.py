"""Thousands of loads in virtual time: for any seed, true records, no leak, no hang."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from asyncload.aio.groups import Group
from asyncload.aio.shielding import StrayCancellation, run_to_end
from asyncload.errors import RequestRejected
from asyncload.s3.fast.connection import ConnectionPool
from asyncload.transfer import TransferPolicy
from tests.faults.simulation import (
    FaultyStore,
    StormyStore,
    run_virtually,
    simulate,
    simulate_with_an_end,
)
from tests.faults.virtual_net import Network
from tests.faults.virtual_time import Stuck, VirtualTimeLoop
from tests.support.loads import write_files

KIB = 1024


@pytest.fixture
def contents(volume, monkeypatch):
    """Six small files and two of four parts; parts are small here, for speed."""
    small = partial(TransferPolicy, put_limit=64 * KIB, part_size=64 * KIB)
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", small)
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", 400)
    files = {f"s{n}.csv": b"id|name\n%d|x\n" % n * (n * 10) for n in range(6)}
    files |= {
        f"{x}.csv": b"".join(b"%014d%s\n" % (n, x.encode()) for n in range(200 * KIB // 16))
        for x in "lm"
    }
    write_files(volume, files)
    return files


def run_seeds(seeds, volume, contents):
    """Run them all; a seed that breaks a promise is told by its number."""
    wrong, statuses = [], Counter()
    for seed in seeds:
        result = simulate_with_an_end(seed, volume, contents)
        wrong += [f"seed {seed}: {what}" for what in result.wrong]
        statuses.update(result.recorder.statuses.values())
    assert wrong == []
    return statuses


@pytest.mark.parametrize("first", [0, 250, 500, 750])
def test_no_seed_makes_a_load_lie_leak_or_hang(volume, contents, first):
    """At 15 % errors, 20 % throttles, 10 % delays, 0.5 % corruption and 2 % lost replies."""
    statuses = run_seeds(range(first, first + 250), volume, contents)
    assert statuses["uploaded"] > 1_000
    assert statuses["unchanged"] > 50
    assert statuses["failed"] > 10, "taken keys must have been met"


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 100_000, 10_000))
def test_a_hundred_thousand_seeds(volume, contents, first):
    """The figures of a release."""
    run_seeds(range(first, first + 10_000), volume, contents)


def test_a_seed_replays(volume, contents):
    """Outcomes, calls and virtual seconds are the same to the last."""
    one, two, other = (simulate(seed, volume, contents) for seed in (5, 5, 6))
    described = [(run.seconds, run.store.calls, run.recorder.statuses) for run in (one, two, other)]
    assert described[0] == described[1]
    assert described[0] != described[2]


@pytest.mark.fault("C2", "C12", "C14")
@pytest.mark.parametrize("seed", range(4))
def test_a_stop_at_any_step_is_obeyed(volume, contents, seed):
    """At any turn of the loop: nothing is begun, left open or lost after it."""
    steps = simulate(seed, volume, contents).steps
    assert steps > 50
    stopped, wrong = 0, []
    for step in range(1, steps + 1):
        result = simulate(seed, volume, contents, stop_at=step)
        stopped += result.was_cancelled
        wrong += [f"step {step}: {what}" for what in result.wrong]
    assert wrong == []
    # Those at the end may come too late to change anything.
    assert stopped > 0.9 * steps


@pytest.mark.fault("C2", "C13")
@pytest.mark.parametrize("seed", range(4))
def test_a_refusal_at_any_request_ends_the_run(volume, contents, seed):
    """Also during the steps of other tasks, including an abort, which may be refused."""
    requests = len(simulate(seed, volume, contents).store.begun)
    wrong = []
    for number in range(1, requests + 1):
        result = simulate(seed, volume, contents, refuse_at=number)
        assert result.store.refused is not None
        wrong += [f"request {number}: {what}" for what in result.wrong]
    assert wrong == []


def test_the_seeds_meet_every_fate_of_a_connection(volume, contents):
    """Slow and refused ones, early, malformed and endless answers, connections that break."""
    met = Counter()
    for seed in range(40):
        met.update(simulate(seed, volume, contents).store.network.met)
    assert met.keys() == {"served", "slow", "refused", "stuck", *Network.FATES}


class Cuts(FaultyStore):
    """Keeps less than it was sent, and says that all is well."""

    def _keep(self, key, body, *arguments):
        super()._keep(key, body[:-1], *arguments)


class KeepsOpen(FaultyStore):
    """Says that uploads are aborted, and keeps them."""

    async def abort_multipart(self, key, upload_id):
        pass

    async def complete_multipart(self, *arguments, **options):
        raise RequestRejected("simulated", code="InvalidPart", status=400)


class TakesOver(FaultyStore):
    """Ends what others have under way when an upload is begun."""

    async def create_multipart(self, key, **options):
        for upload_id in self.foreign:
            self.uploads.pop(upload_id, None)
        return await super().create_multipart(key, **options)


@pytest.mark.parametrize(
    ("store", "told"),
    [(Cuts, "something else"), (KeepsOpen, "is open"), (TakesOver, "was not left alone")],
)
def test_a_broken_promise_is_found(volume, contents, store, told):
    """The harness itself: a store that cheats is noticed within a few seeds."""
    wrong = [what for seed in range(12) for what in simulate(seed, volume, contents, store).wrong]
    assert any(told in what for what in wrong)


class VanishingPool(ConnectionPool):
    """Lets a task that waits too long for a connection end as cancelled."""

    async def _connect(self):
        try:
            return await super()._connect()
        except TimeoutError:
            raise asyncio.CancelledError from None


class Vanishing(FaultyStore):
    """The fault behind C1."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._pool = VanishingPool("store.invalid", 80, None)


@pytest.mark.fault("C10")
def test_a_worker_that_vanishes_is_found(volume, contents, monkeypatch):
    """Its group raises it; otherwise files would have no outcome."""
    found = Counter()
    for group in (Group, asyncio.TaskGroup):
        for module in ("transfer.pipeline", "transfer.multipart"):
            monkeypatch.setattr(f"asyncload.{module}.Group", group)
        for seed in range(20):
            try:
                result = simulate(seed, volume, contents, Vanishing)
            except (StrayCancellation, Stuck, ExceptionGroup) as error:
                found[group, type(error)] += 1
            else:
                found[group, "no outcome"] += any("no outcome" in what for what in result.wrong)
    assert found[Group, StrayCancellation]
    assert not found[Group, Stuck] + found[Group, "no outcome"]
    assert found[asyncio.TaskGroup, Stuck] + found[asyncio.TaskGroup, "no outcome"]


def test_a_stop_that_is_swallowed_is_found(volume, contents, monkeypatch):
    """The fault behind C2: an abort after which the worker continues."""

    async def swallow(step, *, grace, undo=None):
        try:
            return await run_to_end(step, grace=grace, undo=undo)
        except asyncio.CancelledError:
            if undo is not None:
                raise

    monkeypatch.setattr("asyncload.transfer.aborting.run_to_end", swallow)
    # In this seed an upload is aborted for its file's sake.
    steps = simulate(1, volume, contents).steps
    wrong = []
    for step in range(1, steps + 1, 4):
        wrong += simulate(1, volume, contents, stop_at=step).wrong
    assert any("after the stop" in what for what in wrong)


def test_virtual_time_jumps_and_a_deadlock_is_reported():
    """A day takes no time; what would hang raises."""

    async def sleep_a_day():
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    async def hang():
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(sleep_a_day()) == pytest.approx(86_400)
    runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
    with pytest.raises(Stuck):
        runner.run(hang())
    for task in asyncio.all_tasks(runner.get_loop()):
        task.cancel()
    runner.close()


@pytest.mark.fault("S6")
def test_a_storm_of_60_s_fails_nothing_and_is_over_within_a_minute(volume):
    """1,000 files, every request throttled for a minute: all land, soon after its end."""
    write_files(volume, {f"d/{n:04}.csv": b"%d" % n for n in range(1_000)})
    result = run_virtually(StormyStore(60), volume, seed=1)
    assert Counter(result.recorder.statuses.values()) == {"uploaded": 1_000}
    assert result.seconds <= 120
