"""What all outputs for machines have in common: they never fail a run, and never delay it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from asyncload.errors import AsyncloadError
from asyncload.model.values import Event, Warned
from asyncload.reporting.report import Report

# Calls that wait for a thread that is stuck; the oldest are dropped.
_MAX_WAITING = 100


class RunEnd(NamedTuple):
    """The end of a command. `error` is the one that ended it, None if it succeeded.

    `summary` returns its summary record, with the warnings so far.
    """

    exit_code: int
    error: AsyncloadError | None
    started: datetime
    finished: datetime
    report: Report
    summary: Callable[[], Mapping[str, Any]]

    @property
    def seconds(self) -> float:
        """How long the command took."""
        return (self.finished - self.started).total_seconds()


class Outlet(Protocol):
    """An output for machines. Its methods raise nothing and return at once, except `close`."""

    def observe(self, event: Event, report: Report, /) -> None:
        """Take an event that the report has counted."""

    def end(self, end: RunEnd) -> None:
        """Take the end of the command."""

    def close(self, seconds: float) -> Iterator[Warned]:
        """Wait for all output, at most so many seconds; then yield what went wrong."""


class Delivery:
    """Makes calls that may block in a thread of its own, one after the other.

    The thread ends when nothing is left to do: a process with a single thread can be copied.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: deque[Callable[[], None]] = deque(maxlen=_MAX_WAITING)
        self._changed = threading.Condition()
        self._working = False
        self._errors: list[str] = []

    def submit(self, call: Callable[[], None]) -> None:
        """Make a call soon; what it raises is kept as text."""
        with self._changed:
            self._waiting.append(call)
            if self._working:
                return
            try:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            except RuntimeError as error:
                self._waiting.clear()
                self._errors.append(str(error))
            else:
                self._working = True

    def close(self, seconds: float) -> list[str]:
        """Wait for all calls, at most so many seconds; return the different errors."""
        until = time.monotonic() + seconds
        with self._changed:
            if not self._changed.wait_for(self._is_idle, max(0.0, until - time.monotonic())):
                self._waiting.clear()
                self._errors.append("it takes too long")
            return list(dict.fromkeys(self._errors))

    def _is_idle(self) -> bool:
        return not self._working

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._working = False
                    self._changed.notify_all()
                    return
                call = self._waiting.popleft()
            try:
                call()
            except OSError as error:
                self._errors.append(error.strerror or str(error))
            except Exception as error:  # a bug here must not be one of the run
                self._errors.append(f"{type(error).__name__}: {error}")
