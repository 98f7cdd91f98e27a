"""The library's entry: load a volume into a bucket."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime

from asyncload.buffers import BufferPool
from asyncload.calls import GovernedStore, RetryPolicy
from asyncload.discovery import Scanner, check_volume
from asyncload.model import Event, LoadStarted
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

# A wrong set-up should be told within seconds.
PREFLIGHT_RETRIES = RetryPolicy(attempts=4, seconds=5.0)

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
    executor: Executor | None = None,
) -> Report:
    """Do as `load` does, into a store that is open already.

    `executor` reads the volume, in threads of its own unless one is given; it is not shut down.
    """
    report = Report()

    def observe(event: Event) -> None:
        report.observe(event)
        if observer is not None:
            observer(event)

    policy = TransferPolicy(create_only=not settings.overwrite)
    layout = settings.key_layout(now or datetime.now(UTC))
    plan = LoadPlan(layout, put_limit=policy.put_limit)
    limit = asyncio.Semaphore(settings.concurrency)
    await GovernedStore(store, limit=limit, retries=PREFLIGHT_RETRIES).check_bucket(
        layout.common_prefix()
    )
    with (
        Volume(settings.volume) as volume,
        nullcontext(executor) if executor else _reader_threads() as threads,
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


def _reader_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="asyncload-reader")
