"""Where a command's words go: results to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from asyncload.cli.streams import guard_of
from asyncload.errors import AsyncloadError
from asyncload.model.values import Warned
from asyncload.reporting.text import format_error, printable, warning_lines

# Less is in use for tests and toys, and may be part of any word.
_MIN_SECRET = 8


class Output:
    """Writes lines to a stream. That never fails: see `streams`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        """Write one line."""
        self._stream.write(f"{text}\n")

    def flush(self) -> None:
        """Pass on what was written."""
        self._stream.flush()


def stdout() -> Output:
    """Return standard output as it is now."""
    return Output(sys.stdout)


def stderr() -> Output:
    """Return standard error as it is now."""
    return Output(sys.stderr)


def warn(warned: Warned) -> None:
    """Write a warning to standard error, at once."""
    out = stderr()
    for line in warning_lines(warned):
        out.line(line)
    out.flush()


def require_report(wanted: bool) -> bool:
    """Count standard output as a report for a program, if that is wanted."""
    guard = guard_of(sys.stdout)
    if guard is not None:
        guard.required = wanted
    return wanted


def final_exit_code(code: int) -> int:
    """Write what is still to be written, and return the exit code of the process.

    It is the command's, but a success turns into 3 where a report for a program is cut short: the
    program must not take the part that it has for all.
    """
    sys.stdout.flush()
    guard = guard_of(sys.stdout)
    if guard is not None and guard.required and guard.lost and code == 0:
        error = AsyncloadError(
            f"the JSON report on standard output is cut short: {guard.lost}",
            hint="apart from that the command succeeded; run it again for a whole report",
        )
        stderr().line(f"error: {format_error(error)}")
        code = 3
    sys.stderr.flush()
    return code


def print_traceback(error: Exception) -> None:
    """Write where an error came from to standard error."""
    # Late: it is hardly ever asked for.
    import traceback

    out = stderr()
    for line in "".join(traceback.format_exception(error)).splitlines():
        out.line(printable(without_secrets(line)))


def without_secrets(text: str) -> str:
    """Return a text without the secrets of the environment.

    Whatever a store repeats to us is redacted in `s3`, where all secrets are known. This is for
    errors that nobody foresaw.
    """
    # Late: it is hardly ever asked for.
    from asyncload.s3.auth.redaction import Secrets

    secrets = Secrets()
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        secrets.add_value(os.environ.get(name), min_length=_MIN_SECRET)
    return secrets.mask(text)
