"""The main entry point of the library: load a volume into a bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from asyncload.bucket.listing import list_existing
from asyncload.errors import (
    AsyncloadError,
    Interrupted,
)
from asyncload.model.values import LoadStarted
from asyncload.operations.bucket import Stores, s3_options
from asyncload.operations.disposing import open_disposal
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.run import Run, utc_now
from asyncload.operations.running import begin_run, record_failure, run_recorded
from asyncload.operations.tools import find_left_open, transfer_tools
from asyncload.operations.workers.choosing import Machine, choose_processes, explain_fewer
from asyncload.operations.workers.forking import Forking
from asyncload.planning.plan import LoadPlan
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import Lent, open_store
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import RetryPolicy
from asyncload.transfer.pipeline import Observer, Pipeline

if TYPE_CHECKING:
    from asyncload.operations.workers.fleet import Fleet


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
) -> Report:
    """Do the same as `load`, into a store that is already open.

    `executor` reads the volume and is not shut down; None uses new threads.
    """
    run = begin_run(settings, observer, now, Interrupted)
    async with run.deadline.enforced(), open_readers(settings, executor) as readers:
        run.disposal = open_disposal(settings, readers.roots)
        return await _load(store, run, readers, retries)


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
) -> Report:
    work = partial(_load_files, run, readers, workers)
    return await run_recorded(store, run, work, retries)


async def _load_files(run: Run, readers: Readers, workers: Workers | None, stores: Stores) -> None:
    settings, observe = run.settings, run.observe
    if settings.success_marker:
        run.markers = SuccessMarkers(run.layout, stores.most, observe)
        run.add_observer(run.markers.observe)
    async with AsyncExitStack() as stack:
        cluster = None
        if workers is not None and settings.dask is not None:
            # Imported late, as all of them: most runs need no workers.
            from asyncload.operations.workers.cluster import connected

            # Before the scan, which may take long.
            cluster = await stack.enter_async_context(connected(settings.dask))
        plan = await scan_plan(
            settings, run.layout, readers, observe, run.started, put_limit=run.policy.put_limit
        )
        fleet = None
        # Workers start while the bucket is listed.
        if workers is not None and cluster is not None:
            from asyncload.operations.workers.loading import fleet_on_cluster

            starting = fleet_on_cluster(run, plan, cluster, workers.lend)
            fleet = await stack.enter_async_context(starting)
        elif workers is not None:
            processes = choose_processes(settings, run.policy, plan, Machine.here)
            if fewer := explain_fewer(settings, plan, processes):
                observe(fewer)
            if processes > 1:
                from asyncload.operations.workers.loading import started_fleet

                fleet = await stack.enter_async_context(
                    started_fleet(run, readers, workers.forking, workers.lend, processes)
                )
        await _load_plan(run, plan, readers, stores, fleet)


async def _load_plan(
    run: Run, plan: LoadPlan, readers: Readers, stores: Stores, fleet: Fleet | None
) -> None:
    settings, observe = run.settings, run.observe
    policy = await probe_store(
        stores.probing,
        settings,
        run.policy,
        utc_now(),
        observe,
        backslashes=plan.has_backslashes,
    )
    observe(LoadStarted(plan.files, plan.size))
    key_index = await list_existing(plan, stores.most, markers=run.markers is not None)
    if run.markers is not None and policy.create_only:
        # With --overwrite, a marker that another run has just written must be removed too.
        run.markers.listed = key_index
    left_open = await find_left_open(plan, stores.most, run.prefix, observe)
    tools = transfer_tools(run, policy, readers, stores, key_index, left_open, plan.archives)
    written = ReadBack(settings, policy.put_limit, policy.lock)
    run.add_observer(written.observe)
    pipeline = Pipeline(tools, observe, run.requests.at_once)
    try:
        if fleet is None:
            await pipeline.run(plan)
        else:
            from asyncload.operations.workers.loading import load_together

            await load_together(fleet, run, plan, pipeline, stores.most, stores.retries, key_index)
    finally:
        tools.buffers.close()
    for warned in await written.check(stores.probing):
        observe(warned)
    if run.markers is not None:
        partitions = (partition for partition, _ in plan.partitions)
        # One shard alone does not know whether all files of a partition are in the raw zone.
        await run.markers.write(partitions, policy, mark=settings.shard is None)
