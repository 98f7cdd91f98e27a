"""What a reader thread and whoever waits for it know of each other."""

from __future__ import annotations

import threading

from asyncload.errors import SourceStalled

STALLED_SECONDS = 30.0
"""Work that did not get on for so long is given up."""


class GivenUp(Exception):
    """Nobody waits for this work any more: it ends without touching anything."""


class Heartbeat:
    """Beats while work in a thread gets on.

    Attributes:
        beats: how often.
        at: what is being looked at, where that was told.
        thread: the one that works; None before it has begun, or begun again.
        given_up: nobody waits any more; the next beat ends the work.
    """

    def __init__(self) -> None:
        self.beats = 0
        self.at = ""
        self.thread: threading.Thread | None = None
        self.given_up = False

    @property
    def begun(self) -> bool:
        """Whether a thread has taken the work up."""
        return self.thread is not None

    def rest(self) -> None:
        """Forget the thread: the next work has not begun."""
        self.thread = None

    def begin(self) -> None:
        """Tell that the work has begun, in this thread.

        Raises:
            GivenUp: too late.
        """
        self.thread = threading.current_thread()
        self.beat()

    def beat(self, at: str = "") -> None:
        """Tell that the work got on.

        Raises:
            GivenUp: nobody waits for it any more. A thread that was stuck has to find out before it
                goes on: its file may be closed by now.
        """
        if self.given_up:
            raise GivenUp
        self.at = at
        self.beats += 1


def unwatched(_at: str = "") -> None:
    """Tell nobody: of work that is waited for however long it takes."""


def stalled(why: str) -> SourceStalled:
    """Return the error of work that was given up."""
    return SourceStalled(
        f"reading has stalled: {why}", hint="check the mount and its server, then run again"
    )


def scan_stalled(at: str, error: SourceStalled) -> SourceStalled:
    """Return the error of a scan that was given up at a path below the volume."""
    where = at or "."
    return SourceStalled(f"the volume can't be scanned, at {where!r}: {error}", hint=error.hint)
