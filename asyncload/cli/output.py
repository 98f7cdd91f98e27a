"""A command's output: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from asyncload.cli.streams import guard_of
from asyncload.errors import AsyncloadError
from asyncload.model.values import Warned
from asyncload.reporting.text import format_error, printable, warning_lines

if TYPE_CHECKING:
    from asyncload.reporting.machines.log import Level
    from asyncload.s3.auth.redaction import Secrets

# Shorter values are used in tests, and could be part of any word.
_MIN_SECRET_LENGTH = 8
_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


class Output:
    """Writes lines to a stream. Writing never fails; see `streams`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        """Write one line."""
        self._stream.write(f"{text}\n")

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()


def stdout() -> Output:
    """Return the current standard output."""
    return Output(sys.stdout)


def stderr() -> Output:
    """Return the current standard error."""
    return Output(sys.stderr)


class _LogFormat:
    """The format of the log on standard error, which is shared by the whole program."""

    json = False


def use_log_format(name: str) -> str:
    """Write the log as lines of JSON from now on if `name` is `json`, else as text."""
    _LogFormat.json = name.lower() == "json"
    return name


def logs_json() -> bool:
    """Return whether the log is written as lines of JSON."""
    return _LogFormat.json


def warn(warning: Warned) -> None:
    """Write a warning to standard error and flush it."""
    log("warning", "warning", warning.message, warning_lines(warning), hint=warning.hint)


def note(text: str) -> None:
    """Write a notice to standard error and flush it."""
    log("notice", "info", text, [text])


def log(event: str, level: Level, message: str, lines: Iterable[str], **fields: Any) -> None:
    """Write an event to standard error as lines of text or as a line of JSON, and flush it."""
    out = stderr()
    if logs_json():
        # Late: most runs log text.
        from asyncload.reporting.machines.log import log_line

        lines = [log_line(event, level, message, fields)]
    for line in lines:
        out.line(line)
    out.flush()


def tell_failure(error: AsyncloadError) -> None:
    """Write an error that ends the program to standard error and flush it."""
    out = stderr()
    if logs_json():
        # Late, as above.
        from asyncload.reporting.machines.log import error_line

        out.line(error_line(error))
    else:
        out.line(f"error: {format_error(error)}")
    out.flush()


def require_report(wanted: bool) -> bool:
    """Record whether another program needs all of standard output (`--json`)."""
    guard = guard_of(sys.stdout)
    if guard is not None:
        guard.required = wanted
    return wanted


def final_exit_code(code: int) -> int:
    """Flush the standard streams, and return the exit code of the process.

    That is the command's exit code, except that 0 becomes 3 if a JSON report was cut short: the
    program that reads it must not mistake an incomplete report for a complete one.
    """
    sys.stdout.flush()
    guard = guard_of(sys.stdout)
    if guard is not None and guard.required and guard.lost and code == 0:
        error = AsyncloadError(
            f"the JSON report on standard output is incomplete: {guard.lost}",
            hint="the command itself succeeded; run it again for a complete report",
        )
        tell_failure(error)
        code = 3
    sys.stderr.flush()
    return code


def print_traceback(error: Exception) -> None:
    """Write the traceback of an error to standard error."""
    # Imported only when needed, which is rare.
    import traceback

    text = without_secrets("".join(traceback.format_exception(error)))
    lines = map(printable, text.splitlines())
    log("traceback", "error", "an internal error has a traceback", lines, traceback=text)


def without_secrets(text: str) -> str:
    """Return a text with the secrets of the environment masked.

    Text that a store sends back is redacted in `s3`, where all secrets are known. This function is
    for unexpected errors.
    """
    return secrets_of_environment().mask(text)


def secrets_of_environment() -> Secrets:
    """Return the secrets in the environment's variables, for masking several texts."""
    # Imported only when needed, which is rare.
    from asyncload.s3.auth.redaction import Secrets

    secrets = Secrets()
    for name, value in os.environ.items():
        if _is_secret(name):
            secrets.add_value(value, min_length=_MIN_SECRET_LENGTH)
    return secrets


def _is_secret(variable: str) -> bool:
    """Return whether a variable holds a secret; tokens of APIs are in variables of any name."""
    if variable.startswith(("AWS_", "ASYNCLOAD_")):
        # Others are names of files, and identifiers.
        return variable in _AWS_SECRETS
    # Imported only when needed, which is rare.
    from asyncload.settings.given import is_sensitive

    return is_sensitive(variable)
