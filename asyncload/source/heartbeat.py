"""The state shared by a reader thread and its waiter."""

from __future__ import annotations

import threading

from asyncload.errors import SourceStalled

STALLED_SECONDS = 30.0
"""In seconds; work without progress for so long is given up."""


class GivenUp(Exception):
    """No one waits for this work any more: it must end without side effects."""


class Heartbeat:
    """Counts the progress of work in a thread.

    Attributes:
        beats: the number of steps so far.
        at: the path in work, if known.
        thread: the working thread; None before it has begun, or begun again.
        given_up: no one waits any more; the next beat ends the work.
    """

    def __init__(self) -> None:
        self.beats = 0
        self.at = ""
        self.thread: threading.Thread | None = None
        self.given_up = False

    @property
    def begun(self) -> bool:
        """Whether a thread has started the work."""
        return self.thread is not None

    def rest(self) -> None:
        """Forget the thread: the next work has not begun."""
        self.thread = None

    def begin(self) -> None:
        """Record that the work has begun, in this thread.

        Raises:
            GivenUp: no one waits for it any more.
        """
        self.thread = threading.current_thread()
        self.beat()

    def beat(self, at: str = "") -> None:
        """Record progress.

        Raises:
            GivenUp: no one waits for it any more. A thread that was stuck must learn this before it
                continues, because its file may be closed by now.
        """
        if self.given_up:
            raise GivenUp
        self.at = at
        self.beats += 1


def unwatched(_at: str = "") -> None:
    """Ignore progress, for work without a time limit."""


def stalled(why: str) -> SourceStalled:
    """Return the error of work that was given up."""
    return SourceStalled(
        f"reading has stalled: {why}", hint="check the mount and its server, then run again"
    )


def scan_stalled(at: str, error: SourceStalled) -> SourceStalled:
    """Return the error of a scan that was given up at a path below the volume."""
    where = at or "."
    return SourceStalled(f"the volume can't be scanned, at {where!r}: {error}", hint=error.hint)
