"""`asyncload run`: wire a load to the terminal, the report and the signals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout
from asyncload.cli.signals import run_interruptible
from asyncload.cli.streams import can_be_drawn_on
from asyncload.errors import AsyncloadError, Interrupted
from asyncload.model.values import Event, Excluded, FileFinished, Warned
from asyncload.operations.load import load
from asyncload.reporting.progress import LiveProgress, PlainProgress, ProgressView
from asyncload.reporting.records import excluded_record, file_record, run_totals, to_json
from asyncload.reporting.report import NAMED, Report
from asyncload.reporting.text import excluded_line, failed_lines, summary_lines, warning_lines
from asyncload.settings.run import Settings


def run(settings: Settings, ending: Ending, *, quiet: bool) -> int:
    """Load the volume and return the exit code.

    Raises:
        AsyncloadError: the run could not be done or was ended; what it came to was told.
    """
    telling = _Telling(ending, Report(bucket=settings.bucket), quiet=quiet)
    report = telling.report
    received: list[int] = []
    ending.totals = lambda: run_totals(report)
    try:
        with telling.progress() as progress:
            loading = load(
                settings,
                observer=telling.observer(progress),
                interruption=lambda: Interrupted(*received),
            )
            run_interruptible(loading, received)
    except AsyncloadError:
        telling.close(ended_well=False)
        raise
    telling.close(ended_well=True)
    return report.exit_code


@dataclass(slots=True)
class _Telling:
    """Who is told of what: results on standard output, the rest on standard error."""

    ending: Ending
    report: Report
    quiet: bool
    out: Output = field(default_factory=stdout)

    def progress(self) -> ProgressView:
        live = can_be_drawn_on(sys.stderr) and not self.quiet
        return LiveProgress(sys.stderr) if live else PlainProgress(sys.stderr)

    def observer(self, progress: ProgressView) -> Callable[[Event], None]:
        out, err, report, json = self.out, stderr(), self.report, self.ending.json

        def observe(event: Event) -> None:
            report.observe(event)
            if not self.quiet:
                progress.observe(event)
                if isinstance(event, Excluded):
                    self._tell_excluded(event, err)
            if isinstance(event, Warned):
                for line in warning_lines(event):
                    err.line(line)
            if json:
                if isinstance(event, FileFinished):
                    out.line(to_json(file_record(event, report, datetime.now(UTC))))
                elif isinstance(event, Excluded):
                    out.line(to_json(excluded_record(event, report)))

        return observe

    def _tell_excluded(self, event: Excluded, err: Output) -> None:
        # Hidden and excluded files are left out on purpose: counting them will do. The others
        # may be data that somebody misses.
        if event.reason in ("hidden", "excluded"):
            return
        told = self.report.excluded[event.reason]
        if told <= NAMED:
            err.line(excluded_line(event))
        elif told == NAMED + 1:
            err.line(f"left out: more are {event.reason}: they are counted at the end")

    def close(self, *, ended_well: bool) -> None:
        """Write the closing summary for people, where anything was begun."""
        if not self.ending.json:
            self._tell_people(ended_well)
        self.out.flush()

    def _tell_people(self, ended_well: bool) -> None:
        report = self.report
        if self.quiet:
            err = stderr()
            for line in failed_lines(report):
                err.line(line)
        elif report.counts or ended_well:
            for line in summary_lines(report, self.ending.seconds):
                self.out.line(line)
