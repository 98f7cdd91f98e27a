"""Watch volumes: load each CSV once it is complete, for as long as the program runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from asyncload.aio.groups import Group
from asyncload.errors import Interrupted, UsageError
from asyncload.operations.bucket import s3_options
from asyncload.operations.disposing import open_disposal
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import find_folders, open_folder
from asyncload.operations.planning import watching_scanner
from asyncload.operations.run import utc_now
from asyncload.operations.watching.arrivals import Arrivals
from asyncload.operations.watching.dispatching import Dispatcher
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.pausing import Pauses
from asyncload.operations.watching.sending import Sending
from asyncload.operations.watching.sessions import Sessions
from asyncload.operations.watching.status import Status
from asyncload.operations.watching.volume import WatchedVolume
from asyncload.reporting.report import Report
from asyncload.s3 import open_store
from asyncload.settings.run import ARRIVAL, Settings, lock_of
from asyncload.source.arrivals import check_events, has_events
from asyncload.source.readers import DecodingMemory
from asyncload.source.roots import Root
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.transfer.pipeline import Observer


class WatchOptions(NamedTuple):
    """How volumes are watched. Times are in seconds.

    Args:
        settle: a file is loaded once nothing about it has changed for this long.
        poll: scan the volumes again and again, instead of waiting for events.
        manifest_every: a manifest is written after this long; None for one a day.
        health_file: a file that is written every few seconds while the program works.
        grace: after a stop, work in progress may take this long.
    """

    settle: float = 5.0
    poll: bool = False
    manifest_every: float | None = None
    health_file: Path | None = None
    grace: float = 5.0


class WatchResult(NamedTuple):
    """The files that a watch has loaded, and the number of those failing at its end.

    `finished`: whether all work in progress was completed.
    """

    report: Report
    loaded: int
    failing: int
    finished: bool

    @property
    def exit_code(self) -> int:
        """0 if no file was failing at the end, else 3."""
        return 3 if self.failing else 0


async def watch(
    settings: Settings,
    options: WatchOptions,
    *,
    stop: asyncio.Event,
    observer: Observer | None = None,
    interruption: Callable[[], Interrupted] = Interrupted,
) -> WatchResult:
    """Load the CSVs of volumes, and then each one that appears or changes, until `stop` is set.

    A volume that disappears is waited for, while the others are loaded.

    Args:
        settings: as for a load. The date `today` means the day on which each file appeared.
        options: how they are watched.
        stop: ends the watch: files in work are completed within `options.grace`.
        observer: called with each event, as for a load.
        interruption: returns the error to record for a cancelled watch.

    Raises:
        UsageError: a setting is invalid, or a volume does not exist at the start.
        Refused: credentials, permission, bucket or region.
        StoreUnavailable: the store can't be reached at the start; later, files are tried again.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    watcher = _begin(settings, options, stop, observer, interruption)
    opening = open_store(s3_options(settings)._replace(rate=watcher.rate), watcher.emit)
    return await watcher.run(opening)


async def watch_into(
    store: ObjectStore,
    settings: Settings,
    options: WatchOptions,
    *,
    stop: asyncio.Event,
    observer: Observer | None = None,
) -> WatchResult:
    """Do the same as `watch`, into a store that is already open."""
    watcher = _begin(settings, options, stop, observer, Interrupted)
    return await watcher.run(nullcontext(store))


def _begin(
    settings: Settings,
    options: WatchOptions,
    stop: asyncio.Event,
    observer: Observer | None,
    interruption: Callable[[], Interrupted],
) -> _Watcher:
    check_arguments("watch", settings, observer)
    return _Watcher(_checked(settings, options), options, stop, observer, interruption)


def _checked(settings: Settings, options: WatchOptions) -> Settings:
    if options.settle <= 0:
        raise UsageError(
            "--settle must be longer than 0",
            hint="otherwise a file that is still being written would be loaded",
        )
    if settings.date.lower() == "yesterday":
        raise UsageError(
            "--date yesterday can't be used by watch, which runs for many days",
            hint="omit it: each file is loaded under the day on which it appeared",
        )
    if settings.success_marker or settings.follow_symlinks or settings.selects:
        raise UsageError(
            "watch takes neither success markers, symbolic links nor selected files",
            hint="use run for these",
        )
    if settings.date_from is None and settings.date.lower() == "today":
        settings = replace(settings, date=ARRIVAL)
    # Its time must be in the future now; a session that begins later checks it again.
    lock_of(settings, utc_now())
    if not options.poll and any(map(has_events, settings.volumes)):
        check_events()
    return settings


class _Watcher:
    def __init__(
        self,
        settings: Settings,
        options: WatchOptions,
        stop: asyncio.Event,
        observer: Observer | None,
        interruption: Callable[[], Interrupted],
    ) -> None:
        self._settings = settings
        self._options = options
        self._stop = stop
        self._interruption = interruption
        self._report = Report(bucket=settings.bucket)
        self.emit = Emitter(self._report.observe, observer)
        self.rate = RateLimit(settings.limit_rate) if settings.limit_rate else None

    async def run(self, opening: AbstractAsyncContextManager[ObjectStore]) -> WatchResult:
        """Watch until the stop, with a store that is opened for that long."""
        roots = await find_folders(self._settings)
        pauses = Pauses(self._options.settle, self._stop)
        files = [self._files_of(root) for root in roots]
        status = Status(files, self.emit, self._options.health_file)
        volumes = self._volumes(roots, files, status, pauses)
        sessions = Sessions(
            self._settings,
            self.emit,
            self._interruption,
            manifest_every=self._options.manifest_every,
            rate=self.rate,
            disposal=open_disposal(self._settings, roots),
        )
        dispatcher = Dispatcher(volumes, sessions, Sending(self._settings, status), status, pauses)
        finished = True
        try:
            async with opening as store, asyncio.timeout(None) as limit, Group() as group:
                beating = group.create_task(status.beat())
                stopping = group.create_task(self._limit(limit, pauses))
                await sessions.check(store)
                status.emit()
                async with Group() as volumes_group:
                    for volume in volumes:
                        volumes_group.create_task(volume.watch())
                    await dispatcher.run(store)
                for task in (beating, stopping):
                    group.stop(task)
        except TimeoutError:
            if not self._stop.is_set():
                raise
            finished = False
        status.write_health()
        return WatchResult(self._report, status.loaded, status.failing, finished)

    async def _limit(self, limit: asyncio.Timeout, pauses: Pauses) -> None:
        """Once asked to stop, cancel the work that takes longer than the grace."""
        await self._stop.wait()
        pauses.wake()
        limit.reschedule(asyncio.get_running_loop().time() + self._options.grace)

    def _files_of(self, root: Root) -> Files:
        return Files(
            watching_scanner(self._settings, root),
            settle=self._options.settle,
            trust=self._settings.trust,
            archives=self._settings.archives,
            clock=asyncio.get_running_loop().time,
        )

    def _volumes(
        self, roots: Sequence[Root], files: Sequence[Files], status: Status, pauses: Pauses
    ) -> list[WatchedVolume]:
        opening = partial(open_folder, self._settings, decoding=DecodingMemory.of_process())
        volumes = []
        for root, its_files in zip(roots, files, strict=True):
            arrivals = Arrivals(root, its_files, self.emit, pauses=pauses, poll=self._options.poll)
            volumes.append(WatchedVolume(root, its_files, arrivals, opening, status, pauses))
        return volumes
