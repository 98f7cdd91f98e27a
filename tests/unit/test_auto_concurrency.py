"""What `--concurrency auto` makes of stores: on a virtual clock, by the numbers it settles on."""

from __future__ import annotations

import pytest

from asyncload.store.rates import RateLimit
from tests.support.store_models import ModelStore, load_model

# What a small put costs the one thread of a run.
OURS = 0.00018
KIB = 1024


@pytest.mark.parametrize(
    ("latency", "files", "best"), [(0.005, 5_000, 64), (0.03, 20_000, 256), (0.1, 20_000, 768)]
)
def test_it_is_as_fast_as_the_best_number(latency, files, best):
    """At least 0.9 of its throughput, the start included."""
    auto = load_model(ModelStore(latency, processor=OURS), files)
    fixed = load_model(ModelStore(latency, processor=OURS), files, fixed=best)
    assert auto.seconds * 0.9 <= fixed.seconds
    # It may end in the midst of a try of twice as many.
    assert auto.limit.limit in {best, min(2 * best, 768)}


def test_a_distant_store_gets_768_requests_at_once_within_few_round_trips():
    """Nine, and with connections that are opened one after the other."""
    store = ModelStore(0.1)
    loaded = load_model(store, 4000)
    assert loaded.aims == [128, 256, 512, 768]
    assert (store.peak, loaded.limit.reason) == (768, "ceiling")
    assert loaded.seconds < 1.0


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_busy_store_gets_no_connections_for_nothing(noise):
    """If one processor serves all, twice as many are tried now and then, and given up."""
    store = ModelStore(processor=0.0002, noise=noise)
    loaded = load_model(store, 20_000)
    assert set(loaded.aims) <= {64, 128}
    assert store.peak <= 128
    assert loaded.aims.count(128) <= 4
    assert (loaded.limit.limit, loaded.limit.reason) == (64, "throughput")


@pytest.mark.parametrize("latency", [0.005, 0.1])
@pytest.mark.parametrize("model", [{"burst": 50}, {"burst": 500}, {"windowed": True}])
def test_a_store_that_serves_500_a_second_is_used_to_nine_tenths(model, latency):
    """Beyond them it answers 503; no file fails, and the last ones do not sleep for long."""
    store = ModelStore(latency, noise=0.2, capacity=500, **model)
    loaded = load_model(store, 15_000)
    assert loaded.failed == []
    assert store.served == 15_000
    assert 15_000 / loaded.seconds >= 0.9 * 500
    assert store.refused < 12_000


def test_a_complaint_is_named():
    """While fewer requests are made than would be worth it."""
    loaded = load_model(ModelStore(0.02, noise=0.2, capacity=500), 2000)
    assert loaded.limit.limit < 32
    assert loaded.limit.reason == "throttled"
    limit, aim, reason = loaded.news[0]
    assert (limit, aim, reason) == (aim // 2, aim, "throttled")


def test_a_store_that_slows_down_gets_more_requests():
    """From 5 to 100 ms a request after 3 s: 768 at once make up for it within 2 s."""
    store = ModelStore(lambda now: 0.005 if now < 3 else 0.1, processor=OURS)
    loaded = load_model(store, 20_000)
    assert loaded.aims[-4:] == [128, 256, 512, 768]
    assert loaded.limit.limit == 768
    assert loaded.seconds < 3 + 2 + (20_000 - 3 * 4500) / 5120


def test_a_busy_store_that_slows_down_gets_none():
    """Its processor needs ten times as long: more at once would not help."""
    store = ModelStore(processor=lambda now: 0.0002 if now < 3 else 0.002)
    loaded = load_model(store, 16_500)
    assert (set(loaded.aims), loaded.limit.limit) == ({64, 128}, 64)
    assert store.peak <= 128


def test_a_store_that_recovers_is_used_again():
    """It refuses all for ten seconds, then serves all."""

    class Storm(ModelStore):
        def _admit(self, now):
            return not 1 <= now < 11

    store = Storm(0.05, capacity=1)
    loaded = load_model(store, 12_000)
    assert loaded.failed == []
    # Before it forgets the complaints, the limit stays just below the last one.
    assert loaded.limit.limit >= 256
    # 256 at once serve 5,120 a second: the storm costs its ten seconds and three more.
    assert loaded.seconds < 11 + 3 + 12_000 / 5120


def test_few_files_change_nothing():
    """Too few to tell."""
    loaded = load_model(ModelStore(0.1), 20, workers=20)
    assert (loaded.news, loaded.limit.limit, loaded.limit.peak) == ([], 64, 20)
    assert loaded.limit.reason == "enough"


def test_a_volume_that_is_slow_to_read_changes_nothing():
    """Six readers keep no more than six requests in flight: more would not help."""
    loaded = load_model(ModelStore(0.01), 5000, workers=6)
    assert (loaded.aims, loaded.limit.limit, loaded.limit.reason) == ([], 64, "enough")


@pytest.mark.parametrize("ceiling", [1, 4, 22, 48, 100])
def test_a_ceiling_is_kept(ceiling):
    """Of open files, say."""
    store = ModelStore(0.05)
    loaded = load_model(store, 3000, ceiling=ceiling)
    assert store.peak == loaded.limit.limit == ceiling
    assert loaded.limit.reason == "ceiling"


def test_a_rate_that_is_not_reached_limits_nothing():
    """Small files far away: 768 requests at once are worth it."""
    rate = 1024 * 1024 * KIB
    loaded = load_model(ModelStore(0.1), 4000, rate=lambda: RateLimit(rate), size=KIB)
    assert loaded.aims == [128, 256, 512, 768]


def test_waiting_for_the_rate_is_not_the_stores_slowness():
    """At 1 MiB a second 1,000 bodies of 16 KiB take 15.6 s, however many are in flight."""
    loaded = load_model(ModelStore(0.02), 1000, rate=lambda: RateLimit(1024 * KIB), size=16 * KIB)
    assert loaded.seconds == pytest.approx(1000 * 16 / 1024, abs=0.3)
    assert (loaded.aims, loaded.limit.limit, loaded.limit.reason) == ([], 64, "enough")
