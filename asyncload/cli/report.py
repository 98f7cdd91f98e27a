"""`asyncload report`: show what a past run did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout, warn
from asyncload.cli.report_file import write_page
from asyncload.cli.signals import run_interruptible
from asyncload.operations.history.page import read_figures
from asyncload.operations.report import RunReport
from asyncload.operations.report import report as read_report
from asyncload.reporting.records import VERSION, report_totals, to_json
from asyncload.reporting.report import Report
from asyncload.reporting.shards import Shards, ShardState
from asyncload.reporting.text import format_count, format_error, printable, summary_lines
from asyncload.reporting.verification import Marking
from asyncload.settings.run import Settings

# Shards that are not complete are named up to this number.
_MAX_NAMED = 20


def report(
    settings: Settings, ending: Ending, *, mark: bool, quiet: bool, html: Path | None
) -> int:
    """Print the totals of a run, and return 0 if it was complete, else 3.

    Raises:
        AsyncloadError: the run can't be read.
    """
    ending.totals = lambda: report_totals(settings.run, Report())
    past = run_interruptible(read_report(settings, mark=mark, names=not ending.json, warn=warn))
    ending.totals = lambda: report_totals(
        settings.run,
        past.report,
        exit_code=past.exit_code,
        seconds=past.seconds,
        error=past.error,
        shards=past.shards.counts() if past.shards else None,
        marked=past.marking.partitions if past.marking else None,
    )
    failed = past.exit_code != 0 or bool(past.marking and past.marking.failed)
    out = stdout()
    if ending.json:
        for state in past.shards.states if past.shards else ():
            out.line(to_json(_record(past, state)))
    elif failed or not quiet:
        for line in _lines(past, mark=mark):
            out.line(line)
    out.flush()
    if html is not None:
        figures = read_figures(settings, _manifests(past), past.report.started)
        write_page(html, past, run_interruptible(figures))
    return 3 if failed else 0


def _manifests(past: RunReport) -> list[str]:
    """Return the keys of the manifests that list the files of a run."""
    if past.shards is None:
        return [past.report.manifest] if past.report.manifest else []
    return [state.past.manifest for state in past.shards.states if state.past]


def _lines(past: RunReport, *, mark: bool) -> Iterator[str]:
    report, shards = past.report, past.shards
    assert report.started is not None, "a run that is recorded has started"
    dated = f", date {report.day}" if report.day else ""
    name = f"{shards.run.name} (run id {report.run_id})" if shards else report.run_id
    yield f"run {name}, started {report.started:%Y-%m-%d %H:%M} UTC{dated}"
    if shards is not None:
        yield from shard_lines(shards)
    if shards is None or report.counts:
        yield from summary_lines(report, past.seconds)
    if past.error is not None:
        yield f"ended with exit code {past.exit_code}: {format_error(past.error)}"
    if past.marking is not None:
        yield marked_line(past.marking)
    elif mark:
        yield "not marked, because the run is not complete"


def marked_line(marking: Marking) -> str:
    """Describe what was marked."""
    return f"marked as complete: {format_count(marking.partitions, 'partition')}"


def shard_lines(shards: Shards) -> Iterator[str]:
    """Yield how the shards of a run stand."""
    counts = [f"{number:,} {standing}" for standing, number in shards.counts().items() if number]
    yield f"{format_count(len(shards.states), 'shard')}: {', '.join(counts)}"
    others = [state for state in shards.states if state.standing != "complete"]
    for state in others[:_MAX_NAMED]:
        yield f"{state.standing}: shard {state.shard}: {printable(state.reason)}"
    if len(others) > _MAX_NAMED:
        yield f"and {format_count(len(others) - _MAX_NAMED, 'more shard')}; see --json"


def _record(past: RunReport, state: ShardState) -> dict[str, Any]:
    assert past.shards is not None, "the state is that of a shard"
    return {
        "version": VERSION,
        "type": "shard",
        "run": past.shards.run.name,
        "bucket": past.report.bucket,
        "shard": state.shard.number,
        "shards": state.shard.total,
        "status": state.standing,
        "attempt": state.attempt,
        "reason": state.reason,
        "manifest": state.past.manifest if state.past else None,
    }
