"""Thousands of loads in virtual time: whatever the seed, no lie, no leak, no hang."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from asyncload.errors import RequestRejected
from asyncload.transfer import TransferPolicy
from tests.faults.simulation import FaultyStore, StormyStore, run_virtually, simulate
from tests.faults.virtual_time import Stuck, VirtualTimeLoop
from tests.support.loads import write_files

KIB = 1024


@pytest.fixture
def contents(volume, monkeypatch):
    """Six small files and one of four parts; parts are small here, for speed."""
    small = partial(TransferPolicy, put_limit=64 * KIB, part_size=64 * KIB)
    monkeypatch.setattr("asyncload.loading.TransferPolicy", small)
    files = {f"s{n}.csv": b"id|name\n%d|x\n" % n * (n * 10) for n in range(6)}
    files["l.csv"] = b"".join(b"%015d\n" % n for n in range(200 * KIB // 16))
    write_files(volume, files)
    return files


def run_seeds(seeds, volume, contents):
    """Run them all; a seed that breaks a promise is told by its number."""
    wrong, statuses = [], Counter()
    for seed in seeds:
        result = simulate(seed, volume, contents)
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


class Cuts(FaultyStore):
    """Keeps less than it was sent, and says that all is well."""

    async def put(self, key, body, checksum, **options):
        receipt = await super().put(key, body, checksum, **options)
        self.objects[key] = self.objects[key][:-1]
        return receipt


class KeepsOpen(FaultyStore):
    """Says that uploads are aborted, and keeps them."""

    async def abort_multipart(self, key, upload_id):
        pass

    async def complete_multipart(self, *arguments, **options):
        raise RequestRejected("simulated", code="InvalidPart", status=400)


@pytest.mark.parametrize(("store", "told"), [(Cuts, "something else"), (KeepsOpen, "is open")])
def test_a_broken_promise_is_found(volume, contents, store, told):
    """The harness itself: a store that cheats is noticed within a few seeds."""
    wrong = [what for seed in range(5) for what in simulate(seed, volume, contents, store).wrong]
    assert any(told in what for what in wrong)


def test_virtual_time_jumps_and_a_deadlock_is_told():
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
