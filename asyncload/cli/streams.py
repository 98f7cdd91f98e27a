"""Standard output and standard error whose writes never fail.

A full disk, a closed pipe or a closed descriptor must not end a load, no matter which code prints:
asyncload, Typer, Rich, a traceback, or the interpreter during shutdown. So the guard is the raw
file below all of them.
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

# A pipe that is writable accepts this many bytes without blocking.
_PIECE = select.PIPE_BUF
# Seconds between two checks for a signal.
_LOOK_SECONDS = 0.5
# After a signal, seconds to wait for a reader that does not read.
_HURRIED_SECONDS = 1.0


class GuardedFile(io.RawIOBase):
    """The raw file of a standard stream. Once a write fails, that and all later data is dropped.

    Writes wait for a slow reader, and for a non-blocking descriptor. The wait ends a second after
    `hurry`, so that a reader that does not read can't delay the end after a signal.

    Args:
        fd: the file descriptor.
        title: its name in warnings.
        lost: the reason why nothing can be written, if known in advance.

    Attributes:
        lost: the reason why data was dropped; "" if everything was written.
        required: whether another program needs all data written here.
        busy: whether a write is in progress; writing again from a signal handler would fail.
    """

    def __init__(self, fd: int, title: str, *, lost: str = "") -> None:
        super().__init__()
        self.lost = lost
        self.required = False
        self.busy = False
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
        """Wait for the reader at most one more second."""
        if self._until is None:
            self._until = time.monotonic() + _HURRIED_SECONDS

    def write(self, data: Any, /) -> int:
        """Write the data, or drop it if it can't be written; return its length in both cases."""
        left = memoryview(data).cast("B")
        size = len(left)
        self.busy = True
        while left and not self.lost:
            try:
                left = left[self._write_some(left) :]
            except BlockingIOError:
                # Another process has filled the pipe meanwhile.
                continue
            except OSError as error:
                self._give_up(error)
        self.busy = False
        return size

    def _write_some(self, data: memoryview) -> int:
        if self._never_waits:
            return os.write(self._fd, data)
        while not select.select([], [self._fd], [], _LOOK_SECONDS)[1]:
            if self._until is not None and time.monotonic() >= self._until:
                raise TimeoutError(0, "the reader does not read")
        return os.write(self._fd, data[:_PIECE])

    def _give_up(self, error: OSError) -> None:
        gone = isinstance(error, BrokenPipeError)
        self.lost = "the reader closed the pipe" if gone else error.strerror or str(error)
        # A reader that closes the pipe, such as `head`, knows that the output is incomplete.
        if not gone and self._fd == 1:
            print(f"warning: {self._title} is incomplete: {self.lost}", file=sys.stderr, flush=True)


def guard_standard_streams() -> None:
    """Put a guard below standard output and standard error.

    If a descriptor is closed when Python starts, it has no stream. Such descriptors are opened on
    the null device; otherwise the next file or socket would get that number, and receive text that
    a library or a child process prints.
    """
    _occupy_standard_descriptors()
    for title, (name, fd) in _STANDARD.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            _replace(name, GuardedFile(fd, title, lost="it was closed at the start"), "utf-8")
        elif stream is getattr(sys, f"__{name}__") and guard_of(stream) is None:
            stream.flush()
            _replace(name, GuardedFile(fd, title), stream.encoding)
        elif isinstance(stream, io.TextIOWrapper):  # pragma: no branch  # a test's, as ours are
            stream.reconfigure(errors="backslashreplace")


def guard_of(stream: object) -> GuardedFile | None:
    """Return the guard below a stream, or None if it has none."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, GuardedFile) else None


def can_be_drawn_on(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with a movable cursor.

    Rich draws nothing on a dumb terminal. A terminal of unknown type is assumed to be capable. The
    log of a CI system is none, even if it is made with a terminal.
    """
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def hurry_standard_streams() -> None:
    """Let each standard stream wait at most one more second for its reader."""
    for name, _ in _STANDARD.values():
        guard = guard_of(getattr(sys, name))
        if guard is not None:
            guard.hurry()


def standard_streams_are_busy() -> bool:
    """Return whether something is being written to a standard stream."""
    guards = [guard_of(getattr(sys, name)) for name, _ in _STANDARD.values()]
    return any(guard is not None and guard.busy for guard in guards)


def _replace(name: str, guard: GuardedFile, encoding: str) -> None:
    text = io.TextIOWrapper(
        io.BufferedWriter(guard),
        encoding=encoding,
        # A name that the terminal can't show must not cause a failure.
        errors="backslashreplace",
        line_buffering=name == "stderr" or guard.isatty(),
    )
    setattr(sys, name, text)


def _occupy_standard_descriptors() -> None:
    fd = os.open(os.devnull, os.O_RDWR)
    while fd <= 2:
        # Child processes must inherit it.
        os.set_inheritable(fd, True)
        fd = os.open(os.devnull, os.O_RDWR)
    os.close(fd)
