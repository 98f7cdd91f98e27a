"""`asyncload runs`: past runs from their records, and the days without data."""

from __future__ import annotations

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout
from asyncload.cli.signals import run_interruptible
from asyncload.operations.history.runs import runs as read_history
from asyncload.reporting.history.records import day_record, past_run_record, runs_totals
from asyncload.reporting.history.text import calendar_lines, day_lines, history_lines, run_line
from asyncload.reporting.records import to_json
from asyncload.settings.run import Settings


def runs(
    settings: Settings, ending: Ending, *, since: str, calendar: bool, weekdays: str | None
) -> int:
    """Print each run, or with `calendar` each day, and return 0 if every day is complete, else 3.

    Raises:
        AsyncloadError: the records can't be read.
    """
    out = stdout()
    history = run_interruptible(read_history(settings, since=since, weekdays=weekdays))
    ending.totals = lambda: runs_totals(history)
    bucket = settings.bucket
    if ending.json:
        for run in history.runs:
            out.line(to_json(past_run_record(run, bucket)))
        for day in history.days:
            if calendar or day.status != "complete":
                out.line(to_json(day_record(day, bucket)))
    else:
        lines = calendar_lines(history.days) if calendar else map(run_line, history.runs)
        for line in (*lines, *day_lines(history.days), *history_lines(history, bucket)):
            out.line(line)
    out.flush()
    return history.exit_code
