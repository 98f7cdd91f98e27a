"""Figures of the files of a run, in bounded memory for any number of files. Pure."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter
from datetime import datetime
from math import ceil

from asyncload.reporting.manifest_reading import ManifestEntry

MAX_ROWS = 10_000
"""Maximum number of files in the table of objects."""

MAX_FAILED = 100
"""Maximum number of failed files that are named with their error."""

MAX_SLOWEST = 20
"""Maximum number of slowest files that are named."""

SIZES = (1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
"""Bounds of the groups of sizes, in bytes; the first group is empty files."""

TIMES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
"""Bounds of the groups of processing times, in seconds."""

BUCKETS = 120
"""Maximum number of periods in a series over time."""


class Series:
    """Amounts by period: at most 120 periods, which become longer as time goes by.

    Attributes:
        width: the length of each period in seconds.
        amounts: the amount of each period.
    """

    def __init__(self) -> None:
        self.width = 0.1
        self.amounts = [0.0]

    def add(self, begin: float, end: float, amount: float) -> None:
        """Spread an amount evenly from `begin` to `end`, in seconds since the start."""
        begin = max(0.0, begin)
        end = max(begin, end)
        while end >= self.width * BUCKETS:
            self._double()
        first, last = int(begin / self.width), int(end / self.width)
        self.amounts.extend([0.0] * (last + 1 - len(self.amounts)))
        if first == last:
            self.amounts[first] += amount
            return
        for at in range(first, last + 1):
            shared = min(end, (at + 1) * self.width) - max(begin, at * self.width)
            self.amounts[at] += amount * shared / (end - begin)

    def _double(self) -> None:
        """Make each period twice as long."""
        pairs = range(ceil(len(self.amounts) / 2))
        self.amounts = [sum(self.amounts[2 * at : 2 * at + 2]) for at in pairs]
        self.width *= 2

    @property
    def rates(self) -> list[float]:
        """The amount per second in each period."""
        return [amount / self.width for amount in self.amounts]


class Figures:
    """What the page shows of the files; `files` is their number, `size` their bytes, and
    `uploaded` the bytes of uploaded ones.

    `sent` are the bytes of uploaded files over time, `busy` the seconds of files in work, so that
    its rates are numbers of files. `sizes` and `times` count files by the groups of `SIZES` and
    `TIMES`. `rows` are the first files, `failed` the first failed ones, and `slowest` the slowest,
    as pairs of seconds and entry.

    Args:
        started: the start of the run; None if it is not known, which leaves the series empty.
    """

    def __init__(self, started: datetime | None) -> None:
        self.files = 0
        self.size = 0
        self.uploaded = 0
        self.counts: Counter[str] = Counter()
        self.sizes = [0] * (len(SIZES) + 1)
        self.times = [0] * (len(TIMES) + 1)
        self.sent = Series()
        self.busy = Series()
        self.rows: list[ManifestEntry] = []
        self.failed: list[ManifestEntry] = []
        self._slowest: list[tuple[float, int, ManifestEntry]] = []
        self._started = started

    def add(self, entry: ManifestEntry) -> None:
        """Count a file."""
        self.files += 1
        self.size += entry.size
        self.uploaded += entry.size if entry.status == "uploaded" else 0
        self.counts[entry.status] += 1
        self.sizes[bisect_right(SIZES, entry.size)] += 1
        if len(self.rows) < MAX_ROWS:
            self.rows.append(entry)
        if entry.status == "failed" and len(self.failed) < MAX_FAILED:
            self.failed.append(entry)
        if entry.seconds is not None:
            self._add_time(entry, entry.seconds)

    def _add_time(self, entry: ManifestEntry, seconds: float) -> None:
        self.times[bisect_right(TIMES, seconds)] += 1
        # The number decides between files that took equally long.
        keep = heapq.heappushpop if len(self._slowest) == MAX_SLOWEST else heapq.heappush
        keep(self._slowest, (seconds, -self.files, entry))
        if self._started is None or not entry.finished:
            return
        end = (moment(entry.finished, self._started) - self._started).total_seconds()
        self.busy.add(end - seconds, end, seconds)
        if entry.status == "uploaded":
            self.sent.add(end - seconds, end, entry.size)

    @property
    def slowest(self) -> list[tuple[float, ManifestEntry]]:
        """The slowest files, with their seconds."""
        return [(seconds, entry) for seconds, _, entry in sorted(self._slowest, reverse=True)]


def moment(text: str, default: datetime) -> datetime:
    """Return a time of a record; the default if it is odd."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return default
    return time if time.tzinfo else default
