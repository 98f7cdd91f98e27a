"""The main entry point of the library: load a volume into a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple, cast

from asyncload.aio.buffers import BufferPool
from asyncload.bucket.key_index import KeyIndex
from asyncload.bucket.listing import find_open_uploads, list_existing, warn_of_odd_keys
from asyncload.errors import (
    AsyncloadError,
    Interrupted,
    StoreUnavailable,
    Throttled,
)
from asyncload.model.values import LoadStarted, Warned
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.disposing import disposing, open_disposal
from asyncload.operations.observing import check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.run import Run, new_run_id, requests_limit, utc_now
from asyncload.planning.plan import PARTS_AT_ONCE, LoadPlan
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import ObjectOptions, S3Options, open_store
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.store.retries import RetryingStore, RetryPolicy, Traffic
from asyncload.transfer import (
    ChecksumChoice,
    PartWindow,
    Provenance,
    TransferPolicy,
    TransferTools,
    UploadRecords,
    no_change,
)
from asyncload.transfer.pipeline import Observer, Pipeline
from asyncload.version import VERSION

# Long enough for a store or network that is just starting, as in a pod or with compose; short
# enough for a user who mistyped an endpoint.
PREFLIGHT = RetryPolicy(seconds=10.0, max_wait=2.0)


# Bytes per second of one connection; slower connections need more of them in parallel.
PART_PACE = 8 * 1024 * 1024


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
        DeadlineReached: the run stopped before `Settings.deadline`, with files left to upload.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    run = begin_run(settings, observer, now, interruption, report)
    async with run.deadline.enforced(), AsyncExitStack() as stack:
        try:
            # Before the bucket is opened: report a mistyped folder at once.
            readers = await stack.enter_async_context(open_readers(settings))
            run.disposal = open_disposal(settings, readers.root)
        except AsyncloadError as error:
            await _record_failure(run, error)
            raise
        opening = open_store(s3_options(settings)._replace(rate=run.rate), run.observe)
        store = await stack.enter_async_context(opening)
        return await _load(store, run, readers)


def begin_run(
    settings: Settings,
    observer: Observer | None,
    now: datetime | None,
    interruption: Callable[[], Interrupted],
    report: Report | None = None,
) -> Run:
    """Return a run that starts now, or at `now`; it has emitted its first event."""
    check_arguments("load", settings, observer)
    started = now or utc_now()
    policy = policy_of(settings, new_run_id(started))
    return Run(
        settings,
        policy,
        Report() if report is None else report,
        observer,
        started,
        interruption,
        by_clock=now is None,
    )


def policy_of(settings: Settings, run_id: str) -> TransferPolicy:
    """Return the transfer policy of a run."""
    kept: Literal["skip", "fail"] = "skip" if settings.skip_existing else "fail"
    return TransferPolicy(
        existing="overwrite" if settings.overwrite else kept,
        # Settings has validated it.
        checksum=cast("ChecksumChoice", settings.checksum),
        provenance=Provenance(run_id, VERSION),
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
            await preflight(run.with_retries(store, PREFLIGHT, run.others), run.prefix)
            async with run.recording(run.with_retries(store, RetryPolicy(), run.others)).kept():
                raise failure
    run.count_requests()


def s3_options(settings: Settings) -> S3Options:
    """Return the options for opening the bucket of a run."""
    return S3Options(
        bucket=settings.bucket,
        connections=settings.max_requests,
        endpoint_url=settings.endpoint_url,
        addressing_style=settings.addressing_style,
        checksum=settings.checksum,
        allow_http=settings.allow_http,
        ca_bundle=settings.ca_bundle,
        region=settings.region,
        profile=settings.profile,
        user_agent=f"asyncload/{VERSION}",
        unsigned_payload=settings.unsigned_payload,
        fast_lane=settings.fast_lane,
        expected_bucket_owner=settings.expected_bucket_owner,
        objects=ObjectOptions(
            storage_class=settings.storage_class,
            sse=settings.sse,
            sse_kms_key_id=settings.sse_kms_key_id,
            acl=settings.acl,
            tags=settings.tags,
            metadata=settings.metadata,
        ),
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
        await preflight(first, prefix)
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
        run.disposal = open_disposal(settings, readers.root)
        return await _load(store, run, readers, retries)


async def _load(
    store: ObjectStore, run: Run, readers: Readers, retries: RetryPolicy | None = None
) -> Report:
    return await run_recorded(store, run, partial(_load_files, run, readers), retries)


class Stores(NamedTuple):
    """One store with different retries: for most requests, for files' bytes, and for probing."""

    most: RetryingStore
    files: RetryingStore
    probing: RetryingStore


def stores_of(run: Run, store: ObjectStore, retries: RetryPolicy) -> Stores:
    """Return a store with the retries of a run."""
    return Stores(
        run.with_retries(store, retries, run.others),
        # Data that arrives damaged is loaded again by the caller, so no retries here.
        run.with_retries(store, retries._replace(damaged=1), run.of_files),
        run.with_retries(store, PREFLIGHT._replace(attempts=3, damaged=1), run.others),
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
        await preflight(run.with_retries(store, PREFLIGHT, run.others), run.prefix)
        async with run.recording(stores.most).kept() as record:
            run.add_observer(record)
            try:
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
    return run.report


async def _load_files(run: Run, readers: Readers, stores: Stores) -> None:
    settings, observe, policy = run.settings, run.observe, run.policy
    retrying, _, probing = stores
    if settings.success_marker:
        run.markers = SuccessMarkers(run.layout, retrying, observe)
        run.add_observer(run.markers.observe)
    plan = await scan_plan(
        settings, run.layout, readers, observe, run.started, put_limit=policy.put_limit
    )
    policy = await probe_store(probing, settings, policy, utc_now(), observe)
    observe(LoadStarted(plan.files, plan.size))
    key_index = await list_existing(plan, retrying, markers=run.markers is not None)
    if run.markers is not None and policy.create_only:
        # With --overwrite, a marker that another run has just written must be removed too.
        run.markers.listed = key_index
    left_open = await find_left_open(plan, retrying, run.prefix, observe)
    tools = transfer_tools(run, policy, readers, stores, key_index, left_open)
    written = ReadBack(settings, policy.put_limit)
    run.add_observer(written.observe)
    try:
        await Pipeline(tools, observe, run.requests_at_once).run(plan)
    finally:
        tools.buffers.close()
    for warned in await written.check(probing):
        observe(warned)
    if run.markers is not None:
        await run.markers.write((partition for partition, _ in plan.partitions), policy)


def transfer_tools(
    run: Run,
    policy: TransferPolicy,
    readers: Readers,
    stores: Stores,
    key_index: KeyIndex,
    left_open: Mapping[str, Sequence[OpenUpload]],
) -> TransferTools:
    """Return what the transfers of a run share; the caller closes its buffers.

    `key_index` and `left_open` are as in `TransferTools`.
    """
    settings = run.settings
    return TransferTools(
        store=stores.files,
        readers=readers,
        buffers=BufferPool(settings.memory, reserved=run.connection_memory),
        window=PartWindow(_max_parts(settings)),
        policy=policy,
        key_index=key_index,
        left_open=left_open,
        observe=run.observe,
        now=utc_now,
        deadline=run.deadline,
        before_change=run.markers.before_change if run.markers else no_change,
        records=UploadRecords(stores.most, settings.manifest_prefix, policy, run.observe, utc_now)
        if settings.manifest
        else None,
        dispose=disposing(run.disposal, readers),
    )


def _max_parts(settings: Settings) -> int:
    """Return the maximum number of parts in flight; a rate limit needs fewer parallel parts."""
    if settings.limit_rate is None:
        return settings.max_requests
    return min(settings.max_requests, max(PARTS_AT_ONCE, settings.limit_rate // PART_PACE))


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


async def preflight(store: ObjectStore, prefix: str) -> None:
    """Check within seconds whether the bucket can be used.

    Raises:
        StoreRefused: it can't be used with these settings.
        ServerError, StoreUnavailable: the store could not be queried.
    """
    try:
        async with asyncio.timeout(PREFLIGHT.seconds):
            await store.check_bucket(prefix)
    except Throttled:
        # The bucket exists and the store is busy: uploads retry for longer.
        return
    except TimeoutError as error:
        raise StoreUnavailable(
            f"no answer from the store within {PREFLIGHT.seconds:.0f} s",
            hint="check --endpoint-url, the network and the proxy settings",
        ) from error
