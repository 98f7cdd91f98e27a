"""Looking at a volume without an event loop, never waiting for it for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from asyncload.source.heartbeat import Heartbeat, scan_stalled, stalled
from asyncload.source.threads import start

T = TypeVar("T")


def watched(function: Callable[[], T], heartbeat: Heartbeat, *, patience: float) -> T:
    """Call a function in a thread of its own; return what it returns, or raise what it raises.

    Meanwhile a signal ends the process, which waits for no thread that is stuck in a system call.

    Args:
        function: what is called.
        heartbeat: beats while it gets on, and says where it is.
        patience: it is given up where it did not get on for so many seconds.

    Raises:
        SourceStalled: it was given up.
        OutOfThreads: there is none for it.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            # Whatever it is: for whoever waits.
            errors.append(error)

    thread = threading.Thread(target=run, name="asyncload-reader", daemon=True)
    start(thread)
    seen = -1
    while thread.is_alive():
        if heartbeat.beats == seen:
            heartbeat.given_up = True
            raise scan_stalled(heartbeat.at, stalled(f"there was no answer for {patience:.0f} s"))
        seen = heartbeat.beats
        thread.join(patience)
    if errors:
        raise errors[0]
    return results[0]
