"""The end of a command: its exit code, and with `--json` its summary record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from asyncload.cli.output import stdout, without_secrets
from asyncload.errors import AsyncloadError, InternalError, Interrupted
from asyncload.reporting.records import EMPTY_TOTALS, summary_record, to_json
from asyncload.source.threads import out_of_threads


def to_asyncload_error(error: BaseException) -> AsyncloadError:
    """Convert an exception that ended a command to an error with a message for users."""
    if isinstance(error, AsyncloadError):
        return error
    if (no_threads := out_of_threads(error)) is not None:
        # Raised in a library: while resolving a host name, or drawing progress.
        return no_threads
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        # A signal arrived before or after the event loop ran.
        return Interrupted(error.code - 128)
    return InternalError(
        without_secrets(f"internal error: {type(error).__name__}: {error}"),
        hint="please report it, with the traceback that ASYNCLOAD_TRACEBACK=1 prints",
    )


class Ending:
    """Writes the summary record of a command run with `--json`, also after an error or a signal.

    A context manager around the whole command. The body sets `exit_code` if it succeeds, and
    `totals` to a function that returns the command's fields of the summary.

    Args:
        command: its name; None if the command line names no known command.
        bucket: the bucket as given; None if none was given.
        json: whether `--json` was given.
    """

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
        self._command = command

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.json:
            self.write(to_asyncload_error(error) if error is not None else None)

    @property
    def seconds(self) -> float:
        """How long the command has run; changes to the system clock don't affect it."""
        return time.monotonic() - self._begun

    def write(self, failure: AsyncloadError | None) -> None:
        """Write the summary; `failure` is the error that ended the command, if any."""
        out = stdout()
        record = summary_record(
            self._command,
            self.totals(),
            bucket=self.bucket,
            started=self.started,
            finished=self.started + timedelta(seconds=self.seconds),
            exit_code=self.exit_code if failure is None else failure.exit_code,
            error=failure,
        )
        out.line(to_json(record))
        out.flush()
