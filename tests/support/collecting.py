"""Collect from the double of TMDB into a store in memory."""

from __future__ import annotations

from asyncload.operations.collect import collect_into
from asyncload.settings.collect import collect_settings
from asyncload.store.retries import RetryPolicy
from tests.support.loads import AT_ONCE, NOW
from tests.support.tmdb import TOKEN, Double

PREFIX = "Raw/TMDB/JSON"
QUICK = RetryPolicy(attempts=3, seconds=60, first_wait=0.001, max_wait=0.002)
ENVIRONMENT = {"TMDB_TOKEN": TOKEN}


async def collect_from(double: Double, store, recorder=None, *, environment=ENVIRONMENT, **options):
    """Collect on 2022-05-02, with quick retries, no manifest, and as fast as the double allows."""
    settings = collect_settings(
        {"bucket": "lake", "api_url": double.url, "rate": 1000, "manifest": False} | options
    )
    return await collect_into(
        store,
        settings,
        environment=environment,
        observer=recorder,
        now=NOW,
        retries=AT_ONCE,
        api_retries=QUICK,
    )


def answers(store) -> dict[str, bytes]:
    """The collected answers by key, without markers and manifests."""
    return {
        key: body
        for key, body in store.objects.items()
        if key.startswith("Raw/") and not key.endswith("_SUCCESS")
    }


def markers(store) -> set[str]:
    """The datasets with a success marker for 2022-05-02."""
    return {
        key.removeprefix(f"{PREFIX}/").removesuffix("/2022/05/02/_SUCCESS")
        for key in store.objects
        if key.endswith("/2022/05/02/_SUCCESS")
    }
