"""The end of a command: its exit code, and with `--json` its summary record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from asyncload.aio.shortage import out_of_memory
from asyncload.cli.interruption import Signalled, ignore_signals
from asyncload.cli.output import stdout, warn, without_secrets
from asyncload.errors import AsyncloadError, InternalError, Interrupted
from asyncload.reporting.records import EMPTY_TOTALS, summary_record, to_json
from asyncload.reporting.report import Report
from asyncload.source.threads import out_of_threads

if TYPE_CHECKING:
    # Imported only by commands that have any.
    from asyncload.reporting.machines.outlet import Outlet

# What the outputs for machines may take at the end, together, in seconds. An interrupted process
# may be killed soon.
_OUTLET_SECONDS = 5.0
_OUTLET_SECONDS_INTERRUPTED = 1.0
_FIRST_SIGNAL = 128


def to_asyncload_error(error: BaseException) -> AsyncloadError:
    """Convert an exception that ended a command to an error with a message for users."""
    if isinstance(error, AsyncloadError):
        return error
    if (no_threads := out_of_threads(error)) is not None:
        # Raised in a library: while resolving a host name, or drawing progress.
        return no_threads
    if (no_memory := out_of_memory(error)) is not None:
        return no_memory
    if isinstance(error, Signalled):
        return Interrupted(error.signum)
    return InternalError(
        without_secrets(f"internal error: {type(error).__name__}: {error}"),
        hint="please report it, with the traceback that ASYNCLOAD_TRACEBACK=1 prints",
    )


class Ending:
    """Writes what a command run for machines ends with, also after an error or a signal.

    That is the summary record with `--json`, and the end of each of `outlets`. A context manager
    around the whole command. The body sets `exit_code` if it succeeds, `totals` to a function that
    returns the command's fields of the summary, and `report` to the one that counts its events.
    `hurried` says that a signal ends it even if it succeeds.

    Args:
        command: its name; None if the command line names no known command.
        bucket: the bucket as given; None if none was given.
        json: whether `--json` was given.

    Attributes:
        current: the end of the command that this process runs; None before that.
    """

    current: ClassVar[Ending | None] = None

    def __init__(
        self,
        command: str | None,
        *,
        bucket: str | None,
        json: bool,
    ) -> None:
        self.started = datetime.now(UTC)
        self._begun = time.monotonic()
        self.exit_code = 0
        self.totals: Callable[[], Mapping[str, Any]] = EMPTY_TOTALS.get(command, dict)
        self.bucket = bucket
        self.json = json
        self.report = Report()
        self.outlets: list[Outlet] = []
        self.hurried = False
        self._command = command
        self._summary_due = json

    def __enter__(self) -> Self:
        Ending.current = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failure = to_asyncload_error(error) if error is not None else None
        try:
            self._end_outlets(failure)
        except Signalled as late:
            failure = to_asyncload_error(late)
            raise
        finally:
            ignore_signals()
            self.finish(failure)

    @property
    def seconds(self) -> float:
        """How long the command has run; changes to the system clock don't affect it."""
        return time.monotonic() - self._begun

    @property
    def _finished(self) -> datetime:
        return self.started + timedelta(seconds=self.seconds)

    def _exit_code_of(self, failure: AsyncloadError | None) -> int:
        return self.exit_code if failure is None else failure.exit_code

    def _end_outlets(self, failure: AsyncloadError | None) -> None:
        if not self.outlets:
            return
        from asyncload.reporting.machines.outlet import RunEnd

        code = self._exit_code_of(failure)
        end = RunEnd(
            code,
            failure,
            self.started,
            self._finished,
            self.report,
            partial(self._summary, failure),
        )
        for outlet in self.outlets:
            outlet.end(end)
        hurried = self.hurried or code > _FIRST_SIGNAL
        seconds = _OUTLET_SECONDS_INTERRUPTED if hurried else _OUTLET_SECONDS
        until = time.monotonic() + seconds
        for outlet in self.outlets:
            # The command has ended: a signal ends this wait only.
            with suppress(Signalled):
                for warning in outlet.close(max(0.0, until - time.monotonic())):
                    self.report.observe(warning)
                    warn(warning)

    def finish(self, failure: AsyncloadError | None) -> None:
        """Write the summary if JSON was requested and it is not written yet.

        `failure` is the error that ended the command, if any.
        """
        if self._summary_due:
            out = stdout()
            line = to_json(self._summary(failure))
            self._summary_due = False
            out.line(line)
            out.flush()

    def _summary(self, failure: AsyncloadError | None) -> dict[str, Any]:
        return summary_record(
            self._command,
            self.totals(),
            bucket=self.bucket,
            started=self.started,
            finished=self._finished,
            exit_code=self._exit_code_of(failure),
            error=failure,
        )
