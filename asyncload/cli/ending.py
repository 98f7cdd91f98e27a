"""How a command ends: by an exit code, and by a summary where JSON was asked for."""

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


def as_our_error(error: BaseException) -> AsyncloadError:
    """Return what ended a command as an error with a message of our own."""
    if isinstance(error, AsyncloadError):
        return error
    if (none_left := out_of_threads(error)) is not None:
        # Of a library's: to look up a host's name, or to draw.
        return none_left
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        # By a signal, before or after the event loop ran.
        return Interrupted(error.code - 128)
    return InternalError(
        without_secrets(f"internal error: {type(error).__name__}: {error}"),
        hint="please report it, with what ASYNCLOAD_TRACEBACK=1 makes it print",
    )


class Ending:
    """Writes the summary of a command that was asked for JSON, however it ends.

    A context around all that the command does. In it, `exit_code` is set where it ends well, and
    `totals` to what the command came to so far.

    Args:
        command: its name; None where none of that name exists.
        bucket: as it was given; None where it was not.
        json: whether JSON was asked for.
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
            self.write(as_our_error(error) if error is not None else None)

    @property
    def seconds(self) -> float:
        """How long the command has run, whatever was done to the clock."""
        return time.monotonic() - self._begun

    def write(self, failure: AsyncloadError | None) -> None:
        """Write the summary of a command that ended, by `failure` if any."""
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
