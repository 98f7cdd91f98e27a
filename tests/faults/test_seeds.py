"""Loads over real sockets, each request's fate drawn from a seed."""

from __future__ import annotations

import pytest

from tests.faults.proxy import Seeded
from tests.support.loads import write_files


@pytest.mark.parametrize("seed", range(4))
def test_a_load_through_chaos_reports_the_truth_and_the_next_one_completes_it(
    lake, small_and_large, volume, seed, lane
):
    """At 15 % errors, 20 % throttles, 10 % delays, damage and lost replies: each failure is
    reported, each object is whole, and a load without faults uploads the rest."""
    write_files(volume, {f"d/{n:02}.csv": b"id|name\n%d|x\n" % n for n in range(40)})
    files = {path.name: path.read_bytes() for path in volume.rglob("*.csv")}
    landed = lake.load(Seeded(seed), "--concurrency", 8, lane=lane, orphans=3)
    assert landed.code in (0, 3, 6)
    assert landed.objects.items() <= files.items()
    faced = sum(call.attempt > 1 for call in landed.proxy.calls)
    assert faced > 10, "the seed must have struck"
    again = lake.load(lane=lane, orphans=3)
    assert again.code == 0
    assert again.objects == files


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_three_hundred_seeds_over_real_sockets(lake, small_and_large, lane, first):
    """Each on top of the one before: what is there is compared under chaos, too."""
    for seed in range(first, first + 50):
        assert lake.load(Seeded(seed), lane=lane, orphans=10**6).code in (0, 3, 6), seed
