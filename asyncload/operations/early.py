"""Load a volume whose scan takes long while it is scanned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from asyncload.aio.groups import Group
from asyncload.model.values import Event, LoadStartedEarly
from asyncload.operations.planning import scanner_of
from asyncload.operations.run import Run
from asyncload.planning.collecting import SLICE, finish_plan, warnings_of
from asyncload.planning.growing import GrowingPlan, datasets_meet, may_load_early
from asyncload.planning.partitions import PartitionCounts
from asyncload.planning.plan import LoadPlan
from asyncload.source.folders import names_at_top
from asyncload.source.readers import Readers
from asyncload.source.scanner import Scanner
from asyncload.source.scanners import Scanners


class Patience(NamedTuple):
    """How long to wait, in seconds.

    `scan`: for the end of the scan, before files are loaded early. `portion`: for more files,
    before a portion of few files is loaded. `slice`: for one step of the scan.
    """

    scan: float = 2.0
    portion: float = 1.0
    slice: float = 0.2


class Planned(NamedTuple):
    """What is left to load after the scan, and all partitions of the run."""

    plan: LoadPlan
    partitions: PartitionCounts


def loads_early(run: Run, readers: Readers) -> bool:
    """Return whether a run may load files before its scan has ended, if that takes long.

    Not if it knows only at the end which files it may load: with archives, several volumes, a list
    of files, a date for each file or names of datasets; nor if it deletes or moves files, because
    the scan might miss others; nor if other processes or machines load parts of the volume.
    """
    settings = run.settings
    return (
        may_load_early(run.layout)
        and readers.listed is None
        and readers.roots[0].listed is None
        and not settings.archives
        and settings.then is None
        and settings.shard is None
        and settings.dask is None
    )


async def load_while_scanning(
    run: Run,
    readers: Readers,
    load: Callable[[LoadPlan, Callable[[], Event]], Awaitable[bool]],
    patience: Patience,
) -> Planned:
    """Scan a volume, and load portions of it if that takes long; return what is left to load.

    Args:
        run: the run; see `loads_early`.
        readers: read the volume.
        load: loads a portion; gets what returns the event of its start, which says what was found
            so far. Returns false if it is better to load the rest as a whole, unless the scan takes
            longer than the load.
        patience: when to begin.

    Raises:
        NothingToLoad, KeyCollision: see `finish_plan`.
        SourceStalled: a folder does not respond.
        AsyncloadError: raised by `load`.
    """
    settings, observe = run.settings, run.observe
    growing = GrowingPlan(lambda: LoadPlan(run.layout, put_limit=run.policy.put_limit))

    def started() -> Event:
        return LoadStartedEarly(growing.files, growing.size)

    scanner = scanner_of(settings, run.started, readers)
    async with Group() as group:
        scan = group.create_task(_scan(growing, scanner, readers, run, patience))
        await asyncio.wait([scan], timeout=patience.scan)
        if not scan.done() and not await _datasets_meet(readers):
            while not scan.done():
                portion = growing.take()
                if portion is not None and not await load(portion, started) and growing.is_ahead:
                    break
                await asyncio.wait([scan], timeout=0 if growing.is_ahead else patience.portion)
    plan = growing.rest()
    if growing.has_started:
        for warned in warnings_of(scanner, run.layout, growing.excluded):
            observe(warned)
        growing.check_collisions()
    else:
        finish_plan(plan, scanner, observe, allow_empty=settings.allow_empty)
    return Planned(plan, growing.partitions())


async def _scan(
    growing: GrowingPlan,
    scanner: Scanner | Scanners,
    readers: Readers,
    run: Run,
    patience: Patience,
) -> None:
    found = readers.scan(scanner.scan)
    while entries := await readers.take(found, SLICE, seconds=patience.slice):
        growing.add(entries, run.observe)


async def _datasets_meet(readers: Readers) -> bool:
    """Return whether files of the volume may have the same key; also if that can't be seen."""
    (root,) = readers.roots
    looking = readers.scan(partial(_look, root.folder))
    return (await readers.take(looking, 1))[0]


def _look(folder: Path, beat: Callable[[str], None]) -> Iterator[bool]:
    names = partial(names_at_top, folder, partial(beat, "."))
    try:
        yield datasets_meet(names(folders=True), names(folders=False))
    except OSError:
        yield True
