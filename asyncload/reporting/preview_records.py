"""The JSON records of a plan; described in the page on records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asyncload.reporting.preview import FilePlanned, Preview, Prices, finished
from asyncload.reporting.records import (
    fields_of_run,
    file_record,
    format_day,
    run_totals,
    source_fields,
)
from asyncload.reporting.report import Report


def planned_record(planned: FilePlanned, report: Report, now: datetime) -> dict[str, Any]:
    """Return the record of what a run would do with a file.

    Without sending it, the file already has the status that it would have in a run.
    """
    if planned.outcome is not None:
        record = file_record(finished(planned, planned.outcome), report, now)
        return record | {"action": planned.action}
    return fields_of_run("file", report) | {
        "status": "planned",
        "action": planned.action,
        "path": planned.path,
        "key": planned.key,
        "dataset": planned.dataset,
        "partition": planned.partition,
        "size": planned.size,
        **({"date": format_day(planned.day)} if planned.day is not None else {}),
        **({"reason": planned.reason} if planned.reason else {}),
        **(source_fields(planned.source.result) if planned.source else {}),
    }


def plan_totals(preview: Preview, prices: Prices | None) -> dict[str, Any]:
    """Return the totals of a plan for its summary; `prices` are those of its store, if known."""
    needed = preview.needed
    return run_totals(preview.report) | {
        "dry_run": True,
        "offline": preview.offline,
        "planned": preview.to_send,
        "bytes_planned": preview.bytes_to_send,
        "replaced": preview.counts["replace"],
        "conflicts": preview.counts["conflict"],
        "unknown": preview.counts["unknown"],
        "not_reached": preview.report.not_reached - preview.to_send,
        "sources": dict(preview.sources),
        "source_bytes": dict(preview.source_sizes),
        "requests_planned": needed._asdict() if needed else None,
        "price": round(prices.of(needed), 6) if prices and needed else None,
    }
