"""Scan the volume into a plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from asyncload.model.values import ScanEvent, Scanned
from asyncload.planning.collecting import SLICE, add_found, drop_duplicates, finish_plan
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import PUT_LIMIT, LoadPlan
from asyncload.planning.shards import Placement
from asyncload.settings.run import Settings, dates_of, modified_after
from asyncload.source import equality
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.readers import Readers
from asyncload.source.roots import Root, share_list
from asyncload.source.scanner import Scanner

if TYPE_CHECKING:
    from asyncload.source.scanners import NamedScanner, Scanners


def scanner_of(
    settings: Settings, now: datetime, readers: Readers, part: Placement | None = None
) -> Scanner | Scanners:
    """Return the scanner of a run that starts at `now`, of all files or of the listed ones."""
    roots, listed = readers.roots, readers.listed
    if not roots[0].name:
        return _scanner_of_folder(settings, now, roots[0]._replace(listed=listed), part)
    # Late: most runs have one volume.
    from asyncload.source.scanners import Scanners

    lists, unplaced = ({}, ()) if listed is None else share_list(listed, roots)
    return Scanners(
        {
            root.name: _scanner_of_folder(
                settings, now, root._replace(listed=lists.get(root.name, root.listed)), part
            )
            for root in roots
        },
        listed=listed,
        unplaced=unplaced,
        part=part,
        needed=not settings.selects,
    )


def _scanner_of_folder(
    settings: Settings, now: datetime, root: Root, part: Placement | None
) -> Scanner:
    return Scanner(
        root.folder,
        include=settings.include,
        exclude=settings.exclude,
        listed=root.listed,
        modified_after=modified_after(settings, now),
        modified_before=now.timestamp() - settings.min_age if settings.min_age else None,
        follow_links=settings.follow_symlinks,
        compressed=settings.compressed,
        part=part,
        archives=archive_rules(settings),
    )


def watching_scanner(settings: Settings, root: Root) -> Scanner | NamedScanner:
    """Return the scanner of a watched folder; it notes the version of each file."""
    scanner = Scanner(
        root.folder,
        include=settings.include,
        exclude=settings.exclude,
        compressed=settings.compressed,
        archives=archive_rules(settings),
        identify=True,
    )
    if not root.name:
        return scanner
    # Late: most watches have one volume.
    from asyncload.source.scanners import NamedScanner

    return NamedScanner(root.name, scanner)


def archive_rules(settings: Settings) -> ArchiveRules:
    """Return how archives are treated."""
    return ArchiveRules(settings.archives, settings.zip_names, settings.archive_limit)


async def scan_plan(
    settings: Settings,
    layout: KeyLayout,
    readers: Readers,
    observe: Callable[[ScanEvent], None],
    now: datetime,
    *,
    put_limit: int = PUT_LIMIT,
) -> LoadPlan:
    """Return the plan of a run that started at `now`, scanned by reader threads.

    Raises:
        NothingToLoad, KeyCollision: see `finish_plan`.
        UsageError: the files can't be divided among shards.
        SourceStalled: a folder does not respond.
    """
    clears = settings.then is not None
    plan = LoadPlan(layout, put_limit=put_limit, dates=dates_of(settings), clears=clears)
    shard = settings.shard_of
    part = None if shard is None else Placement(shard, layout)
    scanner = scanner_of(settings, now, readers, part)
    found = readers.scan(scanner.scan)
    while entries := await readers.take(found, SLICE):
        add_found(plan, entries, observe)
        observe(Scanned(plan.files, plan.size))
    await drop_equal(plan, readers, observe)
    finish_plan(
        plan,
        scanner,
        observe,
        allow_empty=settings.allow_empty,
        others=0 if part is None else part.others,
    )
    return plan


async def drop_equal(
    plan: LoadPlan, readers: Readers, observe: Callable[[ScanEvent], None]
) -> None:
    """Plan one of several files for one key, some of which are members, if all are equal."""
    if groups := plan.possible_duplicates():
        equal = readers.scan_volume(
            lambda volume, beat: equality.find_duplicates(volume, groups, beat)
        )
        while duplicates := await readers.take(equal, 1):
            drop_duplicates(plan, duplicates, observe)
