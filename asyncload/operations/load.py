"""The main entry point of the library: load a volume into a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from asyncload.aio.shortage import memory_errors
from asyncload.bucket.key_index import KeyIndex
from asyncload.bucket.listing import find_open_uploads, list_existing, warn_of_odd_keys
from asyncload.errors import (
    AsyncloadError,
    Interrupted,
    PartNotRecorded,
    StoreRefused,
    StoreUnavailable,
    Throttled,
    UsageError,
)
from asyncload.model.values import Archive, LoadStarted, Warned
from asyncload.model.version import VERSION
from asyncload.operations.bucket import s3_options
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.disposing import disposing, open_disposal
from asyncload.operations.observing import check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.requests import requests_limit, share_of
from asyncload.operations.run import Run, new_run_id, utc_now
from asyncload.operations.tools import Listed, make_tools
from asyncload.operations.workers.choosing import Machine, choose_processes
from asyncload.operations.workers.forking import Forking
from asyncload.planning.plan import LoadPlan
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import Lent, open_store
from asyncload.settings.run import Settings, lock_of
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.store.retries import RetryingStore, RetryPolicy, Traffic
from asyncload.transfer import (
    ChecksumChoice,
    Provenance,
    TransferPolicy,
    TransferTools,
    no_change,
)
from asyncload.transfer.pipeline import Observer, Pipeline

if TYPE_CHECKING:
    from asyncload.operations.workers.fleet import Fleet

# Long enough for a store or network that is just starting, as in a pod or with compose; short
# enough for a user who mistyped an endpoint.
PREFLIGHT = RetryPolicy(seconds=10.0, max_wait=2.0)


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
            await _record_failure(run, error)
            raise
        options = s3_options(settings)._replace(rate=run.requests.rate)
        store = await stack.enter_async_context(open_store(options, run.observe))
        forks = forks and settings.processes != 1 and settings.dask is None
        forking = Forking() if forks else None
        workers = Workers(forking, store.lend_credentials)
        return await _load(store, run, readers, workers=workers)


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


async def _record_failure(run: Run, failure: AsyncloadError) -> None:
    """Write the manifest of a run that could not open its volume, if the bucket is usable."""
    if not run.settings.manifest:
        return
    with suppress(AsyncloadError, TimeoutError):
        async with (
            asyncio.timeout(run.policy.grace.left()),
            open_store(s3_options(run.settings)) as store,
        ):
            await preflight(run.requests.of_others(store, PREFLIGHT), run.settings, run.prefix)
            async with _recorded(run, store, run.requests.of_others(store, RetryPolicy())):
                raise failure
    run.count_requests()


@asynccontextmanager
async def _recorded(
    run: Run, store: ObjectStore, records: RetryingStore
) -> AsyncIterator[Observer]:
    """Record a run in its manifest, or as a part of the run that its shard belongs to.

    Raises:
        ShardRefused: the shard does not fit its run, or another process loads it.
        PartNotRecorded: the manifest of a shard could not be written.
    """
    if run.settings.shard is None:
        async with run.recording(records).kept() as record:
            yield record
        return
    # Imported late: most runs are not divided.
    from asyncload.operations.shards.joining import joined

    # Its requests do not wait for those of files, which may take longer than a claim is valid.
    limit = requests_limit(run.settings, share_of(run.settings).least())
    beside = RetryingStore(store, limit=limit, retries=RetryPolicy(), traffic=run.requests.others)
    async with (
        joined(run, beside) as key,
        run.recording(records, key).kept() as record,
    ):
        yield record
    if run.report.manifest is None:
        raise PartNotRecorded(
            f"shard {run.settings.shard} was loaded, but its manifest could not be written",
            hint="run the shard again: loaded files are not sent again",
        )


@asynccontextmanager
async def open_bucket(
    settings: Settings,
    prefix: str,
    warn: Callable[[Warned], None] = lambda _: None,
    traffic: Traffic | None = None,
) -> AsyncIterator[RetryingStore]:
    """Open and check the bucket for a command that loads nothing.

    `warn` receives warnings, such as a feature that the store lacks; `traffic` counts the requests.

    Raises:
        UsageError, StoreRefused: the bucket can't be used with these settings.
        ServerError, StoreUnavailable: the store could not be queried.
    """
    async with open_store(s3_options(settings), warn) as store:
        limit = requests_limit(settings)
        first = RetryingStore(store, limit=limit, retries=PREFLIGHT, traffic=traffic)
        await preflight(first, settings, prefix)
        yield RetryingStore(store, limit=limit, retries=RetryPolicy(), traffic=traffic)


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


class Stores(NamedTuple):
    """One store with different retries: for most requests, for files' bytes, and for probing.

    `retries` are those of `most` and `files`.
    """

    most: RetryingStore
    files: RetryingStore
    probing: RetryingStore
    retries: RetryPolicy


def stores_of(run: Run, store: ObjectStore, retries: RetryPolicy) -> Stores:
    """Return a store with the retries of a run."""
    requests = run.requests
    return Stores(
        requests.of_others(store, retries),
        requests.for_files(store, retries),
        requests.of_others(store, PREFLIGHT._replace(attempts=3, damaged=1)),
        retries,
    )


async def run_recorded(
    store: ObjectStore,
    run: Run,
    work: Callable[[Stores], Awaitable[None]],
    retries: RetryPolicy | None = None,
) -> Report:
    """Check the store and the clock, do the work of a run, and write its manifest."""
    retries = retries or RetryPolicy()
    stores = stores_of(run, store, retries)
    try:
        await preflight(run.requests.of_others(store, PREFLIGHT), run.settings, run.prefix)
        async with _recorded(run, store, stores.most) as record:
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


def transfer_tools(
    run: Run,
    policy: TransferPolicy,
    readers: Readers,
    stores: Stores,
    key_index: KeyIndex,
    left_open: Mapping[str, Sequence[OpenUpload]],
    archives: Mapping[str, Archive] = MappingProxyType({}),
) -> TransferTools:
    """Return what the transfers of a run share; the caller closes its buffers.

    `key_index` and `left_open` are as in `TransferTools`, `archives` as in `LoadPlan`.
    """
    return make_tools(
        run.settings,
        share_of(run.settings),
        run.requests,
        policy,
        Listed(key_index, left_open),
        readers=readers,
        files=stores.files,
        others=stores.most,
        observe=run.observe,
        deadline=run.deadline,
        before_change=run.markers.before_change if run.markers else no_change,
        dispose=disposing(run.disposal, readers, archives),
    )


async def find_left_open(
    plan: LoadPlan, store: ObjectStore, prefix: str, observe: Observer
) -> Mapping[str, Sequence[OpenUpload]]:
    """Return the open uploads by key; nothing if no planned file is large enough to have one."""
    if not plan.has_large:
        return {}
    left_open = await find_open_uploads(store, prefix)
    if warned := warn_of_odd_keys(left_open):
        observe(warned)
    return left_open


def no_object_lock(bucket: str) -> StoreRefused:
    """Return the error of a bucket that can't lock objects, as requested."""
    return StoreRefused(
        f"--lock-mode: the bucket {bucket!r} does not have Object Lock enabled",
        hint="enable it, which needs versioning, or omit --lock-mode and --lock-until",
    )


async def preflight(store: ObjectStore, settings: Settings, prefix: str) -> None:
    """Check within seconds whether the bucket can be used; `prefix` is that of the keys.

    Raises:
        StoreRefused: it can't be used with these settings.
        ServerError, StoreUnavailable: the store could not be queried.
    """
    try:
        async with asyncio.timeout(PREFLIGHT.seconds):
            await store.check_bucket(prefix)
            if settings.lock_mode is not None and await store.has_object_lock() is False:
                raise no_object_lock(settings.bucket)
    except Throttled:
        # The bucket exists and the store is busy: uploads retry for longer.
        return
    except TimeoutError as error:
        raise StoreUnavailable(
            f"no answer from the store within {PREFLIGHT.seconds:.0f} s",
            hint="check --endpoint-url, the network and the proxy settings",
        ) from error
