"""JSON records for programs, one object per line.

Lines instead of one document let a run over a million files write them in constant memory. The
fields are documented in the page on records; tests check every record against it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asyncload.errors import ApiError, AsyncloadError, StoreError
from asyncload.model.values import (
    Disposed,
    Excluded,
    Failed,
    FileFinished,
    Present,
    Skipped,
    Unchanged,
    Uploaded,
    Warned,
    WatchProgress,
)
from asyncload.reporting.report import DatasetTotals, Report

if TYPE_CHECKING:
    # Of one command only.
    from asyncload.reporting.diagnosis import Check, Remnant

VERSION = 1
"""Version of the records; incremented if a field changes its meaning or is removed."""

_RESULTS = {
    0: "complete",
    1: "internal error",
    2: "usage error",
    3: "incomplete",
    4: "nothing to load",
    5: "refused",
    6: "store unavailable",
}

# Datasets in a summary, and volumes; the others are counted together.
_MAX_DATASETS = 100

_encode = json.JSONEncoder(separators=(",", ":")).encode


def to_json(record: Mapping[str, Any]) -> str:
    """Return one line of JSON. Names that are not valid UTF-8 keep Python's surrogate escapes."""
    return _encode(record)


def format_time(time: datetime) -> str:
    """Format a time for records: ISO 8601, UTC, milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def file_record(event: FileFinished, report: Report, finished: datetime) -> dict[str, Any]:
    """Return the record of one file of a run."""
    return fields_of_run("file", report) | file_fields(event, finished)


def file_fields(event: FileFinished, finished: datetime) -> dict[str, Any]:
    """Return the fields of one file, without those that all files of a run share."""
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
    if event.day is not None:
        fields["date"] = format_day(event.day)
    if isinstance(outcome, Failed):
        fields["error"] = error_record(outcome.error)
    elif isinstance(outcome, Skipped):
        fields["reason"] = outcome.reason
    elif not isinstance(outcome, Present):
        fields["mtime_ns"] = outcome.mtime_ns
        fields["verified_by"] = outcome.checksum.algorithm
        fields["checksums"] = _digests(outcome)
        if isinstance(outcome, Uploaded):
            fields["replaced"] = outcome.replaced
        if event.source is not None:
            fields |= source_fields(event.source)
    return fields


def source_fields(source: Disposed) -> dict[str, Any]:
    """Return the fields about what was, or would be, done with a source file."""
    reason = {"source_reason": source.reason} if source.reason else {}
    return {"source": source.status, **reason}


def _digests(outcome: Uploaded | Unchanged) -> dict[str, str]:
    """Return all known checksums of a file, first the one that verified it."""
    proof = outcome.checksum
    others = {name: checksum.digest for name, checksum in outcome.checksums.items()}
    return {proof.algorithm: proof.digest} | others


def excluded_record(entry: Excluded, report: Report) -> dict[str, Any]:
    """Return the record of an entry that is not loaded."""
    record = fields_of_run("excluded", report) | {"path": entry.path, "reason": entry.reason}
    return record if entry.csvs is None else record | {"csvs": entry.csvs}


def warning_record(warning: Warned) -> dict[str, Any]:
    """Return the record of a warning."""
    return {"version": VERSION, "type": "warning", **_warning(warning)}


def notice_record(notice: str) -> dict[str, Any]:
    """Return the record of the notice that the terms of an API ask for."""
    return {"version": VERSION, "type": "notice", "message": notice}


def _warning(warning: Warned) -> dict[str, Any]:
    return {"message": warning.message, "hint": warning.hint}


def request_record(url: str, key: str, report: Report, *, per_result: bool) -> dict[str, Any]:
    """Return the record of a request that a collection would make."""
    return fields_of_run("request", report) | {
        "status": "planned",
        "url": url,
        "key": key,
        "per_result": per_result,
    }


def fields_of_run(kind: str, report: Report) -> dict[str, Any]:
    """Return the fields that all records of a run share."""
    return {
        "version": VERSION,
        "type": kind,
        "run_id": report.run_id or None,
        "bucket": report.bucket,
        "date": format_day(report.day),
    }


def format_day(day: date | None) -> str | None:
    """Format a date for records."""
    return day.isoformat() if day is not None else None


def error_record(error: AsyncloadError) -> dict[str, Any]:
    """Return the record of an error."""
    record: dict[str, Any] = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
    }
    if isinstance(error, ApiError):
        record["http_status"] = error.status
    elif isinstance(error, StoreError):
        record |= {
            "code": error.code,
            "http_status": error.status,
            "request_id": error.request_id,
        }
    return record


def check_record(check: Check) -> dict[str, Any]:
    """Return the record of one check of a diagnosis."""
    return {
        "version": VERSION,
        "type": "check",
        "name": check.name,
        "status": check.mark,
        "reason": check.reason,
        "fix": check.fix,
        "values": dict(check.values),
    }


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
    """Return the last record of a command: its result and its totals."""
    return {
        "version": VERSION,
        "type": "summary",
        "command": command,
        "bucket": bucket,
        "started": format_time(started),
        "finished": format_time(finished),
        "seconds": round((finished - started).total_seconds(), 3),
        "exit_code": exit_code,
        "result": result_of(exit_code),
        "error": error_record(error) if error else None,
        **totals,
    }


def result_of(exit_code: int) -> str:
    """Return the meaning of an exit code."""
    return _RESULTS.get(exit_code, "interrupted")


def run_totals(report: Report) -> dict[str, Any]:
    """Return the totals of a run for its summary."""
    return {
        "run_id": report.run_id or None,
        "date": format_day(report.day),
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
        "datasets": _datasets(report),
        "volumes": _volumes(report),
        "sources": dict(report.sources),
        "verified_by": dict(report.verified_by),
        "bytes_sent": report.sent,
        "bytes_kept": report.kept,
        "requests": report.requests,
        "retries": report.retries,
        "concurrency": asdict(report.concurrency) if report.concurrency else None,
        "limits": [
            {"seconds": round(seconds, 3), "limit": limit, "reason": reason}
            for seconds, limit, reason in report.limits
        ],
        "processes": report.processes,
        "shard": report.shard._asdict() if report.shard else None,
        "excluded": dict(report.excluded),
        "left_open": [
            {"key": upload.key, "upload_id": upload.upload_id, "reason": upload.reason}
            for upload in report.left_open
        ],
        "aborted_uploads": report.aborted_uploads,
        "manifest": report.manifest,
        "warnings": [_warning(warning) for warning in report.warnings],
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


def _datasets(report: Report) -> list[dict[str, Any]]:
    first, rest = report.first_datasets(_MAX_DATASETS)
    records = [dataset_record(name or None, totals) for name, totals in first]
    return [*records, dataset_record(None, rest)] if rest.files else records


def _volumes(report: Report) -> list[dict[str, Any]]:
    first, rest = report.first_volumes(_MAX_DATASETS)
    records = [volume_record(name, totals) for name, totals in first]
    return [*records, volume_record(None, rest)] if rest.files else records


def dataset_record(dataset: str | None, totals: DatasetTotals) -> dict[str, Any]:
    """Return the totals of a dataset, None for several or for files without a key."""
    return {"dataset": dataset, **_totals(totals)}


def volume_record(volume: str | None, totals: DatasetTotals) -> dict[str, Any]:
    """Return the totals of one of several volumes, None for those beyond the first ones."""
    return {"volume": volume, **_totals(totals)}


def _totals(totals: DatasetTotals) -> dict[str, Any]:
    return {
        "files": totals.files,
        "bytes": totals.size,
        "statuses": dict(totals.counts),
    }


def empty_plan_totals() -> dict[str, Any]:
    """Return the totals of a plan that ended before it started to work."""
    # Late: only one command needs it.
    from asyncload.reporting.preview import Preview
    from asyncload.reporting.preview_records import plan_totals

    return plan_totals(Preview(), None)


def empty_check_totals() -> dict[str, Any]:
    """Return the totals of a check that ended before it started to work."""
    # Late: only one command needs it.
    from asyncload.reporting.tables.records import check_totals
    from asyncload.reporting.tables.results import CheckReport

    return check_totals(CheckReport())


def collect_totals(report: Report) -> dict[str, Any]:
    """Return the totals of a collection for its summary."""
    return run_totals(report) | {
        "present": report.counts["present"],
        "api_requests": report.api_requests,
        "api_retries": report.api_retries,
    }


def watch_totals(report: Report, loaded: int = 0, failing: int = 0) -> dict[str, Any]:
    """Return the totals of a watch for its summary."""
    return {
        "loaded": loaded,
        "failing": failing,
        "uploaded": report.counts["uploaded"],
        "unchanged": report.counts["unchanged"],
        "skipped": report.counts["skipped"],
        "replaced": report.replaced,
        "sources": dict(report.sources),
        "verified_by": dict(report.verified_by),
        "manifest": report.manifest,
    }


def progress_record(progress: WatchProgress, report: Report, now: datetime) -> dict[str, Any]:
    """Return the record of the state of a watched volume."""
    return {
        "version": VERSION,
        "type": "progress",
        "time": format_time(now),
        "bucket": report.bucket,
        **progress._asdict(),
    }


def verify_totals(
    *,
    manifest: str | None = None,
    day: date | None = None,
    verified_by: Mapping[str, int] = MappingProxyType({}),
    locked: int = 0,
    differences: Mapping[str, int] = MappingProxyType({}),
    run: str | None = None,
    marked: int | None = None,
) -> dict[str, Any]:
    """Return the totals of a comparison for its summary."""
    return {
        "run": run,
        "marked": marked,
        "manifest": manifest,
        "date": format_day(day),
        "matching": sum(verified_by.values()),
        "verified_by": dict(verified_by),
        "locked": locked,
        "differences": dict(sorted(differences.items())),
    }


def clean_totals(
    prefix: str | None = None,
    uploads: int = 0,
    size: int = 0,
    aborted: int = 0,
    skipped: int = 0,
) -> dict[str, Any]:
    """Return the numbers of uploads found, aborted and skipped, for the summary of `clean`."""
    return {
        "prefix": prefix,
        "uploads": uploads,
        "bytes": size,
        "aborted": aborted,
        "skipped": skipped,
    }


def doctor_totals(
    counts: Mapping[str, int] = MappingProxyType({}), left_behind: Iterable[Remnant] = ()
) -> dict[str, Any]:
    """Return the numbers of checks, and what was left behind, for the summary of `doctor`."""
    marks = ("ok", "warning", "failed", "skipped")
    return {
        "checks": {mark: counts.get(mark, 0) for mark in marks},
        "left_behind": [
            {"key": remnant.key, "upload_id": remnant.upload_id} for remnant in left_behind
        ],
    }


def report_totals(
    run: str | None,
    report: Report,
    *,
    exit_code: int | None = None,
    seconds: float = 0.0,
    error: AsyncloadError | None = None,
    shards: Mapping[Any, int] | None = None,
    marked: int | None = None,
) -> dict[str, Any]:
    """Return the totals of a past run, and how it ended, for the summary of `report`.

    `shards` are the numbers of its shards by status, `marked` that of marked partitions.
    """
    return run_totals(report) | {
        "run": run,
        "run_exit_code": exit_code,
        "run_seconds": round(seconds, 3),
        "run_error": error_record(error) if error else None,
        "shards": None if shards is None else dict(shards),
        "marked": marked,
    }


def config_totals(settings_file: str | None = None) -> dict[str, Any]:
    """Return the settings file that `asyncload config` read, for its summary."""
    return {"settings_file": settings_file}


def empty_runs_totals() -> dict[str, Any]:
    """Return the totals of `runs` before the records were read."""
    # Late: only one command needs it.
    from asyncload.reporting.history.records import runs_totals

    return runs_totals()


def where_totals(places: int = 0, runs: int = 0) -> dict[str, Any]:
    """Return the numbers of places of a file and of records read, for the summary of `where`."""
    return {"places": places, "records": runs}


EMPTY_TOTALS: Mapping[str | None, Callable[[], dict[str, Any]]] = {
    "run": lambda: run_totals(Report()),
    "plan": empty_plan_totals,
    "collect": lambda: collect_totals(Report()),
    "verify": verify_totals,
    "watch": lambda: watch_totals(Report()),
    "clean": clean_totals,
    "doctor": doctor_totals,
    "report": lambda: report_totals(None, Report()),
    "runs": empty_runs_totals,
    "where": where_totals,
    "check": empty_check_totals,
    "config": config_totals,
}
"""The totals by command, for a command that ended before it started to work."""
