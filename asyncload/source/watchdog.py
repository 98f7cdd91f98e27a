"""Examine a volume without an event loop, with a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from asyncload.source.heartbeat import Heartbeat, scan_stalled, stalled
from asyncload.source.threads import start

T = TypeVar("T")


def watched(function: Callable[[], T], heartbeat: Heartbeat, *, patience: float) -> T:
    """Call a function in a new thread; return its result or raise its error.

    A signal ends the process meanwhile; it does not wait for a thread that is stuck in a system
    call.

    Args:
        function: the function.
        heartbeat: beats with each progress, and knows the path in work.
        patience: the function is given up after so many seconds without progress.

    Raises:
        SourceStalled: it was given up.
        OutOfThreads: the system can't start the thread.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            # Any error belongs to the waiter.
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
