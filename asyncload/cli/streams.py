"""Standard output and standard error whose writes never fail.

What is loaded matters more than what is said about it: a full disk, a reader that went away or a
closed descriptor must not end a load, whoever prints: asyncload, Typer, Rich, a traceback, or the
interpreter as it shuts down. So the guard is the file below all of them.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from typing import Any, TextIO

_STANDARD = {"standard output": ("stdout", 1), "standard error": ("stderr", 2)}

# What a pipe takes without blocking once it is writable at all.
_PIECE = select.PIPE_BUF
# In seconds, between two looks at whether a signal has come.
_LOOK_SECONDS = 0.5
# What a reader that does not read gets, in seconds, once a signal has asked the process to end.
_HURRIED_SECONDS = 1.0


class GuardedFile(io.RawIOBase):
    """The file of a standard stream. Data that can't be written is dropped, with all that follows.

    A descriptor that is non-blocking is waited for, as a slow reader is. The wait ends a second
    after `hurry`: a reader that does not read must not delay the end that a signal asks for.

    Args:
        fd: its descriptor.
        title: its name in a warning.
        lost: why nothing can be written, if that is known.

    Attributes:
        lost: why something was dropped; "" while everything was written.
        required: whether a program waits for what is written here, down to the last byte.
    """

    def __init__(self, fd: int, title: str, *, lost: str = "") -> None:
        super().__init__()
        self.lost = lost
        self.required = False
        self._fd = fd
        self._title = title
        self._until: float | None = None
        self._never_waits = not lost and stat.S_ISREG(os.fstat(fd).st_mode)

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return not self.lost and os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def hurry(self) -> None:
        """Wait for the reader for one more second at the most."""
        if self._until is None:
            self._until = time.monotonic() + _HURRIED_SECONDS

    def write(self, data: Any, /) -> int:
        """Write all of the data, or drop what can't be written; return its length either way."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left and not self.lost:
            try:
                left = left[self._write_some(left) :]
            except BlockingIOError:
                # Someone else has filled it in the meantime.
                continue
            except OSError as error:
                self._give_up(error)
        return size

    def _write_some(self, data: memoryview) -> int:
        if self._never_waits:
            return os.write(self._fd, data)
        while not select.select([], [self._fd], [], _LOOK_SECONDS)[1]:
            if self._until is not None and time.monotonic() >= self._until:
                raise TimeoutError(0, "its reader does not read")
        return os.write(self._fd, data[:_PIECE])

    def _give_up(self, error: OSError) -> None:
        gone = isinstance(error, BrokenPipeError)
        self.lost = "its reader went away" if gone else error.strerror or str(error)
        # A reader that closes a pipe, as `head` does, knows that more would have come.
        if not gone and self._fd == 1:
            print(f"warning: {self._title} is cut short: {self.lost}", file=sys.stderr, flush=True)


def guard_standard_streams() -> None:
    """Put a guard below standard output and standard error.

    Python has none for a descriptor that is closed when it starts. Such descriptors lead to the
    null device from now on, or the next file or socket would get the number, and whatever a
    library or a child process writes to it.
    """
    _occupy_standard_descriptors()
    for title, (name, fd) in _STANDARD.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            _replace(name, GuardedFile(fd, title, lost="it is closed"), "utf-8")
        elif stream is getattr(sys, f"__{name}__") and guard_of(stream) is None:
            stream.flush()
            _replace(name, GuardedFile(fd, title), stream.encoding)
        elif isinstance(stream, io.TextIOWrapper):  # pragma: no branch  # a test's, as ours are
            stream.reconfigure(errors="backslashreplace")


def guard_of(stream: object) -> GuardedFile | None:
    """Return the guard below a stream, or None where there is none."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, GuardedFile) else None


def can_be_drawn_on(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose cursor can move.

    Rich would draw nothing on a dumb one. A terminal without a name is taken for a usual one.
    """
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def hurry_standard_streams() -> None:
    """Have no standard stream wait for its reader for more than another second."""
    for name, _ in _STANDARD.values():
        guard = guard_of(getattr(sys, name))
        if guard is not None:
            guard.hurry()


def _replace(name: str, guard: GuardedFile, encoding: str) -> None:
    text = io.TextIOWrapper(
        io.BufferedWriter(guard),
        encoding=encoding,
        # A name that the terminal can't show is no reason to fail.
        errors="backslashreplace",
        line_buffering=name == "stderr" or guard.isatty(),
    )
    setattr(sys, name, text)


def _occupy_standard_descriptors() -> None:
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        # For child processes, too.
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
