"""Where a command's words go: results to standard output, all else to standard error."""

from __future__ import annotations

import sys
from typing import TextIO


class Output:
    """Writes lines to a stream, and stops in silence once nobody reads them any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._closed = False

    def line(self, text: str) -> None:
        """Write one line."""
        if self._closed:
            return
        try:
            self._stream.write(f"{text}\n")
        except BrokenPipeError:
            self._closed = True

    def flush(self) -> None:
        """Pass on what was written."""
        if self._closed:
            return
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._closed = True


def stdout() -> Output:
    """Return standard output as it is now."""
    return Output(sys.stdout)


def stderr() -> Output:
    """Return standard error as it is now."""
    return Output(sys.stderr)
