"""Begin a run, and do its work between the check of its bucket and its manifest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Literal, cast

from asyncload.aio.shortage import memory_errors
from asyncload.errors import AsyncloadError, Interrupted, PartNotRecorded, UsageError
from asyncload.model.version import VERSION
from asyncload.operations.bucket import Stores, preflight, s3_options, stores_of
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.observing import check_arguments
from asyncload.operations.requests import requests_limit, share_of
from asyncload.operations.run import Run, new_run_id, utc_now
from asyncload.reporting.report import Report
from asyncload.s3 import open_store
from asyncload.settings.run import Settings, lock_of
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import RetryingStore, RetryPolicy
from asyncload.transfer import ChecksumChoice, Provenance, TransferPolicy
from asyncload.transfer.pipeline import Observer


def begin_run(
    settings: Settings,
    observer: Observer | None,
    now: datetime | None,
    interruption: Callable[[], Interrupted],
    report: Report | None = None,
) -> Run:
    """Return a run that starts now, or at `now`; it has emitted its first event."""
    check_arguments("load", settings, observer)
    if settings.run is not None and settings.shard is None:
        raise UsageError(
            "--run has no effect without --shard", hint="omit it, or say which shard this is"
        )
    started = now or utc_now()
    policy = policy_of(settings, new_run_id(started), started)
    return Run(
        settings,
        policy,
        Report() if report is None else report,
        observer,
        started,
        interruption,
        by_clock=now is None,
    )


def policy_of(settings: Settings, run_id: str, started: datetime) -> TransferPolicy:
    """Return the transfer policy of a run.

    Raises:
        UsageError: objects can't be locked until the requested time.
    """
    kept: Literal["skip", "fail"] = "skip" if settings.skip_existing else "fail"
    return TransferPolicy(
        existing="overwrite" if settings.overwrite else kept,
        # Settings has validated it.
        checksum=cast("ChecksumChoice", settings.checksum),
        provenance=Provenance(run_id, VERSION),
        lock=lock_of(settings, started),
    )


async def run_recorded(
    store: ObjectStore,
    run: Run,
    work: Callable[[Stores], Awaitable[None]],
    retries: RetryPolicy | None = None,
) -> Report:
    """Check the store and the clock, do the work of a run, and write its manifest."""
    stores = stores_of(run.requests, store, retries)
    try:
        await preflight(stores.first, run.settings, run.prefix)
        async with _recorded(run, store, stores) as record:
            run.add_observer(record)
            try:
                with memory_errors():
                    offset = stores.most.clock_offset
                    if warned := check_clock(offset, utc_now()):
                        run.observe(warned)
                    if run.by_clock:
                        check_day(run.settings, offset, run.started)
                    await work(stores)
            finally:
                run.count_requests()
    finally:
        # Writing the manifest made requests too.
        run.count_requests()
        # The report is kept for longer than what it asked.
        run.report.requests_now = None
    return run.report


async def record_failure(run: Run, failure: AsyncloadError) -> None:
    """Write the manifest of a run that could not open its volume, if the bucket is usable."""
    if not run.settings.manifest:
        return
    with suppress(AsyncloadError, TimeoutError):
        async with (
            asyncio.timeout(run.policy.grace.left()),
            open_store(s3_options(run.settings)) as store,
        ):
            stores = stores_of(run.requests, store)
            await preflight(stores.first, run.settings, run.prefix)
            async with _recorded(run, store, stores):
                raise failure
    run.count_requests()


@asynccontextmanager
async def _recorded(run: Run, store: ObjectStore, stores: Stores) -> AsyncIterator[Observer]:
    """Record a run in its manifest, or as a part of the run that its shard belongs to.

    Raises:
        ShardRefused: the shard does not fit its run, or another process loads it.
        PartNotRecorded: the manifest of a shard could not be written.
    """
    if run.settings.shard is None:
        async with run.recording(stores.most).kept() as record:
            yield record
        return
    # Imported late: most runs are not divided.
    from asyncload.operations.shards.joining import joined

    # Its requests do not wait for those of files, which may take longer than a claim is valid.
    limit = requests_limit(run.settings, share_of(run.settings).least())
    beside = RetryingStore(store, limit=limit, retries=stores.retries, traffic=run.requests.others)
    async with (
        joined(run, beside) as key,
        run.recording(stores.most, key).kept() as record,
    ):
        yield record
    if run.report.manifest is None:
        raise PartNotRecorded(
            f"shard {run.settings.shard} was loaded, but its manifest could not be written",
            hint="run the shard again: loaded files are not sent again",
        )
