"""`asyncload run`: connect a load to the terminal, the report and the signals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, logs_json, stderr, stdout
from asyncload.cli.signals import run_interruptible
from asyncload.cli.streams import can_be_drawn_on
from asyncload.errors import AsyncloadError, Interrupted
from asyncload.model.values import Event, Excluded, FileFinished, RequestMade, Warned
from asyncload.operations.load import load_forking as load
from asyncload.reporting.progress import PlainProgress, ProgressView
from asyncload.reporting.records import excluded_record, file_record, run_totals, to_json
from asyncload.reporting.report import Report
from asyncload.reporting.text import (
    excluded_entry_lines,
    failed_lines,
    format_count,
    summary_lines,
    warning_lines,
)
from asyncload.settings.run import Settings

if TYPE_CHECKING:
    from asyncload.reporting.tree import RunTree


def run(settings: Settings, ending: Ending, *, quiet: bool, tree: bool) -> int:
    """Load the volume and return the exit code; `tree`: print the objects at the end, too.

    Raises:
        AsyncloadError: the run failed or was interrupted; its summary has been written.
    """
    report = Report(bucket=settings.bucket)
    ending.report, ending.totals = report, lambda: run_totals(report)
    output = RunOutput(ending, report, quiet=quiet, locks=settings.lock_mode is not None)
    if tree:
        # Late: most runs print none.
        from asyncload.reporting.tree import RunTree

        output.tree = RunTree()
    return show_run(partial(load, settings), output)


def show_run(start: Callable[..., Coroutine[Any, Any, Report]], output: RunOutput) -> int:
    """Run an operation to its end or to a signal, show its events, and return the exit code.

    `start` returns the operation for an observer, for the report that counts its events, and for
    the function that returns the error to record for an interruption.

    Raises:
        AsyncloadError: the run failed or was interrupted; its summary has been written.
    """
    received: list[int] = []
    try:
        with output.progress() as progress:
            work = start(
                observer=output.observer(progress),
                report=output.report,
                interruption=lambda: Interrupted(*received),
            )
            run_interruptible(work, received)
    except AsyncloadError:
        output.close(ended_well=False)
        raise
    output.close(ended_well=True)
    return output.report.exit_code


@dataclass(slots=True)
class RunOutput:
    """Writes a run's results to standard output and everything else to standard error.

    `found` is a word for what the run finds, in the singular. `locks`: the run locks the objects
    that it uploads. `tree` collects the objects to print
    at the end, None to print none.
    """

    ending: Ending
    report: Report
    quiet: bool
    found: str = "CSV"
    locks: bool = False
    tree: RunTree | None = None
    out: Output = field(default_factory=stdout)

    def progress(self) -> ProgressView:
        """Return the progress display: live on a terminal, plain lines elsewhere."""
        if can_be_drawn_on(sys.stderr) and not self.quiet and not logs_json():
            # Late: Rich takes long to import.
            from asyncload.reporting.live import LiveProgress

            return LiveProgress(sys.stderr, self.report, found=self.found)
        return PlainProgress(sys.stderr, found=self.found)

    def observer(self, progress: ProgressView) -> Callable[[Event], None]:
        """Return the observer that writes each event where it belongs, once the report has it."""
        report = self.report
        # The log as JSON is one of the outlets.
        observers = [] if logs_json() else [self._show(progress)]
        observers += [self._record] if self.ending.json else []
        observers += [self.tree.observe] if self.tree is not None else []
        outlets = [outlet.observe for outlet in self.ending.outlets]

        def observe(event: Event) -> None:
            # Requests are for traces only, and as many as files.
            if type(event) is not RequestMade:
                for observe in observers:
                    observe(event)
            for observe_counted in outlets:
                observe_counted(event, report)

        return observe

    def _show(self, progress: ProgressView) -> Callable[[Event], None]:
        """Return the observer that shows events to people."""
        err, report = stderr(), self.report

        def show(event: Event) -> None:
            if not self.quiet:
                progress.observe(event)
                if isinstance(event, Excluded):
                    for line in excluded_entry_lines(event, report.excluded[event.reason]):
                        err.line(line)
            if isinstance(event, Warned):
                for line in warning_lines(event):
                    err.line(line)

        return show

    def _record(self, event: Event) -> None:
        """Write the record of an event, if it has one."""
        if isinstance(event, FileFinished):
            self.out.line(to_json(file_record(event, self.report, datetime.now(UTC))))
        elif isinstance(event, Excluded):
            self.out.line(to_json(excluded_record(event, self.report)))

    def close(self, *, ended_well: bool) -> None:
        """Write the summary for people, if the run has started or succeeded."""
        if not self.ending.json:
            self._write_summary(ended_well)
        self.out.flush()

    def _write_summary(self, ended_well: bool) -> None:
        report = self.report
        if self.quiet and logs_json():
            return
        if self.quiet:
            err = stderr()
            for line in failed_lines(report):
                err.line(line)
        elif report.counts or ended_well:
            for line in summary_lines(report, self.ending.seconds):
                self.out.line(line)
            if self.locks and (kept := report.counts["unchanged"] + report.counts["present"]):
                objects = format_count(kept, "existing object")
                self.out.line(f"not locked by this run: {objects}; asyncload verify compares locks")
            for line in () if self.tree is None else self.tree.lines(report.bucket):
                self.out.line(line)
