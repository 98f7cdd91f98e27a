"""Note termination signals from the start of the program to its end, so that none is lost.

A signal is raised as `Signalled`, except while an exception could get lost, as in an import: then
it is held. This module imports next to nothing, because a signal that arrives earlier ends the
process without a message.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
"""The signals that end a run."""

# A write to a standard stream ends a second after a signal at the latest.
_BUSY_SECONDS = 1.5
_AGAIN_SECONDS = 0.02


class Signalled(SystemExit):
    """A signal arrived outside of an event loop. The exit code is 128 and its number."""

    code: int

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum


class _State:
    """What is known of signals; they belong to the whole process."""

    received: int | None = None
    held = False
    ends = False
    last_words: Callable[[int], None] | None = None
    hurry: Callable[[], None] | None = None


def exit_on_signals() -> None:
    """Exit on a signal that arrives before or after `run_interruptible`.

    Without this, Python ignores SIGTERM if it is process 1 of a container.
    """
    _State.received = None
    _State.held = _State.ends = False
    handle_signals(_exit)


def handle_signals(
    handler: Callable[[int, FrameType | None], Any] | signal.Handlers,
) -> None:
    """Set the handler of the signals, except those that were ignored at the start."""
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, handler)


def prepare_last_words(last_words: Callable[[int], None], hurry: Callable[[], None]) -> None:
    """Set the functions that write what a process ends with, and that end waits for readers."""
    _State.last_words, _State.hurry = last_words, hurry


def hold_signals() -> None:
    """Only note a signal from now on; a second one ends the process once it has last words."""
    _State.held = True


def release_signals() -> None:
    """Raise `Signalled` if a signal was held, and on each one from now on.

    Raises:
        Signalled: a signal was held.
    """
    _State.held = False
    if _State.received is not None:
        raise Signalled(_State.received)


def held_signal() -> int | None:
    """Return the last signal, if one arrived: it was held, or the exception for it got lost."""
    return _State.received


def ignore_signals() -> None:
    """Ignore signals from now on: the program ends, and only writes that are bounded follow."""
    _State.ends = True


def end_at_once(signum: int) -> None:
    """End the process without any cleanup, after its last words; called by a signal's handler.

    If the signal interrupted a write to a standard stream, this returns; the process ends after
    that write, at most 1.5 s later.
    """
    until = time.monotonic() + _BUSY_SECONDS

    def end(*_: object) -> None:
        try:
            assert _State.last_words is not None
            _State.last_words(signum)
        except Exception:
            if time.monotonic() < until:
                signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
                return
        os._exit(128 + signum)

    _State.ends = True
    signal.signal(signal.SIGALRM, end)
    end()


def exit_with(code: int) -> NoReturn:
    """Exit; signals don't change the exit code any more, but end waits for threads."""
    handle_signals(lambda *_: os._exit(code))
    # The interpreter's own end would restore the default handlers, which end the process.
    atexit.register(lambda: handle_signals(signal.SIG_IGN))
    sys.exit(code)


def _exit(signum: int, _: FrameType | None) -> None:
    if _State.hurry is not None:
        _State.hurry()
    if _State.ends:
        return
    again = _State.received is not None
    _State.received = signum
    if not _State.held:
        raise Signalled(signum)
    # Before there are last words, the imports that are in progress are awaited.
    if again and _State.last_words is not None:
        end_at_once(signum)
