"""Read a record of a run, line by line: a manifest, or the lines of `--json`. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncload.errors import InvalidKey
from asyncload.model.values import ObjectKey
from asyncload.reporting.manifest_reading import parse_entry
from asyncload.reporting.page.figures import Figures, moment
from asyncload.reporting.recorded import OddRecordError, PastRun, RunRecord, past_run
from asyncload.reporting.records import VERSION, format_time, run_totals
from asyncload.reporting.report import Report

_HEAD = b'{"run":'
_HEAD_END = b',"files":['
_TAIL = b'],"summary":'
_OF_RUNS = ("run", "collect", "watch")
# Types of lines that are neither files nor the summary.
_OTHERS = ("excluded", "progress", "notice", "warning", "traceback")


# A record does not always say under which key it is in the bucket.
_NO_KEY = ObjectKey("unknown.json")


class CutLineError(OddRecordError):
    """A line is not valid JSON, as the last one of a record that was cut short."""


class RecordReader:
    """Collects what a record says of its run; lines are fed in their order.

    Lines of several runs, as of a file to which each run appends its own, are told apart: what is
    collected is the last run.

    Attributes:
        figures: the files, as soon as the start of the run is known.
        is_cut: whether the record ends before its summary.
        runs: the number of runs in the record.
    """

    def __init__(self) -> None:
        self.runs = 0
        self._number = 0
        self._is_manifest = False
        self._begin_record()

    def _begin_record(self) -> None:
        self.runs += 1
        self.figures = Figures(None)
        self.is_cut = True
        self._is_watch = False
        self._run: dict[str, Any] = {}
        self._summary: Mapping[str, Any] = {}
        self._last = ""

    def feed(self, line: bytes) -> None:
        """Add a line.

        Raises:
            OddRecordError: the line is not part of a record of this version.
        """
        self._number += 1
        line = line.strip()
        try:
            if self._number == 1 and line.startswith(_HEAD):
                self._is_manifest = True
                self._begin(json.loads(line[len(_HEAD) : line.rfind(_HEAD_END)]))
            elif self._is_manifest and line.startswith(_TAIL):
                self._end(json.loads(line[len(_TAIL) : -1]))
            elif self._is_manifest and line:
                self._add(line.removesuffix(b","))
            elif line:
                self._feed_record(line)
        except OddRecordError:
            raise
        except json.JSONDecodeError as error:
            raise CutLineError(f"line {self._number} is not valid JSON: {error}") from error
        except (ValueError, RecursionError, InvalidKey, LookupError, TypeError) as error:
            raise OddRecordError(f"line {self._number}: {error}") from error

    def _feed_record(self, line: bytes) -> None:
        record = json.loads(line)
        kind = record["type"]
        if not self.is_cut or self._is_other_run(record):
            self._begin_record()
        # A watch begins with its progress. Its files have the ids of several manifests.
        self._is_watch |= kind == "progress"
        if kind == "file":
            if not self._run:
                self._begin(record)
            self._add(line)
        elif kind == "summary":
            if record["command"] not in _OF_RUNS:
                raise OddRecordError(f"the lines are those of {record['command']!r}, not of a run")
            if not self._run:
                self._begin(record)
            self._end(record)
        elif kind not in _OTHERS:
            raise OddRecordError(f"line {self._number}: a record of the type {kind!r} is not known")

    def _is_other_run(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record is of another run than those before it, which has no summary."""
        if not self._run or self._is_watch or record["type"] not in ("file", "summary"):
            return False
        return bool(_id_of(record) != self._run["run_id"])

    def _begin(self, run: Mapping[str, Any]) -> None:
        _check_version(run)
        started = run.get("started")
        time = datetime.fromisoformat(started) if started else _start_of(str(run["run_id"]))
        self._run = {
            "run_id": _id_of(run),
            "bucket": run["bucket"],
            "date": run.get("date"),
            "started": format_time(time),
            "settings": run.get("settings", {}),
        }
        self.figures = Figures(time)

    def _add(self, line: bytes) -> None:
        entry = parse_entry(line)
        self._last = entry.finished or self._last
        self.figures.add(entry)

    def _end(self, summary: Mapping[str, Any]) -> None:
        _check_version(summary)
        self._summary = summary
        self.is_cut = False

    def past_run(self) -> PastRun:
        """Return the run; of a record that was cut its totals are those of the files in it.

        Raises:
            OddRecordError: there was no line of a run.
        """
        if not self._run:
            raise OddRecordError("the file has no record of a run")
        # A watch does not count the files that it found.
        summary = self._counted() | dict(self._summary)
        past = past_run(RunRecord(self._run, summary), _NO_KEY)
        past.report.manifest = summary["manifest"]
        return past

    def _counted(self) -> dict[str, Any]:
        figures, started = self.figures, datetime.fromisoformat(self._run["started"])
        report = Report(files=figures.files, size=figures.size, counts=figures.counts)
        report.sent = figures.uploaded
        finished = max(started, moment(self._last, started))
        return run_totals(report) | {
            "command": "run",
            "finished": format_time(finished),
            "seconds": (finished - started) / timedelta(seconds=1),
            "exit_code": 1,
            "result": "not recorded",
            "error": None,
        }


def _id_of(record: Mapping[str, Any]) -> str:
    return str(record["run_id"] or "unknown")


def _check_version(record: Mapping[str, Any]) -> None:
    version = record["version"]
    if version != VERSION:
        raise OddRecordError(f"its version is {version!r}, and this asyncload reads {VERSION}")


def _start_of(run_id: str) -> datetime:
    """Return the start of a run by its id, which has no fractions of a second."""
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
