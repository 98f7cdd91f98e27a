"""`asyncload watch`: connect a watch to the terminal, the records and the signals."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from asyncload.cli.ending import Ending
from asyncload.cli.output import logs_json, stderr, stdout
from asyncload.cli.signals import run_interruptible
from asyncload.errors import Interrupted, UsageError
from asyncload.model.values import (
    Event,
    Failed,
    FileFinished,
    ManifestWritten,
    Warned,
    WatchProgress,
)
from asyncload.operations.watch import WatchOptions, WatchResult
from asyncload.operations.watch import watch as watch_volume
from asyncload.reporting.records import file_record, progress_record, to_json, watch_totals
from asyncload.reporting.report import Report
from asyncload.reporting.text import failure_lines, format_count, printable, warning_lines
from asyncload.settings.run import Settings


def make_options(
    *,
    settle: int,
    poll: bool,
    manifest_every: int | None,
    health_file: Path | None,
    grace: int,
) -> WatchOptions:
    """Return how to watch; times are in seconds.

    Raises:
        UsageError: a time is too short.
    """
    if settle < 1:
        raise UsageError(
            "--settle must be at least 1s",
            hint="otherwise a file that is still being written would be loaded",
        )
    if manifest_every is not None and manifest_every < 1:
        raise UsageError("--manifest-every must be at least 1s", hint="use, for example, 1h")
    return WatchOptions(settle, poll, manifest_every, health_file, grace)


def watch(settings: Settings, options: WatchOptions, ending: Ending, *, quiet: bool) -> int:
    """Watch the volume until a signal arrives, and return the exit code.

    Raises:
        AsyncloadError: the watch failed, or work in progress was interrupted.
    """
    output = _Output(ending, Report(bucket=settings.bucket), quiet=quiet)
    received: list[int] = []
    stop = asyncio.Event()
    ending.report, ending.hurried = output.report, True
    ending.totals = lambda: watch_totals(output.report, output.loaded, output.failing)
    result = run_interruptible(
        watch_volume(
            settings,
            options,
            stop=stop,
            observer=output.observe,
            interruption=lambda: Interrupted(*received),
        ),
        received,
        stop.set,
    )
    output.close(result)
    if not result.finished:
        raise Interrupted(*received)
    return result.exit_code


class _Output:
    """Writes events as lines: records to standard output, all else to standard error."""

    def __init__(self, ending: Ending, report: Report, *, quiet: bool) -> None:
        self.report = report
        self.loaded = 0
        self.failing = 0
        self._json = ending.json
        self._outlets = [outlet.observe for outlet in ending.outlets]
        self._quiet = quiet
        self._out, self._err = stdout(), stderr()

    def observe(self, event: Event) -> None:
        """Write the lines of an event."""
        self.report.observe(event)
        now = datetime.now(UTC)
        if isinstance(event, FileFinished):
            if self._json:
                self._record(to_json(file_record(event, self.report, now)))
            if isinstance(event.outcome, Failed):
                self._lines(*failure_lines(event.outcome, self.report.bucket))
        elif isinstance(event, Warned):
            self._lines(*warning_lines(event))
        elif isinstance(event, WatchProgress):
            self.loaded, self.failing = event.loaded, event.failing
            if self._json:
                self._record(to_json(progress_record(event, self.report, now)))
            if not self._quiet:
                self._lines(f"{now:%Y-%m-%d %H:%M:%S}Z {_describe(event)}")
        elif isinstance(event, ManifestWritten) and not self._quiet:
            self._lines(f"manifest: s3://{self.report.bucket}/{printable(event.key)}")
        for observe in self._outlets:
            observe(event, self.report)

    def _record(self, line: str) -> None:
        self._out.line(line)
        self._out.flush()

    def _lines(self, *lines: str) -> None:
        # The log as JSON is one of the outlets.
        for line in lines if not logs_json() else ():
            self._err.line(line)
        self._err.flush()

    def close(self, result: WatchResult) -> None:
        """Write the totals."""
        self.loaded, self.failing = result.loaded, result.failing
        if not self._json and not self._quiet:
            failing = f", {format_count(result.failing, 'file')} failing" if result.failing else ""
            self._out.line(f"{format_count(result.loaded, 'file')} loaded{failing}")
        self._out.flush()


def _describe(progress: WatchProgress) -> str:
    text = (
        f"{format_count(progress.loaded, 'file')} loaded, {progress.in_flight:,} in progress, "
        f"{progress.waiting:,} waiting"
    )
    if progress.failing:
        text += f", of which {progress.failing:,} failed"
    return f"{text}; {printable(progress.trouble)}" if progress.trouble else text
