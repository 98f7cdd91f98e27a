"""The totals of a past run, rebuilt from the records in its manifest. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from asyncload.errors import AsyncloadError
from asyncload.model.values import (
    ConcurrencySettled,
    Failed,
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    StoreJudged,
    UploadLeftOpen,
    Warned,
)
from asyncload.reporting.manifest_reading import ManifestEntry
from asyncload.reporting.records import VERSION
from asyncload.reporting.report import MAX_NAMED, DatasetTotals, FailureGroup, Report

_HEAD = b'{"run":'
_FILES = b',"files":['
_TAIL = b'],"summary":'


LAYOUT_SETTINGS = ("layout", "layer", "origin", "format")
"""The settings that make keys, in the order of `KeyLayout`."""


# Those that decide which files a run finds, and which dates they get.
_CHOOSING = (
    "volume", "include", "exclude", "follow_symlinks", "compressed", "archives", "datasets",
    "date_from",
)  # fmt: skip
# Those with which only some of the files are meant, by their values if they are not given.
_NARROWING = {"files_from": None, "modified_since": None, "max_age": None, "min_age": 0}


class OddRecordError(ValueError):
    """The bytes are not the record of a run; the text says why."""


class RunRecord(NamedTuple):
    """What a manifest says about its run: the description, and the summary at its end."""

    run: Mapping[str, Any]
    summary: Mapping[str, Any]


@dataclass(slots=True)
class PastRun:
    """A past run: its totals, how long it took in seconds, and when and how it ended.

    `manifest` is the key of its manifest. `error` is what ended it early, if anything. `command`
    and `result` are as in its summary. `lists_datasets`: the totals have each dataset.
    `layout` has the settings that make its keys, by their names in `LAYOUT_SETTINGS`. `choice` is
    equal for runs that would find the same files of one volume and give them the same dates; ""
    if only some of the files are meant.
    """

    report: Report
    seconds: float
    finished: datetime
    exit_code: int
    manifest: ObjectKey
    error: AsyncloadError | None = None
    command: str = "run"
    result: str = ""
    lists_datasets: bool = False
    layout: Mapping[str, str] = field(default_factory=dict)
    choice: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it has loaded all files that its volume had, and was not to load fewer."""
        report = self.report
        loads = self.command == "run" and bool(self.choice) and self.error is None
        return loads and not report.counts["failed"] and not report.not_reached

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.report.run_id

    @property
    def zone(self) -> str:
        """The layer, origin and format of its keys; "" if they are not recorded."""
        names = [self.layout.get(name, "") for name in LAYOUT_SETTINGS[1:]]
        return "/".join(names) if all(names) else ""

    @property
    def started(self) -> datetime:
        """The start of the run."""
        assert self.report.started is not None, "a run that is recorded has started"
        return self.report.started

    @property
    def day(self) -> date | None:
        """The processing date; None if each file has its own."""
        return self.report.day


def run_record(first: bytes, last: bytes) -> RunRecord:
    """Return the record of the run whose manifest begins and ends with these lines.

    Raises:
        OddRecordError: the lines are not those of a manifest.
    """
    if not first.startswith(_HEAD) or not first.rstrip().endswith(_FILES):
        raise OddRecordError("the object is not a manifest of asyncload")
    if not last.startswith(_TAIL) or not last.rstrip().endswith(b"}}"):
        raise OddRecordError("the manifest is incomplete")
    run = _object(first.rstrip()[len(_HEAD) : -len(_FILES)])
    summary = _object(last.rstrip()[len(_TAIL) : -1])
    for record in (run, summary):
        if (version := record.get("version")) != VERSION:
            raise OddRecordError(f"its version is {version!r}, and this asyncload reads {VERSION}")
    return RunRecord(run, summary)


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OddRecordError(f"the record is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise OddRecordError("the record is not a JSON object")
    return value


def past_run(record: RunRecord, manifest: ObjectKey) -> PastRun:
    """Return the run of a record.

    Raises:
        OddRecordError: a field is missing, or has another type than it should.
    """
    run, summary = record
    try:
        report = _report_of(run, summary)
        report.manifest = manifest
        error = summary["error"]
        return PastRun(
            report,
            float(summary["seconds"]),
            datetime.fromisoformat(summary["finished"]),
            int(summary["exit_code"]),
            manifest,
            None if error is None else error_of(error),
            command=str(summary["command"]),
            result=str(summary["result"]),
            lists_datasets="datasets" in summary and not report.other_datasets.files,
            layout={
                name: str(run["settings"][name])
                for name in LAYOUT_SETTINGS
                if name in run["settings"]
            },
            choice=_choice_of(run),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OddRecordError(
            f"the record of the run can't be read: {type(error).__name__}: {error}"
        ) from error


def _choice_of(run: Mapping[str, Any]) -> str:
    settings = run["settings"]
    narrowed = any(settings.get(name, none) != none for name, none in _NARROWING.items())
    if "volume" not in settings or narrowed:
        return ""
    chosen = [settings.get(name) for name in _CHOOSING]
    # Without one, each file has its own.
    chosen.append(None if run["date"] is not None else settings.get("date"))
    return json.dumps(chosen, sort_keys=True)


def _report_of(run: Mapping[str, Any], summary: Mapping[str, Any]) -> Report:
    day, store = run["date"], summary.get("store")
    report = Report(
        run_id=str(run["run_id"]),
        bucket=str(run["bucket"]),
        day=None if day is None else date.fromisoformat(day),
        started=datetime.fromisoformat(run["started"]),
        files=int(summary["files"]),
        size=int(summary["bytes"]),
        replaced=int(summary.get("replaced", 0)),
        kept=int(summary.get("bytes_kept", 0)),
        aborted_uploads=int(summary.get("aborted_uploads", 0)),
        requests=int(summary.get("requests", 0)),
        retries=int(summary.get("retries", 0)),
        sent=int(summary.get("bytes_sent", 0)),
        processes=int(summary.get("processes", 1)),
        limits=[
            (float(each["seconds"]), int(each["limit"]), str(each["reason"]))
            for each in summary.get("limits", ())
        ],
        left_open=[
            UploadLeftOpen("", ObjectKey(each["key"]), each["upload_id"], each["reason"])
            for each in summary.get("left_open", ())
        ],
        warnings=[Warned(each["message"], each["hint"]) for each in summary.get("warnings", ())],
        unmarked=[
            PartitionUnmarked(each["partition"], each["reason"])
            for each in summary.get("unmarked", ())
        ],
        markers_failed=[
            MarkerFailed(each["partition"], error_of(each["error"]))
            for each in summary.get("markers_failed", ())
        ],
    )
    for status in ("uploaded", "unchanged", "present", "skipped", "failed"):
        if files := int(summary.get(status, 0)):
            report.counts[status] = files
    if (settled := summary.get("concurrency")) is not None:
        report.concurrency = ConcurrencySettled(
            int(settled["limit"]), int(settled["peak"]), settled["reason"]
        )
    for name in ("excluded", "sources", "verified_by"):
        getattr(report, name).update(_numbers(summary.get(name, {})))
    for group in summary.get("failures", ()):
        kind, hint = str(group["kind"]), str(group["hint"])
        report.failure_groups[kind, hint] = FailureGroup(kind, hint, int(group["files"]))
    if store is not None:
        others = {name: value for name, value in store.items() if name != "proofs"}
        proofs = tuple(map(str, store["proofs"]))
        sent = [name for name in store["checks"] if name != "MD5"] or proofs[:1] or [""]
        report.store = StoreJudged(sent[0], proofs, others)
    _add_datasets(report, summary.get("datasets", ()))
    for each in summary.get("volumes", ()):
        report.add_volume(each["volume"], _totals(each))
    return report


def _add_datasets(report: Report, datasets: Iterable[Mapping[str, Any]]) -> None:
    for at, each in enumerate(datasets):
        # Without a name, files without a key come first, those of further datasets last.
        name = "" if each["dataset"] is None and not at else each["dataset"]
        report.add_dataset(name, _totals(each))


def _totals(record: Mapping[str, Any]) -> DatasetTotals:
    totals = DatasetTotals()
    totals.files, totals.size = int(record["files"]), int(record["bytes"])
    totals.counts.update(_numbers(record["statuses"]))
    return totals


def _numbers(counts: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in counts.items()}


def add_report(total: Report, part: Report) -> None:
    """Add the totals of a part of a run to those of the run."""
    for name in ("counts", "sizes", "excluded", "sources", "verified_by"):
        getattr(total, name).update(getattr(part, name))
    for name in (
        "files",
        "size",
        "replaced",
        "kept",
        "aborted_uploads",
        "requests",
        "retries",
        "sent",
        "sources_failed",
    ):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    for name in ("left_open", "warnings", "unmarked", "markers_failed"):
        getattr(total, name).extend(getattr(part, name))
    for (kind, hint), group in part.failure_groups.items():
        total.failure_group(kind, hint).files += group.files
    for dataset, totals in part.datasets.items():
        total.add_dataset(dataset, totals)
    total.other_datasets.add(part.other_datasets)
    for volume, totals in part.volumes.items():
        total.add_volume(volume, totals)
    total.other_volumes.add(part.other_volumes)
    total.store = total.store or part.store


def name_failures(report: Report, failed: Iterable[ManifestEntry]) -> None:
    """Name failed files, which a report of a past run only counts by kind and hint."""
    for entry in failed:
        kind, hint = entry.kind, entry.hint
        groups = report.failure_groups
        group = groups.get((kind, hint)) or groups.get(("", ""))
        if group is None or len(group.first) >= min(MAX_NAMED, group.files):
            continue
        # Each shard names a file without a key.
        if all(entry.path != named.path for named in group.first):
            error = error_of({"kind": kind or "Failed", "message": entry.error, "hint": hint})
            group.first.append(Failed(entry.path, entry.key, entry.size, error))


def failed_of(entry: Mapping[str, Any]) -> Failed:
    """Return the failed file of a manifest's entry.

    Raises:
        KeyError, TypeError, ValueError, InvalidKey: the entry is not one.
    """
    key = entry["key"]
    return Failed(
        str(entry["path"]),
        None if key is None else ObjectKey(key),
        int(entry["size"]),
        error_of(entry["error"]),
    )


def error_of(record: Mapping[str, Any]) -> AsyncloadError:
    """Return the error of a record: its class has the recorded name, also if it no longer exists.

    Raises:
        KeyError, TypeError: the record is not one of an error.
    """
    message, *details = str(record["message"]).split("\n")
    kind = type(str(record["kind"]), (AsyncloadError,), {})
    error: AsyncloadError = kind(message, hint=str(record["hint"]), details=details)
    return error
