"""One invocation: an event becomes a command, and its exit code the result of the invocation."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from asyncload.aws_lambda.commands import COMMANDS, Context, Work
from asyncload.aws_lambda.events import read_event
from asyncload.aws_lambda.logs import Log
from asyncload.aws_lambda.wording import Wording
from asyncload.cli.ending import to_asyncload_error
from asyncload.cli.output import without_secrets
from asyncload.cli.variables import forget_empty_variables, unknown_variables
from asyncload.errors import AsyncloadError, InternalError
from asyncload.model.values import Event
from asyncload.reporting.records import EMPTY_TOTALS, notice_record, summary_record, warning_record
from asyncload.reporting.report import Report
from asyncload.reporting.text import format_count, printable

_MAX_MESSAGE = 1000
"""Characters. A dead-letter queue receives the first KiB of a message."""


class InvocationFailed(Exception):
    """The command did not end with exit code 0, so the invocation fails and is retried.

    The class that is raised is a subclass with the name of the error, which Lambda reports as the
    error's type.
    """


def handler(event: object, context: Context) -> dict[str, Any]:
    """Run the command that an event names, and return its summary record.

    Lambda repeats a failed asynchronous invocation twice. Repeating is safe: the same event has the
    same date, and what is in the bucket is not sent again.

    Args:
        event: `{"command": "run", ...}`, see `events`.
        context: Lambda's context of the invocation.

    Raises:
        InvocationFailed: the exit code was not 0; type and message say why, and what to do.
    """
    return _Invocation(Log(context.aws_request_id)).run(event, context)


class _Invocation:
    """The state of one invocation. Nothing of it outlives the invocation."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._started = datetime.now(UTC)
        self._begun = time.monotonic()
        self._command: str | None = None
        self._work: Work | None = None

    def run(self, event: object, context: Context) -> dict[str, Any]:
        try:
            report = self._do(event, context)
        except Exception as error:  # each one is reported, and raised again
            self._fail(error)
        if report.exit_code:
            self._fail_incomplete(report)
        return self._summarize(report.exit_code, None)

    def _do(self, event: object, context: Context) -> Report:
        forget_empty_variables()
        for warning in unknown_variables(os.environ):
            self._log.write("WARN", warning_record(warning))
        command = event.get("command") if isinstance(event, dict) else None
        if isinstance(command, str) and command in COMMANDS:
            self._command = command
        read = read_event(event, os.environ, COMMANDS)
        self._log.wording = Wording(read.arguments)
        work = self._work = COMMANDS[read.command](read, context)
        if work.notice:
            self._log.write("INFO", notice_record(work.notice))

        def observe(event: Event) -> None:
            work.report.observe(event)
            self._log.observe(event, work.report)

        return asyncio.run(work.start(observe))

    def _summarize(self, exit_code: int, error: AsyncloadError | None) -> dict[str, Any]:
        """Log and return the summary record."""
        work = self._work
        totals = work.totals() if work else EMPTY_TOTALS.get(self._command, dict)()
        summary = summary_record(
            self._command,
            totals,
            bucket=work.bucket if work else None,
            started=self._started,
            finished=self._started + timedelta(seconds=time.monotonic() - self._begun),
            exit_code=exit_code,
            error=error,
        )
        return self._log.write("ERROR" if exit_code else "INFO", summary)

    def _fail(self, error: Exception) -> NoReturn:
        ours = to_asyncload_error(error)
        if isinstance(ours, InternalError):
            self._log.write_traceback(error)
        self._summarize(ours.exit_code, ours)
        self._raise(type(ours).__name__, ours, ours.exit_code)

    def _fail_incomplete(self, report: Report) -> NoReturn:
        self._summarize(report.exit_code, None)
        assert self._work is not None, "it has run"
        kind, error = describe_incomplete(report, self._work.found)
        self._raise(kind, error, report.exit_code)

    def _raise(self, kind: str, error: AsyncloadError, exit_code: int) -> NoReturn:
        """Raise an exception of a class with the name `kind`."""
        wording = self._log.wording
        parts = [f"{wording.text(error.message)} (exit code {exit_code})."]
        if hint := wording.text(error.hint):
            parts.append(f"{hint[0].upper()}{hint[1:]}.")
        if self._work and self._work.report.manifest:
            parts.append(f"Manifest: s3://{self._work.bucket}/{self._work.report.manifest}")
        text = without_secrets(printable(" ".join(parts)))
        if len(text) > _MAX_MESSAGE:
            text = f"{text[:_MAX_MESSAGE]}..."
        raised: Mapping[str, str] = {"__module__": __name__}
        # Without a cause: Lambda would only log it as well.
        raise type(kind, (InvocationFailed,), dict(raised))(text) from None


def describe_incomplete(report: Report, found: str) -> tuple[str, AsyncloadError]:
    """Return a kind and an error for a run that ended, but not with exit code 0.

    Args:
        report: the run's totals.
        found: the word for one object to store.
    """
    if report.failures:
        first, failed = report.failures[0], report.counts["failed"]
        total = format_count(report.files, found)
        text = f"{failed:,} of {total} failed. {first.path}: {first.error.message}"
        return f"{found.title()}sFailed", AsyncloadError(text, hint=first.error.hint)
    if report.markers_failed:
        markers, error = len(report.markers_failed), report.markers_failed[0].error
        text = f"{format_count(markers, 'success marker')} could not be written. {error.message}"
        return "MarkersFailed", AsyncloadError(text, hint=error.hint)
    path, reason = report.kept_sources[0]
    sources = format_count(report.sources_failed, "source file")
    text = f"{sources} could not be deleted or moved. {path}: {reason}"
    return "SourcesFailed", AsyncloadError(text, hint="their objects are verified")
