"""Find out what a run would do: the same scan, listing and comparison, but nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

from asyncload.operations.disposing import open_disposal
from asyncload.operations.foreseeing import Foreseeing
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.planning.collecting import SLICE
from asyncload.reporting.preview import (
    PlanEvent,
    PlanStarted,
    Preview,
    emit_failures,
    planned_upload,
)
from asyncload.settings.run import Settings, layout_of
from asyncload.source.disposal import Disposal
from asyncload.source.readers import Readers


async def plan(
    settings: Settings,
    *,
    offline: bool = False,
    observer: Callable[[PlanEvent], None] | None = None,
    now: datetime | None = None,
) -> Preview:
    """Find out what `load` would do with these settings. Nothing is written anywhere.

    The bucket is listed, and each existing object is compared by checksum, as in a run. Files are
    read only if there is an object to compare them with.

    Args:
        settings: as for the load.
        offline: don't ask the bucket: every file counts as one to upload.
        observer: called with each event, in the event loop; must neither block nor be a coroutine
            function. If it raises an error, the plan ends.
        now: the time from which `today` and `yesterday` are computed; None for the current time.

    Returns:
        The totals, by action and by partition.

    Raises:
        UsageError, NothingToLoad, SourceUnreadable, Refused, ServerError, StoreUnavailable,
        ObserverFailed: as for `load`.
    """
    check_arguments("plan", settings, observer)
    started = now or datetime.now(UTC)
    preview = Preview()
    emit = Emitter(preview.observe, observer)
    day, volumes = layout_of(settings, started).date, tuple(sorted(settings.volume_names))
    emit(PlanStarted(settings.bucket, day, offline, volumes))
    async with open_readers(settings) as readers:
        disposal = open_disposal(settings, readers.roots)
        if offline:
            await _plan_offline(settings, started, readers, emit, disposal)
        else:
            # Late: a plan without a bucket needs no S3.
            from asyncload.operations.previewing import plan_online

            by_clock = now is None
            await plan_online(
                settings, started, readers, emit, preview, disposal, by_clock=by_clock
            )
    return preview


async def _plan_offline(
    settings: Settings,
    now: datetime,
    readers: Readers,
    emit: Callable[[PlanEvent], None],
    disposal: Disposal | None,
) -> None:
    found = await scan_plan(settings, layout_of(settings, now), readers, emit, now)
    emit_failures(found.failures, emit)
    foreseeing = Foreseeing(disposal, readers, found.archives)
    uploads = found.uploads()
    while some := list(islice(uploads, SLICE)):
        for upload in some:
            source = await foreseeing.verified(upload.source, None)
            emit(planned_upload("upload", upload, planned=source))
        # A signal can cancel it here.
        await asyncio.sleep(0)
