"""The JSON records of a check; described in the page on records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncload.model.values import Excluded, Failed
from asyncload.reporting.records import VERSION, error_record
from asyncload.reporting.tables.results import CheckReport, DatasetChecked
from asyncload.source.tables.values import CheckedFile, Column, Dialect, Finding


def record_of(event: CheckedFile | Failed | DatasetChecked | Excluded) -> dict[str, Any]:
    """Return the record of an event."""
    if isinstance(event, DatasetChecked):
        return dataset_record(event)
    return excluded_record(event) if isinstance(event, Excluded) else csv_record(event)


def csv_record(checked: CheckedFile | Failed) -> dict[str, Any]:
    """Return the record of a CSV."""
    record: dict[str, Any] = {
        "version": VERSION,
        "type": "csv",
        "status": "failed",
        "path": checked.path,
        "size": checked.size,
    }
    if isinstance(checked, Failed):
        return record | {"error": error_record(checked.error)}
    return record | {
        "status": "findings" if checked.findings else "ok",
        "dataset": checked.dataset,
        "encoding": checked.encoding or None,
        **_dialect(checked.dialect),
        "header": checked.header,
        "skipped_lines": checked.skipped_lines,
        "rows": checked.rows,
        "ragged": checked.ragged,
        "null_markers": list(checked.null_markers),
        "columns": _columns(checked.columns),
        "findings": _findings(checked.findings),
    }


def dataset_record(dataset: DatasetChecked) -> dict[str, Any]:
    """Return the record of a dataset."""
    return {
        "version": VERSION,
        "type": "dataset",
        "dataset": dataset.dataset,
        "files": dataset.files,
        "rows": dataset.rows,
        "columns": _columns(dataset.columns),
        "headers": [
            {"names": list(header.names), "first": header.first, "files": header.files}
            for header in dataset.headers
        ],
        "findings": _findings(dataset.findings),
    }


def excluded_record(entry: Excluded) -> dict[str, Any]:
    """Return the record of an entry that is not checked."""
    record: dict[str, Any] = {
        "version": VERSION,
        "type": "excluded",
        "run_id": None,
        "bucket": None,
        "date": None,
        "path": entry.path,
        "reason": entry.reason,
    }
    return record if entry.csvs is None else record | {"csvs": entry.csvs}


def check_totals(report: CheckReport) -> dict[str, Any]:
    """Return the totals of a check for its summary."""
    return {
        "files": report.files,
        "bytes": report.size,
        "rows": report.rows,
        "datasets": report.datasets,
        "failed": report.failed,
        "with_findings": report.with_findings,
        "findings": dict(sorted(report.findings.items())),
        "excluded": dict(report.excluded),
    }


def _dialect(dialect: Dialect | None) -> dict[str, Any]:
    if dialect is None:
        return {"delimiter": None, "quote": None, "escape": None}
    return {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote or None,
        "escape": dialect.escape or None,
    }


def _columns(columns: Iterable[Column]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type or None,
            "format": column.format or None,
            "values": column.values,
            "nulls": column.nulls,
        }
        for column in columns
    ]


def _findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [finding._asdict() for finding in findings]
