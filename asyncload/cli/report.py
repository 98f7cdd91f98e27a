"""`asyncload report`: show what a past run did."""

from __future__ import annotations

from collections.abc import Iterator

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout
from asyncload.cli.signals import run_interruptible
from asyncload.errors import UsageError
from asyncload.operations.report import report as read_report
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.records import report_totals
from asyncload.reporting.report import Report
from asyncload.reporting.text import format_error, summary_lines
from asyncload.settings.run import Settings


def report(settings: Settings, ending: Ending, *, run: str | None, quiet: bool) -> int:
    """Print the totals of a run, and return 0 if it was complete, else 3.

    Raises:
        AsyncloadError: the run can't be read.
    """
    if run is None:
        raise UsageError("--run is missing", hint="name a run by its id or its manifest")
    ending.totals = lambda: report_totals(run, Report())
    past = run_interruptible(read_report(settings, run))
    ending.totals = lambda: report_totals(
        run, past.report, exit_code=past.exit_code, seconds=past.seconds, error=past.error
    )
    out = stdout()
    if not ending.json and not (quiet and past.exit_code == 0):
        for line in _lines(past):
            out.line(line)
    out.flush()
    return 3 if past.exit_code else 0


def _lines(past: PastRun) -> Iterator[str]:
    report = past.report
    assert report.started is not None, "a run that is recorded has started"
    dated = f", date {report.day}" if report.day else ""
    yield f"run {report.run_id}, started {report.started:%Y-%m-%d %H:%M} UTC{dated}"
    yield from summary_lines(report, past.seconds)
    if past.error is not None:
        yield f"ended with exit code {past.exit_code}: {format_error(past.error)}"
