"""Watch a volume: load each CSV once it is complete, for as long as the program runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from asyncload.aio.groups import Group
from asyncload.errors import Interrupted, SourceUnreadable, UsageError
from asyncload.operations.bucket import s3_options
from asyncload.operations.disposing import open_disposal
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import archive_rules
from asyncload.operations.run import utc_now
from asyncload.operations.watching.arrivals import Arrivals
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.loading import Loading
from asyncload.operations.watching.pausing import pause
from asyncload.operations.watching.sending import Sending
from asyncload.operations.watching.sessions import Sessions
from asyncload.operations.watching.status import Status
from asyncload.reporting.report import Report
from asyncload.s3 import open_store
from asyncload.settings.run import ARRIVAL, Settings, lock_of
from asyncload.source.arrivals import check_events, has_events
from asyncload.source.readers import Readers
from asyncload.source.roots import Root
from asyncload.source.scanner import Scanner
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.transfer.pipeline import Observer

# In seconds.
_TICK = 0.5


class WatchOptions(NamedTuple):
    """How a volume is watched. Times are in seconds.

    Args:
        settle: a file is loaded once nothing about it has changed for this long.
        poll: scan the volume again and again, instead of waiting for events.
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
    """Load the CSVs of a volume, and then each one that appears or changes, until `stop` is set.

    Args:
        settings: as for a load. The date `today` means the day on which each file appeared.
        options: how the volume is watched.
        stop: ends the watch: files in work are completed within `options.grace`.
        observer: called with each event, as for a load.
        interruption: returns the error to record for a cancelled watch.

    Raises:
        UsageError: a setting is invalid, or the volume does not exist at the start.
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
    if len(settings.volumes) > 1:
        raise UsageError(
            f"watch takes one volume, not {len(settings.volumes):,}",
            hint="start a watch for each, or watch the folder that contains them",
        )
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
    if not (options.poll or not has_events(settings.volumes[0])):
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
        self._report = Report(bucket=settings.bucket)
        self.emit = Emitter(self._report.observe, observer)
        self.rate = RateLimit(settings.limit_rate) if settings.limit_rate else None
        (self._volume,) = settings.volumes
        settle, tick = options.settle, min(_TICK, options.settle / 4)
        scanner = Scanner(
            self._volume,
            include=settings.include,
            exclude=settings.exclude,
            compressed=settings.compressed,
            archives=archive_rules(settings),
            identify=True,
        )
        self._files = Files(
            scanner,
            settle=settle,
            trust=settings.trust,
            archives=settings.archives,
            clock=asyncio.get_running_loop().time,
        )
        self._status = Status(self._files, self.emit, options.health_file)
        self._arrivals = Arrivals(
            self._volume,
            scanner,
            self._files,
            self.emit,
            settle=settle,
            poll=options.poll,
            tick=tick,
        )
        self._sessions = Sessions(
            settings,
            self.emit,
            interruption,
            manifest_every=options.manifest_every,
            rate=self.rate,
            disposal=open_disposal(settings, [Root(self._volume)]),
        )
        self._loading = Loading(
            self._files,
            self._arrivals,
            self._sessions,
            Sending(settings, self._files, self._status),
            self._status,
            tick=tick,
            settle=settle,
        )

    async def run(self, opening: AbstractAsyncContextManager[ObjectStore]) -> WatchResult:
        finished = True
        try:
            async with opening as store, asyncio.timeout(None) as limit, Group() as group:
                beating = group.create_task(self._status.beat())
                stopping = group.create_task(self._limit(limit))
                await self._watch_while_there(store)
                for task in (beating, stopping):
                    group.stop(task)
        except TimeoutError:
            if not self._stop.is_set():
                raise
            finished = False
        self._status.write_health()
        failing = self._files.settling.failing
        return WatchResult(self._report, self._files.loaded, failing, finished)

    async def _limit(self, limit: asyncio.Timeout) -> None:
        """Once asked to stop, cancel the work that takes longer than the grace."""
        await self._stop.wait()
        limit.reschedule(asyncio.get_running_loop().time() + self._options.grace)

    async def _watch_while_there(self, store: ObjectStore) -> None:
        """Watch the volume; if it disappears, wait until it is back."""
        opened = False
        while not self._stop.is_set():
            try:
                async with open_readers(self._settings) as readers:
                    if readers.listed is not None:
                        raise UsageError(
                            f"the volume {self._volume} is not a folder",
                            hint="watch loads the files of a folder; load one file with run",
                        )
                    if not opened:
                        await self._sessions.check(store)
                        opened = True
                        self._status.emit()
                    self._status.set_trouble("")
                    await self._watch(store, readers)
            except (UsageError, SourceUnreadable) as error:
                if not opened:
                    raise
                self._status.set_trouble(error.message, hint="watch waits until it is back")
                self._files.release()
                await pause(self._stop, self._options.settle)

    async def _watch(self, store: ObjectStore, readers: Readers) -> None:
        async with Group() as group:
            watching = group.create_task(self._arrivals.watch(readers))
            await self._loading.load(store, readers, self._stop)
            group.stop(watching)
