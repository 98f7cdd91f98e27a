"""What a run came to, in records for programs: one JSON object a line.

Lines, not one document: a run over a million files is written as it goes, in flat memory. The
fields are described in RECORDS.md, which tests hold every record to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from asyncload.errors import AsyncloadError, StoreError
from asyncload.model.values import (
    Excluded,
    Failed,
    FileFinished,
    PlannedUpload,
    Skipped,
    Unchanged,
    Uploaded,
)
from asyncload.reporting.report import Report

VERSION = 1
"""Of the records: it goes up when a field changes its meaning or goes away, not for new ones."""

_RESULTS = {
    0: "complete",
    1: "internal error",
    2: "usage error",
    3: "incomplete",
    4: "nothing to load",
    5: "refused",
    6: "store unavailable",
}

_encode = json.JSONEncoder(separators=(",", ":")).encode


def to_json(record: Mapping[str, Any]) -> str:
    """Return one line of JSON. Names that are not UTF-8 keep Python's surrogate escapes."""
    return _encode(record)


def format_time(time: datetime) -> str:
    """Return a time as records have it: ISO 8601, in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def file_record(event: FileFinished, report: Report, finished: datetime) -> dict[str, Any]:
    """Return what a program wants to know of one file of a run."""
    return _of_run("file", report) | file_fields(event, finished)


def file_fields(event: FileFinished, finished: datetime) -> dict[str, Any]:
    """Return what is said of one file, without what all files of a run have in common."""
    outcome = event.outcome
    fields: dict[str, Any] = {
        "status": outcome.status,
        "path": outcome.path,
        "key": outcome.key,
        "dataset": event.dataset or None,
        "partition": event.partition or None,
        "size": outcome.size,
        "finished": format_time(finished),
        "seconds": round(event.seconds, 3),
    }
    if isinstance(outcome, Failed):
        fields["error"] = error_record(outcome.error)
    elif isinstance(outcome, Skipped):
        fields["reason"] = outcome.reason
    else:
        fields["mtime_ns"] = outcome.mtime_ns
        fields["verified_by"] = outcome.checksum.algorithm
        fields["checksums"] = _digests(outcome)
        if isinstance(outcome, Uploaded):
            fields["replaced"] = outcome.replaced
    return fields


def _digests(outcome: Uploaded | Unchanged) -> dict[str, str]:
    """Return all checksums that are known of a file: that which proved it, and others."""
    proof = outcome.checksum
    others = {name: checksum.digest for name, checksum in outcome.checksums.items()}
    return {proof.algorithm: proof.digest} | others


def excluded_record(excluded: Excluded, report: Report) -> dict[str, Any]:
    """Return what a program wants to know of an entry that is not loaded."""
    return _of_run("excluded", report) | {"path": excluded.path, "reason": excluded.reason}


def planned_record(upload: PlannedUpload, report: Report) -> dict[str, Any]:
    """Return what a program wants to know of a file that would be uploaded."""
    return _of_run("file", report) | {
        "status": "planned",
        "path": upload.source.path,
        "key": upload.key,
        "dataset": upload.dataset,
        "partition": upload.partition,
        "size": upload.source.size,
    }


def _of_run(kind: str, report: Report) -> dict[str, Any]:
    return {
        "version": VERSION,
        "type": kind,
        "run_id": report.run_id or None,
        "bucket": report.bucket,
        "date": _format_day(report.day),
    }


def _format_day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def error_record(error: AsyncloadError) -> dict[str, Any]:
    """Return what a program wants to know of an error."""
    record: dict[str, Any] = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
    }
    if isinstance(error, StoreError):
        record |= {
            "code": error.code,
            "http_status": error.status,
            "request_id": error.request_id,
        }
    return record


def summary_record(
    command: str | None,
    totals: Mapping[str, Any],
    *,
    bucket: str | None,
    started: datetime,
    finished: datetime,
    exit_code: int,
    error: AsyncloadError | None,
) -> dict[str, Any]:
    """Return the last record of a command: how it ended, and its totals."""
    return {
        "version": VERSION,
        "type": "summary",
        "command": command,
        "bucket": bucket,
        "started": format_time(started),
        "finished": format_time(finished),
        "seconds": round((finished - started).total_seconds(), 3),
        "exit_code": exit_code,
        "result": _RESULTS.get(exit_code, "interrupted"),
        "error": error_record(error) if error else None,
        **totals,
    }


def run_totals(report: Report) -> dict[str, Any]:
    """Return what a run came to, for its summary."""
    return {
        "run_id": report.run_id or None,
        "date": _format_day(report.day),
        "files": report.files,
        "bytes": report.size,
        "uploaded": report.counts["uploaded"],
        "unchanged": report.counts["unchanged"],
        "skipped": report.counts["skipped"],
        "failed": report.counts["failed"],
        "not_reached": report.not_reached,
        "failures": [
            {"kind": group.kind, "hint": group.hint, "files": group.files}
            for group in report.failure_groups.values()
        ],
        "replaced": report.replaced,
        "verified_by": dict(report.verified_by),
        "bytes_sent": report.sent,
        "bytes_kept": report.kept,
        "requests": report.requests,
        "retries": report.retries,
        "concurrency": asdict(report.concurrency) if report.concurrency else None,
        "excluded": dict(report.excluded),
        "left_open": [
            {"key": upload.key, "upload_id": upload.upload_id, "reason": upload.reason}
            for upload in report.left_open
        ],
        "aborted": report.aborted,
        "manifest": report.manifest,
        "warnings": [{"message": w.message, "hint": w.hint} for w in report.warnings],
        "store": {"proofs": list(report.store.proofs), **report.store.record}
        if report.store
        else None,
        "unmarked": [
            {"partition": left.partition, "reason": left.reason} for left in report.unmarked
        ],
        "markers_failed": [
            {"partition": failed.partition, "error": error_record(failed.error)}
            for failed in report.markers_failed
        ],
    }


def verify_totals(
    *,
    manifest: str | None = None,
    day: date | None = None,
    verified_by: Mapping[str, int] = MappingProxyType({}),
    differences: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what a comparison came to, for its summary."""
    return {
        "manifest": manifest,
        "date": _format_day(day),
        "equal": sum(verified_by.values()),
        "verified_by": dict(verified_by),
        "differences": dict(sorted(differences.items())),
    }


def clean_totals(
    prefix: str | None = None,
    uploads: int = 0,
    size: int = 0,
    aborted: int = 0,
    left_alone: int = 0,
) -> dict[str, Any]:
    """Return what was found, aborted and not touched, for the summary of `clean`."""
    return {
        "prefix": prefix,
        "uploads": uploads,
        "bytes": size,
        "aborted": aborted,
        "left_alone": left_alone,
    }


def config_totals(settings_file: str | None = None) -> dict[str, Any]:
    """Return which settings file `asyncload config` has read, for its summary."""
    return {"settings_file": settings_file}


EMPTY_TOTALS: Mapping[str | None, Callable[[], dict[str, Any]]] = {
    "run": lambda: run_totals(Report()),
    "verify": verify_totals,
    "clean": clean_totals,
    "config": config_totals,
}
"""By command, for one that ended before it began."""
