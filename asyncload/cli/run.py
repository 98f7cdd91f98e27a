"""`asyncload run`: wire a load to the terminal, the report and the signals."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from asyncload.cli.output import Output, stderr, stdout
from asyncload.cli.signals import Interrupted, run_interruptible
from asyncload.errors import AsyncloadError
from asyncload.loading import load
from asyncload.model import Event, FileFinished, LeftOut, Warned
from asyncload.progress import ProgressView, progress_view
from asyncload.report import Report
from asyncload.report_json import (
    left_out_record,
    outcome_record,
    summary_record,
    to_json,
)
from asyncload.report_text import failure_lines, left_out_line, summary_lines, warning_lines
from asyncload.settings import Settings


def run(settings: Settings, *, json: bool, quiet: bool) -> int:
    """Load the volume and return the exit code.

    Raises:
        AsyncloadError: the run could not be done or was ended; its report was written.
    """
    begun = time.monotonic()
    report = Report()
    telling = _Telling(settings.bucket, report, json=json, quiet=quiet)
    failure: AsyncloadError | None = None
    try:
        with telling.progress() as progress:
            run_interruptible(load(settings, observer=telling.observer(progress)))
    except AsyncloadError as error:
        failure = error
    exit_code = report.exit_code if failure is None else _exit_code(failure)
    telling.close(time.monotonic() - begun, exit_code, failure)
    if failure is not None:
        raise failure
    return exit_code


def _exit_code(error: AsyncloadError) -> int:
    return 128 + error.signum if isinstance(error, Interrupted) else error.exit_code


@dataclass(slots=True)
class _Telling:
    """Who is told of what: results on standard output, the rest on standard error."""

    bucket: str
    report: Report
    json: bool
    quiet: bool

    def progress(self) -> ProgressView:
        return progress_view(sys.stderr, quiet=self.quiet)

    def observer(self, progress: ProgressView) -> Callable[[Event], None]:
        out, err = stdout(), stderr()

        def observe(event: Event) -> None:
            self.report.observe(event)
            if not self.quiet:
                progress.observe(event)
                if isinstance(event, LeftOut):
                    self._tell_left_out(event, err)
            if isinstance(event, Warned):
                for line in warning_lines(event):
                    err.line(line)
            if self.json:
                if isinstance(event, FileFinished):
                    out.line(to_json(outcome_record(event.outcome, self.bucket)))
                elif isinstance(event, LeftOut):
                    out.line(to_json(left_out_record(event)))

        return observe

    def _tell_left_out(self, event: LeftOut, err: Output) -> None:
        # Hidden and excluded files are left out on purpose: counting them will do. The others
        # may be data that somebody misses.
        if event.reason not in ("hidden", "excluded"):
            err.line(left_out_line(event))

    def close(self, seconds: float, exit_code: int, failure: AsyncloadError | None) -> None:
        """Write the closing summary, where anything was begun."""
        out = stdout()
        if self.json:
            record = summary_record(
                self.report,
                bucket=self.bucket,
                seconds=seconds,
                exit_code=exit_code,
                error=failure,
            )
            out.line(to_json(record))
        elif self.quiet:
            err = stderr()
            for failed in self.report.failures:
                for line in failure_lines(failed, self.bucket):
                    err.line(line)
        elif self.report.counts or failure is None:
            for line in summary_lines(self.report, self.bucket, seconds):
                out.line(line)
        out.flush()
