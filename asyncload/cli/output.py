"""Where a command's words go: results to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from asyncload.report_text import printable

# Less is in use for tests and toys, and may be part of any word.
_LEAST_SECRET = 8


class Output:
    """Writes lines to a stream, and stops once nobody reads them or there is no room for them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._closed = False

    def line(self, text: str) -> None:
        """Write one line."""
        if self._closed:
            return
        try:
            self._stream.write(f"{text}\n")
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Pass on what was written."""
        if self._closed:
            return
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without the stream: what is loaded matters more than what is told of it."""
        self._closed = True
        # What it still holds must not fail once more when the interpreter goes down.
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if not isinstance(error, BrokenPipeError) and self._stream is not sys.stderr:
            stderr().line(f"warning: standard output is cut short: {error.strerror}")


def stdout() -> Output:
    """Return standard output as it is now."""
    return Output(sys.stdout)


def stderr() -> Output:
    """Return standard error as it is now."""
    return Output(sys.stderr)


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
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        secret = os.environ.get(name, "")
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "***")
    return text
