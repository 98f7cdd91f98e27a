"""How far a run is, while it runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from asyncload.model import (
    ConcurrencyChanged,
    Event,
    FileFinished,
    LoadStarted,
    PartKept,
    PartSent,
    Scanned,
)
from asyncload.report_text import format_size

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_SECONDS = 5.0
"""Time between two lines where there is no terminal."""


class ProgressView(Protocol):
    """Something that shows a run's events; a context for as long as it does."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_exception: object) -> None: ...

    def observe(self, event: Event) -> None:
        """Take an event in."""


class Advance:
    """Counts files and bytes done, so that no byte counts twice: not in parts and in a file.

    `throttled` says how few requests the store takes at once; "" where it takes all.
    """

    def __init__(self) -> None:
        self.files = 0
        self.size = 0
        self.files_done = 0
        self.size_done = 0
        self.throttled = ""
        self._in_parts: dict[str, int] = {}

    def count(self, event: Event) -> None:
        """Count an event in."""
        if isinstance(event, Scanned | LoadStarted):
            self.files, self.size = event.files, event.size
        elif isinstance(event, PartSent | PartKept):
            self._in_parts[event.path] = self._in_parts.get(event.path, 0) + event.size
            self.size_done += event.size
        elif isinstance(event, FileFinished):
            self.files_done += 1
            told = self._in_parts.pop(event.outcome.path, 0)
            self.size_done += event.outcome.size - told
        elif isinstance(event, ConcurrencyChanged):
            fewer = event.limit < event.ceiling
            self.throttled = (
                f"throttled: {event.limit} of {event.ceiling} requests at once" if fewer else ""
            )


class PlainProgress:
    """Writes a line now and then: `120 of 2,000 files, 1.2 GB of 20.0 GB, 310.0 MB/s, 61 s left`.

    Args:
        stream: where to.
        clock: tells seconds, from any start.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._advance = Advance()
        self._begun = self._told = clock()
        self._told_throttled = self._told - PLAIN_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing to take down: the lines stay."""

    def observe(self, event: Event) -> None:
        """Take an event in, and write a line where one is due."""
        self._advance.count(event)
        now = self._clock()
        if isinstance(event, LoadStarted):
            self._begun = self._told = now
            self._write(f"found {event.files:,} CSVs, {format_size(event.size)}")
        elif isinstance(event, Scanned | PartSent | PartKept | FileFinished):
            if now - self._told < PLAIN_SECONDS:
                return
            self._told = now
            if isinstance(event, Scanned):
                self._write(f"found {event.files:,} CSVs so far")
            else:
                self._write(self._line(now))
        elif self._advance.throttled and now - self._told_throttled >= PLAIN_SECONDS:
            # At once: until the store recovers, nothing else may happen that has a line.
            self._told_throttled = now
            self._write(self._advance.throttled)

    def _line(self, now: float) -> str:
        done, seconds = self._advance, now - self._begun
        rate = done.size_done / seconds
        line = (
            f"{done.files_done:,} of {done.files:,} files, {format_size(done.size_done)} of "
            f"{format_size(done.size)}, {format_size(round(rate))}/s"
        )
        left = done.size - done.size_done
        if rate > 0 and left > 0:
            line += f", {left / rate:.0f} s left"
        return f"{line}, {done.throttled}" if done.throttled else line

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """Draws bar, bytes, files, rate and time left on a terminal, by Rich."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream),
            transient=True,
            # Rich would write the lines of standard output here: those of a file or a pipe, too.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("looking for CSVs", total=None)
        self._advance = Advance()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def observe(self, event: Event) -> None:
        """Take an event in, and let the display show it at its next turn."""
        done = self._advance
        done.count(event)
        if isinstance(event, Scanned):
            self._progress.update(self._task, description=f"found {event.files:,} CSVs")
        elif isinstance(event, LoadStarted):
            self._progress.reset(self._task, total=event.size)
        if isinstance(event, LoadStarted | PartSent | PartKept | FileFinished | ConcurrencyChanged):
            throttled = f" ({done.throttled})" if done.throttled else ""
            self._progress.update(
                self._task,
                completed=done.size_done,
                description=f"{done.files_done:,} of {done.files:,} files{throttled}",
            )
