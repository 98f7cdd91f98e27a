"""The log on standard error as lines of JSON, one for each event that users should see.

The names of the events are stable; the page on records describes them and their fields.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from asyncload.errors import AsyncloadError
from asyncload.model.values import (
    ConcurrencyChanged,
    Event,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ManifestWritten,
    MarkerFailed,
    PartitionUnmarked,
    PartKept,
    PartSent,
    ProcessesStarted,
    RunStarted,
    Scanned,
    ShardJoined,
    Skipped,
    StaleUploadAborted,
    StoreJudged,
    Uploaded,
    UploadLeftOpen,
    Warned,
    WatchProgress,
)
from asyncload.model.version import VERSION as PROGRAM
from asyncload.reporting.machines.outlet import RunEnd
from asyncload.reporting.progress import PLAIN_SECONDS, Advance, Speed, seconds_between_lines
from asyncload.reporting.records import (
    VERSION,
    error_record,
    file_fields,
    format_time,
    to_json,
)
from asyncload.reporting.report import MAX_NAMED, Report
from asyncload.reporting.text import excluded_line, format_count, format_size, printable

MAX_FILES = 1_000
"""Maximum number of files that are logged for each event; the manifest has all."""

Level = Literal["info", "warning", "error"]

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


def log_line(event: str, level: Level, message: str, fields: Mapping[str, Any] = _NO_FIELDS) -> str:
    """Return one line of the log."""
    return to_json(
        {
            "version": VERSION,
            "type": "log",
            "time": format_time(datetime.now(UTC)),
            "level": level,
            "event": event,
            "message": printable(message),
            **fields,
        }
    )


def error_line(error: AsyncloadError) -> str:
    """Return the line for the error that ended a command."""
    fields = {"exit_code": error.exit_code, "error": error_record(error)}
    return log_line("command.failed", "error", error.message, fields)


class JsonLog:
    """Writes the events of a command as lines of JSON.

    Args:
        write: writes a line.
        quiet: whether to write warnings and errors only.
        watching: whether a folder is watched, whose progress has events of its own.
        clock: returns seconds, like `time.monotonic`.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        quiet: bool = False,
        watching: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._quiet = quiet
        self._watching = watching
        self._clock = clock
        self._advance = Advance()
        self._speed = Speed(clock())
        self._begun = clock()
        self._due = self._begun + PLAIN_SECONDS
        self._is_early = self._throttled = False
        self._run_id: str | None = None
        self._files: Counter[str] = Counter()
        self._end: RunEnd | None = None
        self._observers: dict[type, Callable[[Any, Report], None]] = {
            RunStarted: self._started,
            ProcessesStarted: self._processes,
            ShardJoined: self._joined,
            Scanned: self._scanned,
            Excluded: self._excluded,
            LoadStartedEarly: self._load_started,
            LoadStarted: self._load_started,
            PartSent: self._advanced,
            PartKept: self._advanced,
            FileFinished: self._finished,
            ConcurrencyChanged: self._limit_changed,
            StaleUploadAborted: self._aborted,
            UploadLeftOpen: self._left_open,
            StoreJudged: self._judged,
            ManifestWritten: self._recorded,
            MarkerFailed: self._marker_failed,
            PartitionUnmarked: self._unmarked,
            Warned: self._warned,
            WatchProgress: self._watched,
        }

    def observe(self, event: Event, report: Report) -> None:
        self._advance.count(event)
        observe = self._observers.get(type(event))
        if observe is not None:
            observe(event, report)

    def end(self, end: RunEnd) -> None:
        # Written last: the other outputs may still have something to say.
        self._end = end

    def close(self, seconds: float) -> Iterator[Warned]:  # noqa: ARG002  # it takes none
        assert self._end is not None, "end comes before close"
        summary = dict(self._end.summary())
        for shared in ("version", "type", "run_id"):
            summary.pop(shared, None)
        level: Level = "error" if summary["exit_code"] else "info"
        message = f"the command ended: {summary['result']}"
        self._log("command.finished", level, message, **summary)
        yield from ()

    def _log(self, event: str, level: Level, message: str, **fields: Any) -> None:
        if level == "info" and self._quiet:
            return
        self._write(log_line(event, level, message, {"run_id": self._run_id, **fields}))

    def _started(self, event: RunStarted, _: Report) -> None:
        self._run_id = event.run_id
        day = event.day.isoformat() if event.day is not None else None
        about = {"asyncload": PROGRAM, "bucket": event.bucket, "date": day}
        self._log("run.started", "info", f"run {event.run_id} into {event.bucket}", **about)

    def _processes(self, event: ProcessesStarted, _: Report) -> None:
        message = f"{event.processes} processes load"
        self._log("processes.started", "info", message, processes=event.processes)

    def _joined(self, event: ShardJoined, _: Report) -> None:
        message = f"shard {event.number}/{event.total} of run {event.run}"
        self._log("shard.joined", "info", message, **event._asdict())

    def _scanned(self, event: Scanned, _: Report) -> None:
        if not self._is_early and self._is_due():
            message = f"{format_count(event.files, 'file')} found so far"
            self._log("scan.progress", "info", message, files=event.files, bytes=event.size)

    def _excluded(self, event: Excluded, report: Report) -> None:
        # The others are excluded on purpose.
        if event.reason in ("hidden", "excluded") or report.excluded[event.reason] > MAX_NAMED:
            return
        fields = {"path": event.path, "reason": event.reason, "csvs": event.csvs}
        self._log("entry.excluded", "info", excluded_line(event), **fields)

    def _load_started(self, event: LoadStartedEarly | LoadStarted, _: Report) -> None:
        early = isinstance(event, LoadStartedEarly)
        if self._watching or (early and self._is_early):
            return
        if not self._is_early:
            now = self._clock()
            self._begun, self._speed = now, Speed(now)
            self._due = now + PLAIN_SECONDS
        self._is_early = early
        name = "load.started_early" if early else "load.started"
        message = f"{format_count(event.files, 'file')}, {format_size(event.size)}"
        message += " so far" * early
        self._log(name, "info", message, files=event.files, bytes=event.size)

    def _advanced(self, *_: object) -> None:
        if self._watching or not self._is_due():
            return
        done = self._advance
        measured = self._speed.measure(self._clock(), done)
        left = None if measured.left is None else round(measured.left)
        self._log(
            "load.progress",
            "info",
            f"{done.files_done:,} of {format_count(done.files, 'file')}",
            files=done.files,
            files_done=done.files_done,
            failed=done.failed,
            bytes=done.size,
            bytes_done=done.size_done,
            bytes_sent=done.size_sent,
            bytes_per_second=round(measured.rate),
            seconds_left=left,
        )

    def _finished(self, event: FileFinished, report: Report) -> None:
        outcome = event.outcome
        if isinstance(outcome, Failed):
            self._file("file.failed", "error", f"{outcome.path}: {outcome.error.message}", event)
        elif isinstance(outcome, Skipped):
            self._file("file.skipped", "info", f"{outcome.path}: {outcome.reason}", event)
        elif isinstance(outcome, Uploaded) and outcome.replaced:
            self._file("file.replaced", "info", outcome.path, event)
        self._advanced(event, report)

    def _file(self, name: str, level: Level, message: str, event: FileFinished) -> None:
        self._files[name] += 1
        if self._files[name] <= MAX_FILES:
            self._log(name, level, message, **file_fields(event, datetime.now(UTC)))

    def _limit_changed(self, event: ConcurrencyChanged, _: Report) -> None:
        throttled = event.limit < event.ceiling
        if throttled == self._throttled:
            return
        self._throttled = throttled
        name = "store.throttled" if throttled else "store.recovered"
        message = f"{event.limit} of {event.ceiling} concurrent requests"
        limits = {"limit": event.limit, "ceiling": event.ceiling}
        self._log(name, "warning" if throttled else "info", message, **limits)

    def _aborted(self, event: StaleUploadAborted, _: Report) -> None:
        about = {"key": event.key, "upload_id": event.upload_id}
        self._log("upload.aborted", "info", f"stale upload of {event.key}", **about)

    def _left_open(self, event: UploadLeftOpen, _: Report) -> None:
        about = {"key": event.key, "upload_id": event.upload_id, "reason": event.reason}
        self._log("upload.left_open", "warning", f"{event.key}: {event.reason}", **about)

    def _judged(self, event: StoreJudged, _: Report) -> None:
        proofs = list(event.proofs)
        message = f"uploads are verified by {proofs[0] if proofs else 'nothing'}"
        self._log("store.judged", "info", message, sent=event.sent, proofs=proofs)

    def _recorded(self, event: ManifestWritten, _: Report) -> None:
        self._log("manifest.written", "info", event.key, key=event.key)

    def _marker_failed(self, event: MarkerFailed, _: Report) -> None:
        fields = {"partition": event.partition, "error": error_record(event.error)}
        self._log("marker.failed", "error", event.error.message, **fields)

    def _unmarked(self, event: PartitionUnmarked, _: Report) -> None:
        fields = {"partition": event.partition, "reason": event.reason}
        self._log("partition.unmarked", "warning", f"{event.partition}: {event.reason}", **fields)

    def _warned(self, event: Warned, _: Report) -> None:
        self._log("warning", "warning", event.message, hint=event.hint)

    def _watched(self, event: WatchProgress, _: Report) -> None:
        message = event.trouble or f"{format_count(event.loaded, 'file')} loaded"
        level: Level = "warning" if event.trouble else "info"
        self._log("watch.progress", level, message, **event._asdict())

    def _is_due(self) -> bool:
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + seconds_between_lines(now - self._begun)
        return True
