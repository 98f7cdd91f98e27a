"""Compare the raw zone with the volume, or with a run's manifest, by checksum."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from asyncload.aio.buffers import BufferPool
from asyncload.errors import UsageError
from asyncload.model.values import Event, Warned
from asyncload.operations.bucket import open_bucket
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.comparison import (
    Comparison,
    compare_manifest,
    compare_volume,
    manifest_key_of,
)
from asyncload.operations.history.near import suggesting_runs
from asyncload.operations.lock_check import wanted_lock
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.probing import remembered_worth
from asyncload.operations.report import check_mark, mark_run
from asyncload.operations.run import utc_now
from asyncload.operations.shards.merging import find_run, merge
from asyncload.reporting.verification import Verification, VerificationStarted, VerifyEvent
from asyncload.settings.run import Settings, layout_of
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import TransferPolicy


async def verify(
    settings: Settings,
    *,
    manifest: str | None = None,
    mark: bool = False,
    observer: Callable[[VerifyEvent], None] | None = None,
    now: datetime | None = None,
) -> Verification:
    """Compare the raw zone with a volume, or with the manifest of a past run.

    Nothing is written, except with `mark`. If the settings ask for a lock, or the manifest is that
    of a run that did, objects that are not locked so are differences.

    Args:
        settings: as for the load: the volume, the bucket, the date and all options of keys.
        manifest: run id, key or `s3://` address of a manifest; the volume is not read then. So may
            be `Settings.run`, which may also name a run of several shards.
        mark: if all shards of the run are complete and nothing differs, write a manifest of all of
            them and success markers.
        observer: called with each event, in the event loop; must neither block nor be a coroutine
            function. If it raises an error, the comparison ends.
        now: the time from which `today` and `yesterday` are computed; None for the current time.

    Returns:
        What was verified, by which checksums, and what differs. Differences raise nothing.

    Raises:
        UsageError: a setting is invalid, the volume does not exist, or there is no such manifest.
        NothingToLoad: the volume contains no CSV.
        SourceUnreadable: the volume can't be opened, or does not respond.
        Refused: credentials, permission, bucket, region, colliding keys, or a clock with a wrong
            date; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    check_arguments("verify", settings, observer)
    started = now or utc_now()
    result = Verification()
    emit = Emitter(result.observe, observer)
    if manifest is not None and settings.run is not None:
        raise UsageError("--manifest and --run can't be combined", hint="omit one of them")
    if settings.run is not None:
        await _verify_run(settings, settings.run, started, emit, result, mark=mark)
        return result
    check_mark(mark=mark)
    if manifest is not None:
        await _verify_manifest(settings, manifest, started, emit)
    else:
        await _verify_volume(settings, started, emit, by_clock=now is None)
    return result


async def _verify_run(
    settings: Settings,
    name: str,
    now: datetime,
    emit: Callable[[VerifyEvent], None],
    result: Verification,
    *,
    mark: bool,
) -> None:
    """Compare the bucket with the manifests of all shards of a run, or with that of another run."""
    prefix = layout_of(settings, now).common_prefix()
    async with open_bucket(settings, prefix, emit) as store:
        sharded = await find_run(store, settings.manifest_prefix, name)
        if sharded is None:
            check_mark(mark=mark)
            key = manifest_key_of(name, settings.bucket, settings.manifest_prefix, "--run")
            emit(VerificationStarted(None, key))
            async with suggesting_runs(store, settings.manifest_prefix, name):
                await compare_manifest(key, await _comparison(settings, store, emit))
            return
        emit(VerificationStarted(None, run=name))
        merged = await merge(store, settings.manifest_prefix, sharded)
        comparison = await _comparison(settings, store, emit)
        for state in merged.shards.states:
            if state.standing != "complete":
                detail = f"shard {state.shard}: {state.reason}"
                comparison.add_difference("incomplete", None, None, detail)
            if state.past is not None:
                await compare_manifest(state.past.manifest, comparison)
        if mark and result.matches:
            emit(await mark_run(store, settings, merged, emit))


async def _verify_manifest(
    settings: Settings, manifest: str, now: datetime, emit: Callable[[VerifyEvent], None]
) -> None:
    prefix = layout_of(settings, now).common_prefix()
    async with open_bucket(settings, prefix, emit) as store:
        key = manifest_key_of(manifest, settings.bucket, settings.manifest_prefix)
        emit(VerificationStarted(None, key))
        async with suggesting_runs(store, settings.manifest_prefix, manifest):
            await compare_manifest(key, await _comparison(settings, store, emit))


async def _verify_volume(
    settings: Settings, now: datetime, emit: Callable[[VerifyEvent], None], *, by_clock: bool
) -> None:
    layout = layout_of(settings, now)
    emit(VerificationStarted(layout.date))

    def observe(event: Event) -> None:
        # Events about excluded entries and the progress of the scan are not needed here.
        if isinstance(event, Warned):
            emit(event)

    async with (
        open_readers(settings) as readers,
        open_bucket(settings, layout.common_prefix(), emit) as store,
    ):
        if warned := check_clock(store.clock_offset, utc_now()):
            emit(warned)
        if by_clock:
            check_day(settings, store.clock_offset, now)
        plan = await scan_plan(settings, layout, readers, observe, now)
        comparison = await _comparison(settings, store, emit)
        # Objects of files that were not selected are not reported.
        await compare_volume(
            plan,
            comparison,
            readers,
            BufferPool(settings.memory),
            find_extra=not settings.selects and all(root.listed is None for root in readers.roots),
        )


async def _comparison(
    settings: Settings, store: ObjectStore, emit: Callable[[VerifyEvent], None]
) -> Comparison:
    # Checksums count as proof according to earlier probes of the store.
    worth = await remembered_worth(store, settings.manifest_prefix, utc_now())
    lock = wanted_lock(settings)
    return Comparison(store, TransferPolicy(worth=worth), settings.max_requests, emit, lock)
