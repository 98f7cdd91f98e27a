"""Show a run's progress as plain lines, and measure it; see `live` for the view on a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self, TextIO

from asyncload.model.values import (
    ConcurrencyChanged,
    Event,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    PartKept,
    PartSent,
    Scanned,
    Uploaded,
)
from asyncload.reporting.text import describe_limit, format_count, format_size

PLAIN_SECONDS = 5.0
"""Seconds between two lines at first, if there is no terminal; see `seconds_between_lines`."""

# Rate and remaining time are computed over the last seconds.
_WINDOW_SECONDS = 30.0
# The remaining time is shown once one of these is reached.
_ENOUGH_DONE = 0.05
_ENOUGH_SECONDS = 30.0


class ProgressView(Protocol):
    """Shows a run's events while its context is active."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exception: object) -> None: ...

    def observe(self, event: Event) -> None:
        """Show an event."""


class Advance:
    """Counts finished files and bytes; no byte counts twice, as part and as file.

    A part that is sent again counts once, and a file that has grown since the scan counts with its
    size at the scan. So `size_done` never decreases, and ends at `size`. `size_sent` counts all
    bytes sent over the network, including repetitions. `failed` is a number of files. `is_early` is
    whether files are loaded while the volume is scanned: `files` and `size` still grow. `throttled`
    describes a reduced request limit, "" if the store does not throttle. `at_once` describes the
    limit that was chosen automatically, "" if it is not yet known or was given by the user.
    """

    def __init__(self) -> None:
        self.files = 0
        self.size = 0
        self.files_done = 0
        self.size_done = 0
        self.size_sent = 0
        self.failed = 0
        self.is_early = False
        self.throttled = ""
        self.at_once = ""
        self.in_parts: dict[str, InParts] = {}

    def count(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Scanned | LoadStartedEarly | LoadStarted):
            self.files, self.size = event.files, event.size
            if not isinstance(event, Scanned):
                self.is_early = isinstance(event, LoadStartedEarly)
        elif isinstance(event, PartSent | PartKept):
            self._count_part(event)
        elif isinstance(event, FileFinished):
            self._count_file(event)
        elif isinstance(event, ConcurrencyChanged):
            fewer = event.limit < event.ceiling
            self.throttled = (
                f"throttled: {event.limit} of {event.ceiling} concurrent requests" if fewer else ""
            )
            self.at_once = "" if fewer else describe_limit(event.limit, event.reason)

    def _count_part(self, event: PartSent | PartKept) -> None:
        file = self.in_parts.setdefault(event.path, InParts(planned=event.planned or 0))
        before = file.done
        if event.number not in file.numbers:
            # Events without a part number are all counted.
            file.numbers |= {event.number} if event.number else set()
            file.size += event.size
            most = file.size if event.planned is None else event.planned
            file.done = max(before, min(file.size, most))
        self.size_done += file.done - before
        if isinstance(event, PartSent):
            self.size_sent += event.size

    def _count_file(self, event: FileFinished) -> None:
        outcome = event.outcome
        file = self.in_parts.pop(outcome.path, None) or InParts()
        self.files_done += 1
        self.failed += isinstance(outcome, Failed)
        planned = outcome.size if event.planned is None else event.planned
        self.size_done += max(0, planned - file.done)
        if isinstance(outcome, Uploaded) and not file.size:
            self.size_sent += outcome.size


@dataclass(slots=True)
class InParts:
    """A file in parts: the part numbers counted, their bytes, and the bytes that count as done.

    `planned` is its size in the plan, 0 if it is not known.
    """

    numbers: set[int] = field(default_factory=set)
    size: int = 0
    done: int = 0
    planned: int = 0


def seconds_between_lines(elapsed: float) -> float:
    """Return how long to wait for the next line, after so many seconds of a run.

    A run of hours must not fill a log: a line is due every 5 s in the first minute, every 30 s in
    the first ten, and then every minute.
    """
    if elapsed <= 60:
        return PLAIN_SECONDS
    return 30.0 if elapsed <= 600 else 60.0


class PlainProgress:
    """Writes a line every 5 s: `120 of 2,000 files, 1.2 GB of 20.0 GB, 310.0 MB/s, 61 s left`.

    Later the lines are less frequent.

    Args:
        stream: the stream to write to.
        clock: returns seconds, like `time.monotonic`.
        found: a word for what the run finds, in the singular.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, found: str = "CSV"
    ) -> None:
        self._stream = stream
        self._found = found
        self._clock = clock
        self._advance = Advance()
        self._started = self._written = clock()
        self._written_throttled = self._written - PLAIN_SECONDS
        self._speed = Speed(self._written)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing to clean up: the lines stay."""

    def observe(self, event: Event) -> None:
        """Count an event, and write a line if one is due."""
        was_early = self._advance.is_early
        self._advance.count(event)
        now = self._clock()
        if isinstance(event, LoadStartedEarly | LoadStarted):
            if not was_early:
                self._started = self._written = now
                self._speed = Speed(now)
            found = f"found {format_count(event.files, self._found)}"
            if isinstance(event, LoadStarted):
                self._write(f"{found}, {format_size(event.size)}")
            elif not was_early:
                self._write(f"{found} so far, loading begins while the volume is scanned")
        elif isinstance(event, Scanned | PartSent | PartKept | FileFinished):
            if now - self._written < seconds_between_lines(now - self._started):
                return
            self._written = now
            if isinstance(event, Scanned) and not was_early:
                self._write(f"found {format_count(event.files, self._found)} so far")
            else:
                self._write(self._line(now))
        elif self._advance.throttled and now - self._written_throttled >= PLAIN_SECONDS:
            # Write at once: no other line may follow until the store recovers.
            self._written_throttled = now
            self._write(self._advance.throttled)

    def _line(self, now: float) -> str:
        done = self._advance
        rate, left = self._speed.measure(now, done)
        failed = f" ({done.failed:,} failed)" if done.failed else ""
        line = (
            f"{done.files_done:,} of {format_count(done.files, 'file')}"
            f"{' found so far' * done.is_early}{failed}, "
            f"{format_size(done.size_done)} "
            f"of {format_size(done.size)}, {format_size(round(rate))}/s"
        )
        if left is not None:
            line += f", {format_seconds(left)} left"
        at_once = done.throttled or done.at_once
        return f"{line}, {at_once}" if at_once else line

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class _Mark(NamedTuple):
    """The run's progress at one time."""

    at: float
    done: int
    sent: int


class Measured(NamedTuple):
    """Bytes sent per second, and the seconds left, None if it is too early for an estimate."""

    rate: float
    left: float | None


class Speed:
    """Measures how fast a run is, over the last half minute.

    Args:
        begun: the time in seconds at which the first request is made.
    """

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._marks = deque([_Mark(begun, 0, 0)])

    def measure(self, now: float, done: Advance) -> Measured:
        """Return the rate and the time left; `now` is later than the last time."""
        while len(self._marks) > 1 and now - self._marks[1].at >= _WINDOW_SECONDS:
            self._marks.popleft()
        since = self._marks[0]
        self._marks.append(_Mark(now, done.size_done, done.size_sent))
        left = seconds_left(
            done.size - done.size_done,
            pace=(done.size_done - since.done) / (now - since.at),
            share=done.size_done / done.size if done.size else 1.0,
            elapsed=now - self._begun,
        )
        # How much there is to do is known once the volume is scanned.
        left = None if done.is_early else left
        return Measured((done.size_sent - since.sent) / (now - since.at), left)


def seconds_left(left: int, *, pace: float, share: float, elapsed: float) -> float | None:
    """Return the estimated remaining seconds, None if it is too early for an estimate.

    Args:
        left: remaining bytes.
        pace: recent bytes per second.
        share: finished share of all bytes, from 0 to 1.
        elapsed: seconds since the first request.
    """
    if left <= 0 or pace <= 0:
        return None
    if share < _ENOUGH_DONE and elapsed < _ENOUGH_SECONDS:
        # Connections are still being opened: an estimate would be far too high.
        return None
    return left / pace


def format_seconds(seconds: float) -> str:
    """Format a duration in a suitable unit: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
