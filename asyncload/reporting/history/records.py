"""Past runs, their days and the places of files as JSON records; see the page on records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncload.reporting.history.calendar import LANDED, Day
from asyncload.reporting.history.summary import History, UnreadableRun
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.records import VERSION, format_day, format_time


def past_run_record(run: PastRun | UnreadableRun, bucket: str) -> dict[str, Any]:
    """Return the record of a past run."""
    fields: dict[str, Any] = {
        "version": VERSION,
        "type": "past_run",
        "status": "unreadable",
        "run_id": run.run_id,
        "bucket": bucket,
        "manifest": run.manifest,
        "started": format_time(run.started),
    }
    if isinstance(run, UnreadableRun):
        return fields | {"reason": run.reason}
    report = run.report
    return fields | {
        "status": run.result,
        "command": run.command,
        "date": format_day(run.day),
        "seconds": run.seconds,
        "exit_code": run.exit_code,
        "files": report.files,
        "bytes": report.size,
        **{status: report.counts[status] for status in (*LANDED, "failed")},
        "not_reached": report.not_reached,
        "bytes_sent": report.sent,
        "reason": run.error.message if run.error else "",
    }


def day_record(day: Day, bucket: str) -> dict[str, Any]:
    """Return the record of a day of a dataset."""
    return {
        "version": VERSION,
        "type": "day",
        "status": day.status,
        "bucket": bucket,
        "dataset": day.dataset or None,
        "zone": day.zone or None,
        "date": format_day(day.day),
        "files": day.files,
        "run_id": day.run_id or None,
        "reason": day.reason,
    }


def runs_totals(history: History | None = None, deleted: int = 0) -> dict[str, Any]:
    """Return the totals for the summary of `runs`; `deleted` are records."""
    history = history or History()
    counts: Mapping[str, int] = history.statuses
    return {
        "since": format_time(history.since) if history.since else None,
        "runs": dict(history.results),
        "days": {name: counts[name] for name in ("complete", "failed", "incomplete", "missing")},
        "records_deleted": deleted,
    }
