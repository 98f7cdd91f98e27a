"""What a run came to, in records for programs: one JSON object a line.

Lines, not one document: a run over a million files is written as it goes, in flat memory.
"""

from __future__ import annotations

import json
from typing import Any

from asyncload.errors import AsyncloadError, StoreError
from asyncload.model import Failed, LeftOut, Outcome, PlannedUpload, Skipped, Uploaded
from asyncload.report import Report


def to_json(record: dict[str, Any]) -> str:
    """Return one line of JSON. Names that are not UTF-8 keep Python's surrogate escapes."""
    return json.dumps(record, separators=(",", ":"))


def outcome_record(outcome: Outcome, bucket: str) -> dict[str, Any]:
    """Return what a program wants to know of one file."""
    record: dict[str, Any] = {
        "type": "file",
        "status": outcome.status,
        "path": outcome.path,
        "bucket": bucket,
        "key": outcome.key,
        "size": outcome.size,
    }
    if isinstance(outcome, Failed):
        record["error"] = error_record(outcome.error)
    elif isinstance(outcome, Skipped):
        record["reason"] = outcome.reason
    else:
        record["verified_by"] = outcome.checksum.algorithm
        record["checksum"] = outcome.checksum.digest
        record["checksums"] = {name: c.digest for name, c in outcome.checksums.items()}
        if isinstance(outcome, Uploaded) and outcome.replaced:
            record["replaced"] = True
    return record


def left_out_record(left_out: LeftOut) -> dict[str, Any]:
    """Return what a program wants to know of an entry that is not loaded."""
    return {"type": "left out", "path": left_out.path, "reason": left_out.reason}


def error_record(error: AsyncloadError) -> dict[str, Any]:
    """Return what a program wants to know of an error."""
    record: dict[str, Any] = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
    }
    if isinstance(error, StoreError):
        record |= {"code": error.code, "status": error.status, "request_id": error.request_id}
    return record


def summary_record(
    report: Report, *, bucket: str, seconds: float, exit_code: int, error: AsyncloadError | None
) -> dict[str, Any]:
    """Return the last line of a run's JSON: its totals and how it ended."""
    return {
        "type": "summary",
        "bucket": bucket,
        "run_id": report.run_id,
        "exit_code": exit_code,
        "files": report.files,
        "bytes": report.size,
        "uploaded": report.counts["uploaded"],
        "unchanged": report.counts["unchanged"],
        "skipped": report.counts["skipped"],
        "failed": report.counts["failed"],
        "replaced": report.replaced,
        "verified_by": dict(report.verified_by),
        "bytes_uploaded": report.sizes["uploaded"] - report.kept,
        "bytes_kept": report.kept,
        "left_out": dict(report.left_out),
        "left_open": [
            {"key": upload.key, "upload_id": upload.upload_id} for upload in report.left_open
        ],
        "swept": report.swept,
        "manifest": report.manifest,
        "warnings": [{"message": w.message, "hint": w.hint} for w in report.warnings],
        "unmarked": [
            {"partition": left.partition, "reason": left.reason} for left in report.unmarked
        ],
        "markers_failed": [
            {"partition": failed.partition, "error": error_record(failed.error)}
            for failed in report.markers_failed
        ],
        "seconds": round(seconds, 3),
        "error": error_record(error) if error else None,
    }


def planned_record(upload: PlannedUpload, bucket: str) -> dict[str, Any]:
    """Return what a program wants to know of a file that would be uploaded."""
    return {
        "type": "file",
        "status": "planned",
        "path": upload.source.path,
        "bucket": bucket,
        "key": upload.key,
        "size": upload.source.size,
    }
