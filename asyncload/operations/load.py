"""The main entry point of the library: load a volume into a bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import NamedTuple

from asyncload.errors import (
    AsyncloadError,
    Interrupted,
)
from asyncload.model.values import LoadStarted
from asyncload.operations.bucket import Stores, s3_options
from asyncload.operations.disposing import open_disposal
from asyncload.operations.early import Patience, load_while_scanning, loads_early
from asyncload.operations.loading import Loading
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.run import Run
from asyncload.operations.running import begin_run, record_failure, run_recorded
from asyncload.operations.workers.choosing import Machine, choose_processes, explain_fewer
from asyncload.operations.workers.forking import Forking
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import Lent, open_store
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import RetryPolicy
from asyncload.transfer.pipeline import Observer


async def load(
    settings: Settings,
    *,
    observer: Observer | None = None,
    now: datetime | None = None,
    report: Report | None = None,
    interruption: Callable[[], Interrupted] = Interrupted,
) -> Report:
    """Upload every CSV of a volume into the raw zone of a bucket.

    Args:
        settings: the volume, the bucket and all options.
        observer: called with each event of the run, in the event loop; must neither block nor be a
            coroutine function. If it raises an error, the run ends.
        now: the time from which `today` and `yesterday` are computed; None for the current time.
        report: an empty one to count the run in, so that the totals can be read during the run and
            after an error; None for one that is only returned.
        interruption: returns the error to record for a cancelled run.

    Returns:
        The run's totals. Failed files raise nothing; they are in `Report.failures`.

    Raises:
        UsageError: a setting is invalid, or the volume does not exist.
        NothingToLoad: the volume contains no CSV.
        SourceUnreadable: the volume can't be opened, or does not respond.
        Refused: credentials, permission, bucket, region, colliding keys, or a clock with a wrong
            date; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable during the run.
        PartNotRecorded: the manifest of a shard could not be written.
        DeadlineReached: the run stopped before `Settings.deadline`, with files left to upload.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    return await load_forking(
        settings,
        observer=observer,
        now=now,
        report=report,
        interruption=interruption,
        forks=False,
    )


async def load_forking(
    settings: Settings,
    *,
    forks: bool = True,
    observer: Observer | None = None,
    now: datetime | None = None,
    report: Report | None = None,
    interruption: Callable[[], Interrupted] = Interrupted,
) -> Report:
    """Do the same as `load`; with `forks`, worker processes may be copies of this one.

    That is not safe in a program that uses the library, because it may have threads.
    """
    run = begin_run(settings, observer, now, interruption, report)
    async with run.deadline.enforced(), AsyncExitStack() as stack:
        try:
            # Before the bucket is opened: report a mistyped folder at once.
            readers = await stack.enter_async_context(open_readers(settings))
            run.disposal = open_disposal(settings, readers.roots)
        except AsyncloadError as error:
            await record_failure(run, error)
            raise
        options = s3_options(settings)._replace(rate=run.requests.rate)
        store = await stack.enter_async_context(open_store(options, run.observe))
        forks = forks and settings.processes != 1 and settings.dask is None
        forking = Forking() if forks else None
        workers = Workers(forking, store.lend_credentials)
        return await _load(store, run, readers, workers=workers)


async def load_into(
    store: ObjectStore,
    settings: Settings,
    *,
    observer: Observer | None = None,
    now: datetime | None = None,
    retries: RetryPolicy | None = None,
    executor: Executor | None = None,
    patience: Patience = Patience(),  # noqa: B008  # it is immutable
) -> Report:
    """Do the same as `load`, into a store that is already open.

    `executor` reads the volume and is not shut down; None uses new threads. `patience` says when
    files are loaded before the scan has ended.
    """
    run = begin_run(settings, observer, now, Interrupted)
    async with run.deadline.enforced(), open_readers(settings, executor) as readers:
        run.disposal = open_disposal(settings, readers.roots)
        return await _load(store, run, readers, retries, patience=patience)


class Workers(NamedTuple):
    """How worker processes are started, and lent credentials; `forking` is None to copy none."""

    forking: Forking | None
    lend: Callable[[str], Awaitable[Lent | None]]


async def _load(
    store: ObjectStore,
    run: Run,
    readers: Readers,
    retries: RetryPolicy | None = None,
    workers: Workers | None = None,
    patience: Patience = Patience(),  # noqa: B008  # it is immutable
) -> Report:
    work = partial(_load_files, run, readers, workers, patience)
    return await run_recorded(store, run, work, retries)


async def _load_files(
    run: Run, readers: Readers, workers: Workers | None, patience: Patience, stores: Stores
) -> None:
    settings, observe = run.settings, run.observe
    if settings.success_marker:
        run.markers = SuccessMarkers(run.layout, stores.most, observe)
        run.add_observer(run.markers.observe)
    loading = Loading(run, readers, stores)
    async with AsyncExitStack() as stack:
        cluster = None
        if workers is not None and settings.dask is not None:
            # Imported late, as all of them: most runs need no workers.
            from asyncload.operations.workers.cluster import connected

            # Before the scan, which may take long.
            cluster = await stack.enter_async_context(connected(settings.dask))
        if loads_early(run, readers):
            load = loading.load_portion
            plan, partitions = await load_while_scanning(run, readers, load, patience)
        else:
            plan = await scan_plan(
                settings, run.layout, readers, observe, run.started, put_limit=run.policy.put_limit
            )
            partitions = plan.partitions
        fleet = None
        # Workers start while the bucket is listed.
        if workers is not None and cluster is not None:
            from asyncload.operations.workers.wiring import fleet_on_cluster

            starting = fleet_on_cluster(run, plan, cluster, workers.lend)
            fleet = await stack.enter_async_context(starting)
        elif workers is not None:
            processes = choose_processes(settings, run.policy, plan, Machine.here)
            if fewer := explain_fewer(settings, plan, processes):
                observe(fewer)
            if processes > 1:
                from asyncload.operations.workers.wiring import started_fleet

                fleet = await stack.enter_async_context(
                    started_fleet(run, readers, workers.forking, workers.lend, processes)
                )
        started = partial(LoadStarted, run.report.files, run.report.size)
        await loading.load(plan, started, fleet)
    await loading.conclude(partition for partition, _ in partitions)
