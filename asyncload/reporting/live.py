"""A live view of a run for a terminal: what is done, what is in flight, and what is waited for.

`Watching` counts events and decides what there is to see, without a terminal; `LiveProgress` draws
it a few times a second, in a thread of its own: events cost a run no drawing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asyncload.model.values import (
    Event,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    PartKept,
    PartSent,
    RunStarted,
    Scanned,
)
from asyncload.reporting.progress import Advance, Speed, format_seconds
from asyncload.reporting.report import Report, RequestsNow
from asyncload.reporting.text import format_count, format_size, printable

MIN_WIDTH, MAX_WIDTH = 20, 200

_PER_SECOND = 4
# Throughput is shown for a minute, in columns of so many seconds.
_COLUMNS, _COLUMN_SECONDS = 30, 2.0
_MAX_FILES = 8
# Lines besides those of files.
_OTHER_LINES = 6
# Without any progress for so many seconds, the view says what is waited for.
_PATIENCE = 3.0
_LEVELS, _ASCII_LEVELS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"


class Piece(NamedTuple):
    """A part of a line, with the name of its style."""

    text: str
    style: str = ""


Line = list[Piece]


class Throughput:
    """The bytes sent in each of the last columns of time."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._last = 0
        self._sent = [0] * _COLUMNS

    def add(self, now: float, size: int) -> None:
        """Count bytes that were sent just now."""
        if passed := self._passed(now):
            self._sent = self._sent[passed:] + [0] * passed
            self._last = int((now - self._begun) / _COLUMN_SECONDS)
        self._sent[-1] += size

    def columns(self, now: float) -> list[int]:
        """Return the bytes by column, the present one last; changes nothing."""
        passed = self._passed(now)
        return self._sent[passed:] + [0] * passed

    def _passed(self, now: float) -> int:
        return max(0, min(int((now - self._begun) / _COLUMN_SECONDS) - self._last, _COLUMNS))


def spark(values: list[int], levels: str) -> str:
    """Return a line with a character for each value; the largest is as high as possible."""
    most = max(values, default=0)
    top = len(levels) - 1
    return "".join(levels[-(-value * top // most) if most else 0] for value in values)


class Watching:
    """What there is to see of a run.

    Args:
        report: the run's; it knows the requests.
        clock: returns seconds, like `time.monotonic`.
        found: a word for what the run finds, in the singular.
        ascii_only: whether the terminal shows no other characters.
    """

    def __init__(
        self,
        report: Report,
        clock: Callable[[], float] = time.monotonic,
        *,
        found: str = "CSV",
        ascii_only: bool = False,
    ) -> None:
        self._report = report
        self._clock = clock
        self._found = found
        self._ascii = ascii_only
        self._advance = Advance()
        now = clock()
        self._begun = self._progressed = self._measured = now
        self._throughput = Throughput(now)
        self._speed = Speed(now)
        self._phase = "starting"

    def observe(self, event: Event) -> None:
        """Count an event."""
        done = self._advance
        sent, was_early = done.size_sent, done.is_early
        done.count(event)
        if isinstance(event, FileFinished | PartSent | PartKept):
            now = self._progressed = self._clock()
            self._phase = "loading"
            if done.size_sent > sent:
                self._throughput.add(now, done.size_sent - sent)
        elif was_early:
            # Between two portions there are files to come, or the bucket is listed.
            return
        elif isinstance(event, Scanned):
            self._phase = "scanning"
        elif isinstance(event, LoadStartedEarly | LoadStarted):
            now = self._begun = self._measured = self._clock()
            self._throughput, self._speed = Throughput(now), Speed(now)
            self._phase = "listing"
        elif isinstance(event, RunStarted):
            self._phase = "connecting"

    def lines(self, width: int, height: int) -> Iterator[Line]:
        """Yield the lines to show on a terminal of so many columns and rows."""
        width = max(MIN_WIDTH, min(width, MAX_WIDTH))
        for line in self._lines(width, height):
            yield _fitted(line, width)

    def _lines(self, width: int, height: int) -> Iterator[Line]:
        now, done = self._clock(), self._advance
        if self._phase in ("starting", "connecting", "scanning"):
            yield [Piece(self._before_the_load())]
            return
        yield self._bar(width)
        failed = [Piece(f" ({done.failed:,} failed)", "red")] if done.failed else []
        left = self._time_left(now)
        of_files = f"{done.files_done:,} of {format_count(done.files, 'file')}"
        of_files += " found so far" * done.is_early
        yield [Piece(of_files), *failed, Piece(left)]
        columns = self._throughput.columns(now)
        passed = min(_COLUMNS * _COLUMN_SECONDS, max(now - self._begun, 1.0))
        rate = format_size(round(sum(columns) / passed))
        levels = _ASCII_LEVELS if self._ascii else _LEVELS
        yield [Piece(f"{rate}/s "), Piece(spark(columns, levels), "cyan"), Piece(" last minute")]
        if requests := self._requests():
            yield requests
        yield from self._files(width, max(0, min(_MAX_FILES, height - _OTHER_LINES)))
        if waiting := self._waited_for(now):
            yield [Piece(waiting, "yellow")]

    def _before_the_load(self) -> str:
        if self._phase == "scanning":
            return f"looking for {self._found}s: {self._advance.files:,} found"
        return "connecting to the store" if self._phase == "connecting" else "starting"

    def _bar(self, width: int) -> Line:
        done = self._advance
        share = done.size_done / done.size if done.size else float(done.files_done >= done.files)
        text = f" {int(share * 100):3d} % {format_size(done.size_done)} of {format_size(done.size)}"
        room = max(width - len(text), 5)
        full = int(share * room)
        on, off = ("#", "-") if self._ascii else ("━", "─")
        return [Piece(on * full, "green"), Piece(off * (room - full), "dim"), Piece(text)]

    def _time_left(self, now: float) -> str:
        if now <= self._measured:
            return ""
        left = self._speed.measure(now, self._advance).left
        return "" if left is None else f", {format_seconds(left)} left"

    def _requests(self) -> Line:
        made = self._requests_now()
        if made is None:
            return []
        line = [Piece(f"{made.in_flight:,} of {format_count(made.limit, 'request')} in flight")]
        if made.retries:
            retries = f"{made.retries:,} {'retry' if made.retries == 1 else 'retries'}"
            line.append(Piece(f", {retries}", "yellow"))
        if self._advance.throttled:
            line.append(Piece(f" ({self._advance.throttled})", "yellow"))
        return line

    def _requests_now(self) -> RequestsNow | None:
        # Asked for once: the run ends in another thread.
        ask = self._report.requests_now
        return ask() if ask is not None else None

    def _files(self, width: int, most: int) -> Iterator[Line]:
        # A copy: the run adds to it while this thread draws.
        large = list(self._advance.in_parts.items())
        shown = large if len(large) <= most else large[: max(0, most - 1)]
        for path, file in shown:
            size = max(file.planned, file.done)
            share = file.done / size if size else 1.0
            text = f" {int(share * 100):3d} % of {format_size(size)}"
            name = _shortened(printable(path), max(8, width - 2 - cell_len(text)), self._ascii)
            yield [Piece(f"  {name}"), Piece(text, "dim")]
        if len(shown) < len(large):
            yield [Piece(f"  and {format_count(len(large) - len(shown), 'more large file')}")]

    def _waited_for(self, now: float) -> str:
        done = self._advance
        if self._phase == "listing":
            return "listing the bucket"
        if done.files_done >= done.files:
            if done.is_early:
                return f"looking for {self._found}s"
            return "writing the record of the run"
        seconds = now - self._progressed
        if seconds < _PATIENCE:
            return ""
        made = self._requests_now()
        what = "the volume" if made is not None and not made.in_flight else "the store"
        return f"waiting for {what} for {format_seconds(seconds)}"


def _shortened(name: str, width: int, ascii_only: bool) -> str:
    """Return a name that takes exactly so many columns, without its beginning if it is longer."""
    if cell_len(name) > width:
        dots = "..." if ascii_only else "…"
        while name and cell_len(name) > width - len(dots):
            name = name[1:]
        name = dots + name
    return set_cell_size(name, width)


def _fitted(line: Line, width: int) -> Line:
    """Return a line of at most so many columns."""
    fitted = []
    for text, style in line:
        if width <= 0:
            break
        kept = text if cell_len(text) <= width else set_cell_size(text, width)
        width -= cell_len(kept)
        fitted.append(Piece(kept, style))
    return fitted


class LiveProgress:
    """Draws a live view of a run with Rich.

    Args:
        stream: the terminal.
        report: the run's.
        clock: returns seconds, like `time.monotonic`.
        found: a word for what the run finds, in the singular.
    """

    def __init__(
        self,
        stream: TextIO,
        report: Report,
        clock: Callable[[], float] = time.monotonic,
        *,
        found: str = "CSV",
    ) -> None:
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        self._watching = Watching(report, clock, found=found, ascii_only=encoding != "utf8")
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            get_renderable=self._render,
            # Otherwise Rich would redirect standard output here, even if it is a file or a pipe.
            redirect_stdout=sys.stdout.isatty(),
        )
        self.observe = self._watching.observe

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """Draw now."""
        self._live.refresh()

    def _render(self) -> Group:
        size = self._console.size
        return Group(
            *(
                Text.assemble(*line, no_wrap=True, overflow="crop")
                for line in self._watching.lines(size.width - 1, size.height)
            )
        )
