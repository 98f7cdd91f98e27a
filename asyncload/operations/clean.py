"""Find abandoned multipart uploads, and abort them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from asyncload.errors import (
    AccessDenied,
    InvalidKey,
    NoSuchUpload,
    RequestRejected,
    StoreRefused,
    UsageError,
)
from asyncload.model.values import ObjectKey
from asyncload.operations.bucket import open_bucket
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.run import utc_now
from asyncload.reporting.cleanup import (
    CleanEvent,
    Cleanup,
    CleanupStarted,
    Leftover,
    SkippedUpload,
)
from asyncload.settings.parsing import as_seconds
from asyncload.settings.run import Settings, layout_of
from asyncload.store.protocol import ObjectStore, pages_of
from asyncload.transfer import last_activity, list_all_parts, seconds_idle

DAY_SECONDS = 24 * 60 * 60


async def clean(
    settings: Settings,
    *,
    older_than: int | str | timedelta = DAY_SECONDS,
    abort: bool = False,
    observer: Callable[[CleanEvent], None] | None = None,
    now: datetime | None = None,
) -> Cleanup:
    """List abandoned multipart uploads, and with `abort` abort them.

    They are all open uploads below the fixed prefix of the layout, including those of other
    programs, and nothing outside of it.

    Args:
        settings: the bucket and the layout; the volume is not read.
        older_than: only uploads without a new part for this long: seconds, a timedelta, or text
            such as `24h`. 0 includes the uploads of running loads.
        abort: whether to abort them; else they are only listed.
        observer: called with each event, in the event loop; must neither block nor be a coroutine
            function. If it raises an error, the cleanup ends.
        now: this machine's time; None for the current time.

    Returns:
        The uploads that were found, and the ones that had to be skipped. An upload that could not
        be aborted raises nothing; its `error` says why.

    Raises:
        UsageError: a setting or `older_than` is invalid, or the keys of the layout do not share a
            prefix.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    check_arguments("clean", settings, observer)
    seconds = as_seconds("--older-than", older_than)
    result = Cleanup()
    emit = Emitter(result.observe, observer)
    started = now or utc_now()
    # Any date works here: the prefix does not contain it.
    prefix = layout_of(settings, started).fixed_prefix()
    if not prefix:
        raise UsageError(
            "--layout: the keys do not share a prefix, so uploads of other programs can't be "
            "excluded",
            hint="start the layout with a fixed segment, or with {layer}",
        )
    emit(CleanupStarted(prefix, abort))
    async with open_bucket(settings, prefix, emit) as store:
        # List all before aborting any, so that the listing does not change meanwhile.
        found = [one async for one in find_leftovers(store, prefix, seconds, started)]
        for one in found:
            emit(await _abort(store, one) if abort and isinstance(one, Leftover) else one)
    return result


async def _abort(store: ObjectStore, leftover: Leftover) -> Leftover:
    try:
        await store.abort_multipart(ObjectKey(leftover.upload.key), leftover.upload.upload_id)
    except RequestRejected as error:
        return replace(leftover, error=error)
    return replace(leftover, aborted=True)


async def find_leftovers(
    store: ObjectStore, prefix: str, older_than: float, now: datetime
) -> AsyncIterator[Leftover | SkippedUpload]:
    """Yield the open uploads below a prefix, of any program, that received no part recently.

    Args:
        store: must have answered a request, so that its clock is known: ages are measured by it.
        prefix: of the keys.
        older_than: seconds without a new part. 0 yields all uploads; otherwise uploads of unknown
            age are not yielded.
        now: this machine's time.

    Raises:
        StoreRefused: the store's answers have no date, so ages are unknown; or (`AccessDenied`)
            listing uploads is denied.
        StoreError: the store can't be queried.
    """
    if older_than and store.clock_offset is None:
        raise StoreRefused(
            "the store's answers have no Date header, so the age of an upload is unknown",
            hint="use --older-than 0s to include all uploads, also those of running loads",
        )

    def is_younger(last: datetime | None) -> bool:
        idle = seconds_idle(last, store, now)
        return older_than > 0 and (idle is None or idle < older_than)

    async for page in pages_of(partial(store.list_uploads, prefix)):
        for upload in page:
            if not upload.key.startswith(prefix) or is_younger(upload.initiated):
                continue
            try:
                parts = await list_all_parts(store, ObjectKey(upload.key), upload)
            except NoSuchUpload:
                continue
            except (InvalidKey, AccessDenied, RequestRejected) as error:
                yield SkippedUpload(upload, error)
                continue
            latest = last_activity(upload, parts)
            if not is_younger(latest):
                yield Leftover(upload, len(parts), sum(part.size for part in parts), latest)
