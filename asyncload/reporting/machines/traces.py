"""Traces by OpenTelemetry: a span for each run, for some of its files, and for their requests.

Spans are noted during a run, and made and sent at its end: OpenTelemetry takes a hundred times as
long for a span as a note takes, and its threads would keep a run from copying its process.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

from asyncload.errors import UsageError
from asyncload.model.values import Event, Failed, FileFinished, RequestMade, RunStarted, Warned
from asyncload.reporting.machines.outlet import Delivery, RunEnd
from asyncload.reporting.report import Report

MAX_FILES = 500
"""Number of files in a trace: the slowest ones, and as many of those that had errors."""

MAX_REQUESTS = 100
"""Number of requests in a trace for each file, and for the run itself."""

Attributes = Mapping[str, str | int | float | bool]


class Span(NamedTuple):
    """A span before it is made; times are in nanoseconds since 1970."""

    name: str
    began: int
    ended: int
    attributes: Attributes
    error: str = ""
    is_request: bool = False
    children: tuple[Span, ...] = ()


def require_opentelemetry() -> None:
    """Check that OpenTelemetry is installed.

    Raises:
        UsageError: it is not.
    """
    try:
        installed = find_spec("opentelemetry.exporter.otlp.proto.http") is not None
        installed = installed and find_spec("opentelemetry.sdk.trace") is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise UsageError(
            "--traces: OpenTelemetry is not installed",
            hint=f"run {sys.executable} -m pip install 'asyncload-s3[otel]', or omit --traces",
        )


class Traces:
    """Notes the files and requests of each run, and sends them at its end.

    Args:
        command: the name of the command.
        send: makes and sends the spans; it may block, and raises an OSError if it fails.
        clock: returns nanoseconds since 1970.
    """

    def __init__(
        self, command: str, send: Callable[[Span], None], clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._command = command
        self._send = send
        self._clock = clock
        self._delivery = Delivery("traces")
        self._run: _Run | None = None

    def observe(self, event: Event, report: Report) -> None:
        run = self._run
        if isinstance(event, RequestMade):
            if run is not None:
                run.add_request(event)
        elif isinstance(event, FileFinished):
            if run is not None:
                run.add_file(event, self._clock())
        elif isinstance(event, RunStarted):
            # A watch has one run after the other.
            self._finish(report, "", {})
            self._run = _Run(event)

    def end(self, end: RunEnd) -> None:
        error = ""
        if end.exit_code:
            error = end.error.message if end.error is not None else "files failed"
        self._finish(end.report, error, {"process.exit.code": end.exit_code})

    def close(self, seconds: float) -> Iterator[Warned]:
        for error in self._delivery.close(seconds):
            yield Warned(
                f"traces could not be sent: {error}",
                "check OTEL_EXPORTER_OTLP_ENDPOINT, or omit --traces; the files are not affected",
            )

    def _finish(self, report: Report, error: str, attributes: Attributes) -> None:
        if self._run is None:
            return
        run, ended, self._run = self._run, self._clock(), None
        totals = {
            "asyncload.files": report.files,
            "asyncload.failed": report.counts["failed"],
            "asyncload.sent_bytes": report.sent,
            "asyncload.requests": report.requests,
            "asyncload.retries": report.retries,
            **attributes,
        }
        self._delivery.submit(
            lambda: self._send(run.span(f"asyncload {self._command}", ended, totals, error))
        )


class _File(NamedTuple):
    """A file with its outcome, and its first requests."""

    event: FileFinished
    ended: int
    requests: Sequence[RequestMade]


@dataclass(slots=True)
class _Run:
    """What is noted of one run: the slowest files, those with errors, and the requests by key.

    `files` counts those that were among the slowest when they ended; `with_failed_requests` are the
    keys of those that had errors.
    """

    started: RunStarted
    slowest: list[tuple[float, int, _File]] = field(default_factory=list)
    with_errors: list[_File] = field(default_factory=list)
    files: int = 0
    by_key: dict[str, tuple[RequestMade, ...]] = field(default_factory=dict)
    others: list[RequestMade] = field(default_factory=list)
    with_failed_requests: set[str] = field(default_factory=set)

    def add_request(self, request: RequestMade) -> None:
        key = request.key
        if not key:
            if len(self.others) < MAX_REQUESTS:
                self.others.append(request)
            return
        if request.error:
            self.with_failed_requests.add(key)
        # Nearly every file has one only.
        requests = self.by_key.get(key, ())
        if len(requests) < MAX_REQUESTS:
            self.by_key[key] = (*requests, request)

    def add_file(self, event: FileFinished, ended: int) -> None:
        outcome, key = event.outcome, event.outcome.key or ""
        requests = self.by_key.pop(key, ())
        if isinstance(outcome, Failed) or key in self.with_failed_requests:
            self.with_failed_requests.discard(key)
            if len(self.with_errors) < MAX_FILES:
                self.with_errors.append(_File(event, ended, requests))
            return
        slowest = self.slowest
        if len(slowest) < MAX_FILES:
            self.files += 1
            heapq.heappush(slowest, (event.seconds, self.files, _File(event, ended, requests)))
        elif event.seconds > slowest[0][0]:
            self.files += 1
            place = (event.seconds, self.files, _File(event, ended, requests))
            heapq.heapreplace(slowest, place)

    def span(self, name: str, ended: int, attributes: Attributes, error: str) -> Span:
        """Return the span of the run with all its children."""
        began = int(self.started.started.timestamp() * 1e9)
        bucket = {"aws.s3.bucket": self.started.bucket}
        files = [*self.with_errors, *(file for *_, file in self.slowest)]
        left = [request for requests in self.by_key.values() for request in requests]
        others = [*self.others, *left[:MAX_REQUESTS]]
        about = {
            "asyncload.run_id": self.started.run_id,
            "asyncload.files_in_trace": len(files),
            **bucket,
            **attributes,
        }
        spans = [
            *(_request_span(request, bucket) for request in others),
            *(_file_span(file, bucket) for file in files),
        ]
        spans.sort(key=lambda span: span.began)
        return Span(name, began, ended, about, error, children=tuple(spans))


def _file_span(file: _File, bucket: Attributes) -> Span:
    event, ended, requests = file
    outcome = event.outcome
    error = outcome.error.message if isinstance(outcome, Failed) else ""
    return Span(
        "asyncload file",
        ended - int(event.seconds * 1e9),
        ended,
        {
            "file.path": _valid(outcome.path),
            "file.size": outcome.size,
            "aws.s3.key": outcome.key or "",
            "asyncload.status": outcome.status,
            "asyncload.dataset": event.dataset,
            **bucket,
        },
        error,
        children=tuple(_request_span(request, bucket) for request in requests),
    )


def _request_span(request: RequestMade, bucket: Attributes) -> Span:
    return Span(
        f"S3.{request.name}",
        request.began,
        request.began + int(request.seconds * 1e9),
        {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "rpc.method": request.name,
            "http.request.body.size": request.size,
            **({"aws.s3.key": request.key} if request.key else {}),
            **({"error.type": request.error} if request.error else {}),
            **bucket,
        },
        request.error,
        is_request=True,
    )


def _valid(text: str) -> str:
    """Return a text without bytes that are not UTF-8, which the protocol can't carry."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def sender(parent: Mapping[str, str]) -> Callable[[Span], None]:
    """Return a function that makes spans and sends them to the endpoint in `OTEL_*` variables.

    `parent` is the trace that the run is a part of, as W3C's `traceparent` and `tracestate`; it may
    be empty.
    """

    def send(span: Span) -> None:
        # Late: OpenTelemetry takes long to import, and is not always installed.
        from asyncload.reporting.machines.otlp import send_spans

        send_spans(span, parent)

    return send


def parent_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the trace that the environment names, as it is passed to child processes."""
    return {
        name: environment[name.upper()]
        for name in ("traceparent", "tracestate")
        if environment.get(name.upper())
    }
