"""Read what a past run did, from its records in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncload.errors import AsyncloadError, UsageError
from asyncload.model.values import ObjectKey, UploadLeftOpen, Warned
from asyncload.operations.bucket import open_bucket
from asyncload.operations.comparison import manifest_key_of
from asyncload.operations.history.failures import find_failures
from asyncload.operations.history.near import suggesting_runs
from asyncload.operations.probing import remembered_worth
from asyncload.operations.run import utc_now
from asyncload.operations.shards import merging
from asyncload.reporting.manifest_reading import NoRecordError, read_ends
from asyncload.reporting.recorded import OddRecordError, PastRun, past_run, run_record
from asyncload.reporting.report import Report
from asyncload.reporting.shards import Shards
from asyncload.reporting.verification import Marking
from asyncload.settings.run import Settings, layout_of
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import TransferPolicy


@dataclass(slots=True)
class RunReport:
    """A past run: its totals, its duration in seconds, and how it ended.

    `error` is what ended it early, if anything. `shards` is how its shards stand, if it has any;
    `marking` what was written because all of them are complete.
    """

    report: Report
    seconds: float
    exit_code: int
    error: AsyncloadError | None = None
    shards: Shards | None = None
    marking: Marking | None = None


async def report(
    settings: Settings,
    *,
    mark: bool = False,
    names: bool = False,
    warn: Callable[[Warned], None] = lambda _: None,
) -> RunReport:
    """Return the past run that `Settings.run` names.

    That is a name of shards, a run id, or the key or `s3://` address of a manifest. With `mark`,
    the manifest of all shards and success markers are written if all shards are complete. With
    `names`, the first failed files are looked up in the manifests.

    Raises:
        UsageError: a setting is invalid, or there is no such run.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached.
    """
    name = settings.run
    if name is None:
        raise UsageError("--run is missing", hint="name a run by its id or its manifest")
    layout = layout_of(settings, utc_now())
    async with open_bucket(settings, layout.common_prefix(), warn) as store:
        sharded = await merging.find_run(store, settings.manifest_prefix, name)
        if sharded is None:
            check_mark(mark=mark)
            key = manifest_key_of(name, settings.bucket, settings.manifest_prefix, "--run")
            async with suggesting_runs(store, settings.manifest_prefix, name):
                past = await read_run(store, key)
            if names:
                await find_failures(store, past.report, [key])
            return RunReport(past.report, past.seconds, past.exit_code, past.error)
        merged = await merging.merge(store, settings.manifest_prefix, sharded)
        if names:
            shards = [state.past.manifest for state in merged.shards.states if state.past]
            await find_failures(store, merged.report, shards)
        marking = None
        if mark and merged.shards.complete:
            marking = await mark_run(store, settings, merged, warn)
    exit_code = merged.exit_code
    return RunReport(merged.report, merged.seconds, exit_code, None, merged.shards, marking)


def check_mark(*, mark: bool) -> None:
    """Check that a run that does not consist of shards is not to be marked.

    Raises:
        UsageError: it is.
    """
    if mark:
        raise UsageError(
            "--mark is for runs of several shards",
            hint="other runs write markers themselves, with --success-marker",
        )


async def mark_run(
    store: ObjectStore,
    settings: Settings,
    merged: merging.MergedRun,
    warn: Callable[[Warned], None],
) -> Marking:
    """Write manifest and markers of a complete run of shards. Raises as `merging.mark` does."""
    worth = await remembered_worth(store, settings.manifest_prefix, utc_now())

    def emit(event: Warned | UploadLeftOpen) -> None:
        if isinstance(event, UploadLeftOpen):
            event = Warned(f"the upload of {event.key} was left open: {event.reason}")
        warn(event)

    policy = TransferPolicy(worth=worth)
    marking = await merging.mark(store, merged, policy, settings.manifest_prefix, emit)
    merged.report.manifest = marking.manifest
    merged.report.unmarked.extend(marking.unmarked)
    merged.report.markers_failed.extend(marking.failed)
    return marking


async def read_run(store: ObjectStore, key: ObjectKey) -> PastRun:
    """Return the run of a manifest.

    Raises:
        NoRecordError: the object does not exist.
        UsageError: it is not a manifest.
        StoreError: the store can't be queried.
    """
    ends = await read_ends(store, key)
    if ends is None:
        raise NoRecordError(
            f"object {key!r} does not exist, so there is no such run",
            hint="give the name of a run of shards, a run id, or the key of a manifest; they are "
            "stored below --manifest-prefix",
        )
    try:
        return past_run(run_record(*ends), key)
    except OddRecordError as error:
        raise UsageError(f"--run: {key!r} can't be read: {error}") from error
