"""The metrics of the last run, as a file for the textfile collector of Prometheus' node exporter.

Source: "Exposition formats" in Prometheus' documentation, the text format 0.0.4.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from asyncload.model.values import Event, Warned, WatchProgress
from asyncload.model.version import VERSION
from asyncload.reporting.machines.foreign import check_own
from asyncload.reporting.machines.outlet import Delivery, RunEnd
from asyncload.reporting.report import Report

LAST_SUCCESS = "asyncload_last_success_timestamp_seconds"

_STATUSES = ("uploaded", "unchanged", "present", "skipped", "failed")


class MetricsFile:
    """Writes the metrics at the end of a run, and every minute of a watch.

    The file is replaced as a whole. After a failure it keeps the time of the last success.

    Args:
        path: the file.
        command: the name of the command.
        bucket: the bucket as given.
        source: the volume or the API.
    """

    def __init__(self, path: Path, *, command: str, bucket: str, source: str) -> None:
        self._path = path
        self._labels = {"command": command, "bucket": bucket, "source": source}
        self._progress: WatchProgress | None = None
        self._delivery = Delivery("metrics")
        self._last_success: float | None = None

    def observe(self, event: Event, report: Report) -> None:
        if isinstance(event, WatchProgress):
            self._progress = event
            self._write(datetime.now(UTC), report, None)

    def end(self, end: RunEnd) -> None:
        self._write(end.finished, end.report, end)

    def close(self, seconds: float) -> Iterator[Warned]:
        for error in self._delivery.close(seconds):
            yield Warned(
                f"the metrics could not be written to {self._path}: {error}",
                "check --metrics-file; the files are not affected",
            )

    def _write(self, now: datetime, report: Report, end: RunEnd | None) -> None:
        # Not in the thread: the report counts further events meanwhile.
        lines = list(metric_lines(now, report, end, self._progress, self._labels))

        def write() -> None:
            success = now.timestamp() if end is not None and not end.exit_code else None
            _replace(self._path, lines, self._labels, success)

        self._delivery.submit(write)


def metric_lines(
    now: datetime,
    report: Report,
    end: RunEnd | None,
    progress: WatchProgress | None,
    labels: Mapping[str, str],
) -> Iterator[str]:
    """Yield the lines of all metrics but the last success.

    `end` is None while the command runs; `progress` is that of a watch.
    """
    for name, about, label, values in _metrics(now, report, end, progress):
        yield from _head(f"asyncload_{name}", about)
        for value, number in values.items():
            of_sample = {**labels, label: value} if label else labels
            yield _sample(f"asyncload_{name}", of_sample, number)


class _Metric(NamedTuple):
    """A metric without its prefix, with a value for each value of a label, or one for ""."""

    name: str
    about: str
    label: str
    values: Mapping[str, float]


def _metrics(
    now: datetime, report: Report, end: RunEnd | None, progress: WatchProgress | None
) -> Iterator[_Metric]:
    yield _Metric("info", "Version of asyncload.", "version", {VERSION: 1})
    yield _single("timestamp_seconds", "Time of these metrics.", now.timestamp())
    if end is not None:
        yield _single("exit_code", "Exit code of the last run.", end.exit_code)
        yield _single("duration_seconds", "Duration of the last run.", end.seconds)
    yield from _of_files(report, reaches_all=progress is not None)
    yield _single("sent_bytes", "File bytes that the store acknowledged.", report.sent)
    yield _single("requests", "Requests to the store.", report.requests)
    yield _single("retries", "Requests that repeated a failed one.", report.retries)
    if report.api_requests:
        yield _single("api_requests", "Requests to the API.", report.api_requests)
        yield _single("api_retries", "Repeated requests to the API.", report.api_retries)
    yield _single("warnings", "Warnings of the last run.", len(report.warnings))
    if progress is not None:
        yield _single("watch_waiting_files", "Files not yet complete.", progress.waiting)
        yield _single("watch_in_flight_files", "Files in work.", progress.in_flight)
        yield _single("watch_failing_files", "Files whose last try failed.", progress.failing)
        stalled = 1 if progress.trouble else 0
        yield _single(
            "watch_stalled",
            "1 if nothing can be loaded at present, or nothing of one of the volumes.",
            stalled,
        )


def _of_files(report: Report, *, reaches_all: bool) -> Iterator[_Metric]:
    files: dict[str, float] = {status: report.counts[status] for status in _STATUSES}
    if not reaches_all:
        files["not_reached"] = report.not_reached
    yield _Metric("files", "Files of the last run by status.", "status", files)
    sizes = {status: report.sizes[status] for status in _STATUSES}
    yield _Metric("bytes", "Size of the files by status.", "status", sizes)
    kinds = Counter[str]()
    for group in report.failure_groups.values():
        kinds[group.kind or "other"] += group.files
    if kinds:
        yield _Metric("failures", "Failed files by kind of error.", "kind", kinds)
    if report.excluded:
        yield _Metric("excluded", "Excluded entries by reason.", "reason", report.excluded)


def _single(name: str, about: str, value: float) -> _Metric:
    return _Metric(name, about, "", {"": value})


def _head(name: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} gauge"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    return f"{name}{_format_labels(labels)} {value}"


def _format_labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    # Bytes that are not UTF-8 would make the whole file unreadable.
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _replace(
    path: Path, lines: list[str], labels: Mapping[str, str], success: float | None
) -> None:
    """Replace the file by these lines, and the time of the last success; 0 if there was none."""
    check_own(path, "metrics", b"#", b"asyncload_")
    if success is None:
        success = _find_success(path, labels)
    written = [
        *lines,
        *_head(LAST_SUCCESS, "Time of the last run that ended with exit code 0; 0 for none."),
        _sample(LAST_SUCCESS, labels, success),
    ]
    # The collector reads only names that end in .prom.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text("\n".join(written) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _find_success(path: Path, labels: Mapping[str, str]) -> float:
    """Return the time of the last success in the file, 0 if there is none."""
    start = re.escape(f"{LAST_SUCCESS}{_format_labels(labels)} ")
    with suppress(OSError, ValueError):
        found = re.search(rf"^{start}(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if found is not None:
            return float(found[1])
    return 0.0
