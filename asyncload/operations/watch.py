"""Watch a volume: load each CSV once it is complete, for as long as the program runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from asyncload.aio.groups import Group
from asyncload.bucket.listing import list_existing
from asyncload.errors import (
    Interrupted,
    Refused,
    ServerError,
    SourceUnreadable,
    StoreUnavailable,
    UsageError,
)
from asyncload.model.values import (
    Event,
    Failed,
    FileFinished,
    LoadStarted,
    Outcome,
    SourceFile,
    Unchanged,
    Uploaded,
    Warned,
    WatchProgress,
)
from asyncload.operations.bucket import preflight, s3_options, stores_of
from asyncload.operations.disposing import disposing, open_disposal
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import archive_rules, drop_equal
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.requests import Requests, share_of
from asyncload.operations.run import Run, utc_now
from asyncload.operations.running import begin_run
from asyncload.operations.tools import find_left_open, transfer_tools
from asyncload.operations.watched_archives import Attempt, WatchedArchives, comes_again
from asyncload.planning.collecting import SLICE, add_found
from asyncload.planning.plan import LoadPlan, collision_error
from asyncload.reporting.report import Report
from asyncload.s3 import open_store
from asyncload.settings.run import (
    ARRIVAL,
    Settings,
    dates_of,
    find_timezone,
    layout_of,
    lock_of,
)
from asyncload.source.arrivals import changes, check_events, has_events, look_at, version_of
from asyncload.source.folders import status_of
from asyncload.source.readers import Readers
from asyncload.source.roots import Root
from asyncload.source.scanner import Found, Scanner
from asyncload.source.settling import Settling
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.transfer import TransferTools
from asyncload.transfer.pipeline import Observer, Pipeline

_Outage = (StoreUnavailable, ServerError)

# In seconds.
_TICK = 0.5
_RESCAN = 60.0
_HEALTH = 5.0
_PROGRESS = 60.0
# A scan of the whole volume may take this share of the time.
_SCANNING = 0.1
# Files in one batch, and batches at once: a large file must not delay the others.
_BATCH = 1_000
_BATCHES = 4


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


class VolumeGone(SourceUnreadable):
    """The watched folder was removed, replaced or unmounted."""


@dataclass(frozen=True, slots=True)
class _Session:
    """The files that one manifest records."""

    run: Run
    tools: TransferTools
    store: ObjectStore
    group: Group
    slots: asyncio.Semaphore


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
        self._clock = asyncio.get_running_loop().time
        self._tick = min(_TICK, options.settle / 4)
        self._settling = Settling(options.settle)
        (self._volume,) = settings.volumes
        self._scanner = Scanner(
            self._volume,
            include=settings.include,
            exclude=settings.exclude,
            compressed=settings.compressed,
            archives=archive_rules(settings),
            identify=True,
        )
        self._archives = WatchedArchives(self._scanner, settings.trust, load=settings.archives)
        self._disposal = open_disposal(settings, [Root(self._volume)])
        self.rate = RateLimit(settings.limit_rate) if settings.limit_rate else None
        self._heard: set[str] = set()
        self._polling = options.poll
        # The last message about each failing file, and each folder that can't be listed.
        self._told: dict[str, str] = {}
        self._loaded = 0
        self._files = self._size = 0
        self._trouble = ""

    async def run(self, opening: AbstractAsyncContextManager[ObjectStore]) -> WatchResult:
        finished = True
        try:
            async with opening as store, asyncio.timeout(None) as limit, Group() as group:
                beating = group.create_task(self._beat())
                stopping = group.create_task(self._limit(limit))
                await self._watch_while_there(store)
                for task in (beating, stopping):
                    group.stop(task)
        except TimeoutError:
            if not self._stop.is_set():
                raise
            finished = False
        self._write_health()
        failing = self._settling.failing
        return WatchResult(self._report, self._loaded, failing, finished)

    async def _limit(self, limit: asyncio.Timeout) -> None:
        """Once asked to stop, cancel the work that takes longer than the grace."""
        await self._stop.wait()
        limit.reschedule(self._clock() + self._options.grace)

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
                        await self._preflight(store)
                        opened = True
                        self.emit(self._progress())
                    self._set_trouble("")
                    await self._watch(store, readers)
            except (UsageError, SourceUnreadable) as error:
                if not opened:
                    raise
                self._set_trouble(error.message, hint="watch waits until it is back")
                self._settling.release(self._clock())
                await self._pause(self._options.settle)

    async def _preflight(self, store: ObjectStore) -> None:
        requests = Requests(self._settings, share_of(self._settings))
        prefix = layout_of(self._settings, utc_now()).common_prefix()
        await preflight(stores_of(requests, store).first, self._settings, prefix)

    async def _watch(self, store: ObjectStore, readers: Readers) -> None:
        status = await readers.run(status_of, os.fsencode(self._volume))
        async with Group() as group:
            tasks = [group.create_task(self._look(readers, status))]
            if not self._options.poll and has_events(self._volume):
                self._polling = False
                tasks.append(group.create_task(self._listen()))
            else:
                self._polling = True
            await self._load_ready(store, readers)
            for task in tasks:
                group.stop(task)

    # What happens in the volume

    async def _listen(self) -> None:
        try:
            async for paths in changes(self._volume):
                self._heard |= paths
        except (OSError, RuntimeError) as error:
            # Of the library: its errors of the system's limits are of both kinds.
            self.emit(
                Warned(
                    f"no events of the file system, so the volume is scanned instead: {error}",
                    "raise fs.inotify.max_user_watches and max_user_instances",
                )
            )
            self._polling = True

    async def _look(self, readers: Readers, opened: os.stat_result | None) -> None:
        """Note what was heard of, and scan the volume from time to time."""
        volume = os.fsencode(self._volume)
        rescan = self._clock()
        while True:
            now = await readers.run(status_of, volume)
            if now is None or opened is None or not os.path.samestat(now, opened):
                raise VolumeGone(f"the volume {self._volume} was removed or replaced")
            if await self._look_at_heard(readers):
                # Files may have come with a new folder, before anything was heard of it.
                rescan = min(rescan, self._clock() + self._options.settle)
            if self._clock() >= rescan:
                begun = self._clock()
                await self._rescan(readers)
                pause = self._options.settle / 2 if self._polling else _RESCAN
                rescan = self._clock() + max(pause, (self._clock() - begun) / _SCANNING)
            elif self._polling:
                rescan = min(rescan, self._clock() + self._options.settle / 2)
            await asyncio.sleep(self._tick)

    async def _look_at_heard(self, readers: Readers) -> bool:
        heard, self._heard = sorted(self._heard), set()
        folders = False
        for start in range(0, len(heard), _BATCH):
            seen = await readers.run(look_at, self._scanner, heard[start : start + _BATCH])
            for source in seen.files:
                version = version_of(source, self._settings.trust)
                self._settling.seen(source.path, version, self._clock(), event=True)
            for path in seen.others:
                self._settling.gone(path)
                self._archives.forget(path)
                self._told.pop(path, None)
            folders = folders or seen.folders
        return folders

    async def _rescan(self, readers: Readers) -> None:
        self._settling.begin_rescan(self._clock())
        scan, complete = readers.scan(partial(self._scanner.scan, expand=False)), True
        while entries := await readers.take(scan, SLICE):
            for found in entries:
                if isinstance(found, SourceFile):
                    version = version_of(found, self._settings.trust)
                    self._settling.seen(found.path, version, self._clock())
                elif isinstance(found, Failed) and await readers.run(
                    os.path.lexists, self._scanner.path_of(found.path)
                ):
                    complete = False
                    if self._is_news(found.path, found.error.message):
                        self.emit(Warned(f"{found.path}: {found.error.message}", found.error.hint))
        self._settling.end_rescan(complete=complete)
        self._archives.forget_except(self._settling.knows)

    # What is loaded

    async def _load_ready(self, store: ObjectStore, readers: Readers) -> None:
        while ready := await self._next_ready(readers):
            try:
                async with self._session(store, readers) as session:
                    end = self._end_of_session(session)
                    while ready:
                        for batch in self._archives.batches(ready):
                            await session.slots.acquire()
                            if self._stop.is_set():
                                break
                            session.group.create_task(self._load_batch(session, batch))
                        ready = await self._next_ready(readers, end)
            except _Outage as error:
                self._settling.release(self._clock())
                self._set_trouble(error.message, hint=error.hint)
                await self._pause(self._options.settle)

    async def _next_ready(
        self, readers: Readers, end: datetime | None = None
    ) -> Sequence[SourceFile]:
        """Return the next complete files; none at a stop, or at the end of a session."""
        while not self._stop.is_set() and (end is None or utc_now() < end):
            if due := self._settling.due(self._clock(), _BATCH):
                seen = await readers.run(look_at, self._scanner, due)
                now, trust = self._clock(), self._settings.trust
                ready = [
                    source
                    for source in seen.files
                    if self._settling.take(source.path, version_of(source, trust), now)
                ]
                for path in seen.others:
                    self._settling.gone(path)
                    self._archives.forget(path)
                if ready:
                    return ready
            else:
                await self._pause(self._tick)
        return ()

    @asynccontextmanager
    async def _session(self, store: ObjectStore, readers: Readers) -> AsyncIterator[_Session]:
        try:
            run = begin_run(self._settings, self.emit, None, self._interruption)
        except UsageError as error:
            # The time of --lock-until was in the future when the watch began.
            raise Refused(error.message, hint=error.hint) from error
        run.requests.rate, run.disposal = self.rate, self._disposal
        stores = stores_of(run.requests, store)
        async with run.recording(stores.most).kept() as record:
            run.add_observer(record)
            # Any file may come with a backslash in its path.
            policy = await probe_store(
                stores.probing,
                self._settings,
                run.policy,
                utc_now(),
                run.observe,
                backslashes=True,
            )
            nothing = LoadPlan(run.layout, put_limit=policy.put_limit)
            index = await list_existing(nothing, stores.most)
            tools = transfer_tools(run, policy, readers, stores, index, {})
            written = ReadBack(self._settings, policy.put_limit, policy.lock)
            run.add_observer(written.observe)
            try:
                async with Group() as group:
                    # New for each: a batch that is cancelled before it starts keeps its slot.
                    slots = asyncio.Semaphore(_BATCHES)
                    yield _Session(run, tools, stores.most, group, slots)
            finally:
                tools.buffers.close()
                run.count_requests()
            for warned in await written.check(stores.probing):
                run.observe(warned)

    def _end_of_session(self, session: _Session) -> datetime:
        """Return when the next manifest begins: at midnight, or after the time asked for.

        If objects are locked, at midnight at the latest: a session locks all of its objects until
        the same time, and the later ones must not be locked for shorter than asked for.
        """
        zone, every = find_timezone(self._settings.timezone), self._options.manifest_every
        day = session.run.started.astimezone(zone).date() + timedelta(days=1)
        midnight = datetime.combine(day, datetime.min.time(), zone)
        if every is None:
            return midnight
        end = session.run.started + timedelta(seconds=every)
        return end if self._settings.lock_mode is None else min(end, midnight)

    async def _load_batch(self, session: _Session, sources: Sequence[SourceFile]) -> None:
        # Of this batch only: a later one may have a newer version of a file by the end.
        open_paths = {source.path for source in sources}
        try:
            await self._send(session, sources, open_paths)
            self._set_trouble("")
        except _Outage as error:
            self._set_trouble(error.message, hint=error.hint)
        finally:
            session.slots.release()
            for path in open_paths:
                self._settling.failed(path, self._clock(), count=False)

    async def _send(
        self, session: _Session, sources: Sequence[SourceFile], open_paths: set[str]
    ) -> None:
        """Send files or an archive; each that has its outcome is taken out of `open_paths`."""
        if not self._archives.holds(sources):

            def observe(event: Event) -> None:
                assert isinstance(event, FileFinished), "a pipeline emits outcomes"
                open_paths.remove(event.outcome.path)
                if self._conclude(event.outcome):
                    session.run.observe(event)

            await self._send_plan(session, sources, observe)
            return
        (source,) = sources
        attempt = await self._archives.open(session.tools.readers, source)
        if attempt is None:
            open_paths.remove(source.path)
            self._settling.changed(source.path, self._clock())
            return

        def observe_member(event: Event) -> None:
            assert isinstance(event, FileFinished), "as above"
            self._loaded += isinstance(event.outcome, Uploaded | Unchanged)
            if attempt.conclude(event.outcome):
                session.run.observe(event)

        await self._send_plan(session, attempt.found, observe_member)
        open_paths.remove(source.path)
        self._conclude_archive(attempt)

    async def _send_plan(
        self, session: _Session, found: Sequence[Found], observe: Callable[[Event], None]
    ) -> None:
        run, tools = session.run, session.tools
        plan = self._plan(session, found)
        await drop_equal(plan, tools.readers, run.observe)
        collisions = plan.find_collisions()
        if collisions:
            named = {path for _, paths in collisions for path in paths}
            error = collision_error(collisions)
            for item in found:
                if isinstance(item, SourceFile) and item.path in named:
                    observe(FileFinished(Failed(item.path, None, item.size, error)))
            named |= plan.dropped
            plan = self._plan(session, [item for item in found if item.path not in named])
        self._files, self._size = self._files + plan.files, self._size + plan.size
        run.observe(LoadStarted(self._files, self._size))
        tools = replace(
            tools,
            key_index=await list_existing(plan, session.store),
            left_open=await find_left_open(plan, session.store, run.prefix, run.observe),
            dispose=disposing(run.disposal, tools.readers, plan.archives),
        )
        await Pipeline(tools, observe, run.requests.at_once).run(plan)

    def _plan(self, session: _Session, found: Sequence[Found]) -> LoadPlan:
        plan = LoadPlan(
            session.run.layout,
            put_limit=session.tools.policy.put_limit,
            dates=dates_of(self._settings),
            exact=True,
            clears=session.run.disposal is not None,
        )
        add_found(plan, found, lambda _: None)
        return plan

    def _conclude_archive(self, attempt: Attempt) -> None:
        """Note the end of an attempt at an archive."""
        if attempt.result == "loaded":
            self._settling.loaded(attempt.path)
            self._archives.forget(attempt.path)
        elif attempt.result == "changed":
            self._settling.changed(attempt.path, self._clock())
        else:
            self._settling.failed(attempt.path, self._clock())

    def _conclude(self, outcome: Outcome) -> bool:
        """Note the outcome of a file; return whether it is news."""
        if not isinstance(outcome, Failed):
            self._settling.loaded(outcome.path)
            self._told.pop(outcome.path, None)
            self._loaded += isinstance(outcome, Uploaded | Unchanged)
            return True
        if comes_again(outcome):
            self._settling.changed(outcome.path, self._clock())
            return False
        self._settling.failed(outcome.path, self._clock())
        return self._is_news(outcome.path, outcome.error.message)

    def _is_news(self, path: str, message: str) -> bool:
        news = self._told.get(path) != message
        self._told[path] = message
        return news

    # What others see

    def _set_trouble(self, trouble: str, hint: str = "") -> None:
        """Emit a warning about trouble once, and once when it is over."""
        if trouble == self._trouble:
            return
        if trouble:
            self.emit(Warned(trouble, hint))
        self._trouble = trouble
        self.emit(self._progress())

    def _progress(self) -> WatchProgress:
        settling = self._settling
        return WatchProgress(
            self._loaded, settling.waiting, settling.in_flight, settling.failing, self._trouble
        )

    async def _beat(self) -> None:
        due = self._clock() + _PROGRESS
        while True:
            self._write_health()
            await asyncio.sleep(_HEALTH)
            if self._clock() >= due:
                due += _PROGRESS
                self.emit(self._progress())

    def _write_health(self) -> None:
        path = self._options.health_file
        if path is None:
            return
        record = {"time": utc_now().isoformat(timespec="seconds"), **self._progress()._asdict()}
        part = path.with_name(f"{path.name}.part")
        # A full disk must not end the watch: the file's age then shows that something is wrong.
        with suppress(OSError):
            part.write_text(json.dumps(record) + "\n")
            part.replace(path)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
