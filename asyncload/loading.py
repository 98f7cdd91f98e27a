"""The library's entry: load a volume into a bucket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from asyncload.buffers import BufferPool
from asyncload.calls import GovernedStore, RetryPolicy
from asyncload.discovery import Scanner, check_volume
from asyncload.errors import StoreUnavailable, Throttled
from asyncload.limits import AdaptiveLimit
from asyncload.model import ConcurrencyChanged, Event, LoadStarted
from asyncload.pipeline import Observer, Pipeline
from asyncload.plan import LoadPlan
from asyncload.planning import SLICE, add_found, check_plan
from asyncload.readers import Readers
from asyncload.report import Report
from asyncload.s3 import S3Options, open_store
from asyncload.settings import Settings
from asyncload.store import ObjectStore
from asyncload.transfer import PartWindow, TransferPolicy
from asyncload.version import VERSION
from asyncload.volume import Volume

# Long enough for a store or a network that is just coming up beside us, as in a pod or by compose;
# short enough to be waited out by somebody who mistyped an endpoint.
PREFLIGHT = RetryPolicy(seconds=10.0, most_wait=2.0)

_READER_THREADS = 16


async def load(
    settings: Settings, *, observer: Observer | None = None, now: datetime | None = None
) -> Report:
    """Upload every CSV of a volume into the raw zone of a bucket.

    Args:
        settings: what to load where.
        observer: is called with each event of the run, in the event loop; it must not block.
        now: the time that `today` and `yesterday` start from; the present one if None.

    Returns:
        The run's totals; files that failed are in `Report.failures`, they raise nothing.

    Raises:
        UsageError: a setting can't be used, or the volume does not exist.
        NothingToLoad: the volume holds no CSV.
        Refused: credentials, permission, bucket, region or colliding keys; see its subclasses.
        StoreUnavailable: the store can't be reached, or not any more.
    """
    check_volume(settings.volume)
    options = S3Options(
        bucket=settings.bucket,
        connections=settings.concurrency,
        endpoint_url=settings.endpoint_url,
        allow_http=settings.allow_http,
        ca_bundle=settings.ca_bundle,
        region=settings.region,
        profile=settings.profile,
        user_agent=f"asyncload/{VERSION}",
        unsigned_payload=settings.unsigned_payload,
        fast_lane=settings.fast_lane,
    )
    async with open_store(options) as store:
        return await load_into(store, settings, observer=observer, now=now)


async def load_into(
    store: ObjectStore,
    settings: Settings,
    *,
    observer: Observer | None = None,
    now: datetime | None = None,
    retries: RetryPolicy | None = None,
) -> Report:
    """Do as `load` does, into a store that is open already."""
    report = Report()

    def observe(event: Event) -> None:
        report.observe(event)
        if observer is not None:
            observer(event)

    policy = TransferPolicy(create_only=not settings.overwrite)
    layout = settings.key_layout(now or datetime.now(UTC))
    plan = LoadPlan(layout, put_limit=policy.put_limit)
    ceiling = settings.concurrency
    limit = AdaptiveLimit(ceiling, tell=lambda now: observe(ConcurrencyChanged(now, ceiling)))
    await _preflight(GovernedStore(store, limit=limit, retries=PREFLIGHT), layout.common_prefix())
    with (
        Volume(settings.volume) as volume,
        ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="asyncload-reader") as threads,
    ):
        readers = Readers(volume, threads)
        found = Scanner(settings.volume, include=settings.include, exclude=settings.exclude).scan()
        while entries := await readers.take(found, SLICE):
            add_found(plan, entries, observe)
        check_plan(plan)
        observe(LoadStarted(plan.files, plan.size))
        await Pipeline(
            store=GovernedStore(store, limit=limit, retries=retries or RetryPolicy()),
            readers=readers,
            buffers=BufferPool(settings.memory),
            window=PartWindow(settings.concurrency),
            policy=policy,
            observe=observe,
            concurrency=settings.concurrency,
        ).run(plan)
    return report


async def _preflight(store: ObjectStore, prefix: str) -> None:
    """Find out within seconds whether the bucket can be used.

    Raises:
        StoreRefused: it can't, as this run is set up.
        ServerError, StoreUnavailable: it could not be asked.
    """
    try:
        async with asyncio.timeout(PREFLIGHT.seconds):
            await store.check_bucket(prefix)
    except Throttled:
        # It is there, and busy: the uploads have more patience.
        return
    except TimeoutError as error:
        raise StoreUnavailable(
            f"no answer from the store within {PREFLIGHT.seconds:.0f} s",
            hint="check --endpoint-url, the network and the proxy settings",
        ) from error
