"""Scan the volume into a plan: in the event loop for a load, in the main thread for a dry run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from asyncload.model.values import Event, PlannedUpload
from asyncload.planning.collecting import SLICE, add_found, drop_duplicates, finish_plan
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import PUT_LIMIT, LoadPlan
from asyncload.settings.run import Settings, dates_of, modified_after
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.file_list import FileList, read_list
from asyncload.source.folders import check_volume
from asyncload.source.heartbeat import STALLED_SECONDS, Heartbeat
from asyncload.source.scanner import Scanner
from asyncload.source.watchdog import watched

if TYPE_CHECKING:
    # A dry run has no use for an event loop.
    from asyncload.source.readers import Readers
    from asyncload.source.volume import Volume


def scanner_of(settings: Settings, now: datetime, listed: FileList | None) -> Scanner:
    """Return the scanner of a run that starts at `now`, of all files or of the listed ones."""
    return Scanner(
        settings.volume,
        include=settings.include,
        exclude=settings.exclude,
        listed=listed,
        modified_after=modified_after(settings, now),
        modified_before=now.timestamp() - settings.min_age if settings.min_age else None,
        follow_links=settings.follow_symlinks,
        compressed=settings.compressed,
        archives=ArchiveRules(settings.archives, settings.zip_names, settings.archive_limit),
    )


def open_volume(settings: Settings) -> Volume:
    """Open the volume of a run.

    Raises:
        SourceUnreadable: it can't be opened.
    """
    # Late: few dry runs read files, and need no checksums.
    from asyncload.source.volume import Volume

    return Volume(settings.volume, trust=settings.trust, follow_links=settings.follow_symlinks)


async def scan_plan(
    settings: Settings,
    layout: KeyLayout,
    readers: Readers,
    observe: Callable[[Event], None],
    now: datetime,
    *,
    put_limit: int = PUT_LIMIT,
) -> LoadPlan:
    """Return the plan of a run that started at `now`, scanned by reader threads.

    Raises:
        NothingToLoad, KeyCollision: see `finish_plan`.
        SourceStalled: a folder does not respond.
    """
    plan = LoadPlan(layout, put_limit=put_limit, dates=dates_of(settings))
    scanner = scanner_of(settings, now, readers.listed)
    found = readers.scan(scanner.scan)
    while entries := await readers.take(found, SLICE):
        add_found(plan, entries, observe)
    if groups := plan.possible_duplicates():
        equal = readers.scan_volume(partial(_find_duplicates, groups))
        while duplicates := await readers.take(equal, 1):
            drop_duplicates(plan, duplicates, observe)
    finish_plan(plan, scanner, observe, allow_empty=settings.allow_empty)
    return plan


def scan_plan_blocking(
    settings: Settings, layout: KeyLayout, observe: Callable[[Event], None], now: datetime
) -> LoadPlan:
    """Return the same plan without an event loop, while a watchdog looks for folders that hang.

    Raises:
        UsageError: the volume does not exist, is not a folder, or can't be listed, or the list of
            files can't be read.
        NothingToLoad, KeyCollision, SourceStalled: see `scan_plan`.
    """
    listed = None
    if settings.files_from is not None:
        listed = read_list(settings.files_from, nul=settings.null_separated)
    plan = LoadPlan(layout, put_limit=PUT_LIMIT, dates=dates_of(settings))
    scanner = scanner_of(settings, now, listed)
    heartbeat = Heartbeat()

    def scan() -> None:
        check_volume(settings.volume)
        found = scanner.scan(heartbeat.beat)
        while entries := list(islice(found, SLICE)):
            add_found(plan, entries, observe)
        if groups := plan.possible_duplicates():
            with open_volume(settings) as volume:
                equal = _find_duplicates(groups, volume, heartbeat.beat)
                drop_duplicates(plan, equal, observe)

    watched(scan, heartbeat, patience=STALLED_SECONDS)
    finish_plan(plan, scanner, observe, allow_empty=settings.allow_empty)
    return plan


def _find_duplicates(
    groups: Sequence[Sequence[PlannedUpload]], volume: Volume, beat: Callable[[str], None]
) -> Iterator[Sequence[PlannedUpload]]:
    # Late: see `open_volume`.
    from asyncload.source.equality import find_duplicates

    return find_duplicates(volume, groups, beat)
