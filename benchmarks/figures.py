"""Pure calculations on measurements: medians, ratios, targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Metric = Literal[
    "wall",
    "cpu",
    "rss_mib",
    "calls_per_file",
    "requests_per_file",
    "files_per_second",
    "cpu_us_per_file",
    "body_bytes",
]
# The published bounds apply to the image's Python; an older one with its OpenSSL is slower.
_BOUNDS_ARE_FOR = (3, 13)
_OLDER_MAY_TAKE = 1.25


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run of one tool: seconds, MiB, and the server's counts.

    `calls` are API calls, of which `lists` are listings of objects; `body_bytes` are the bytes of
    puts and parts. A count is None if the server does not provide it.
    """

    wall: float
    cpu: float
    rss_mib: float
    calls: int | None = None
    lists: int | None = None
    server_cpu: float | None = None
    body_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of a row's runs of one workload, and the range of its wall times.

    `files` and `size` (bytes) are the data to upload; for body bytes it is the maximum.
    """

    files: int
    size: int
    runs: int
    wall: float
    wall_least: float
    wall_most: float
    cpu: float
    rss_mib: float
    calls: float | None
    lists: float | None
    server_cpu: float | None
    body_bytes: int | None


def summarise(files: int, size: int, runs: Sequence[Run]) -> Summary:
    """Return medians and range.

    Raises:
        ValueError: there are no runs.
    """
    if not runs:
        raise ValueError("there is no run to summarise")
    walls = [run.wall for run in runs]
    return Summary(
        files=files,
        size=size,
        runs=len(runs),
        wall=median(walls),
        wall_least=min(walls),
        wall_most=max(walls),
        cpu=median(run.cpu for run in runs),
        # The maximum: a median would understate the peak.
        rss_mib=max(run.rss_mib for run in runs),
        calls=_median_or_none(run.calls for run in runs),
        lists=_median_or_none(run.lists for run in runs),
        server_cpu=_median_or_none(run.server_cpu for run in runs),
        body_bytes=max(
            (run.body_bytes for run in runs if run.body_bytes is not None), default=None
        ),
    )


def ratio(ours: float, theirs: float) -> float:
    """Return our value divided by theirs: below 1 is better than theirs.

    Raises:
        ValueError: their value is not above 0.
    """
    if theirs <= 0:
        raise ValueError(f"a ratio to {theirs} says nothing")
    return ours / theirs


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure of one of our rows, or on its ratio to the best of `peers`.

    Ratios of time are per byte, since a slow tool may have had fewer. `calls_per_file` excludes
    listings, `requests_per_file` includes them. `cpu_us_per_file` is the CPU time per file in
    microseconds, minus that of the row in `peers`, a run with very few files. A target is met at or
    below its bound; for `files_per_second`, at or above.
    """

    metric: Metric
    bound: float
    peers: tuple[str, ...] = ()
    ours: str = "asyncload"

    @property
    def is_ratio(self) -> bool:
        """Whether the bound is on a ratio."""
        return bool(self.peers) and self.metric != "cpu_us_per_file"

    def bound_on(self, python: str) -> float:
        """Return the bound for a Python version: an older one may take a quarter more time.

        Bounds that are not about time, and comparisons with asyncload itself, are not changed.
        """
        alone = any(peer.startswith("asyncload") for peer in self.peers) and self.is_ratio
        timed = self.metric in {"wall", "cpu", "cpu_us_per_file"}
        older = tuple(map(int, python.split(".")[:2])) < _BOUNDS_ARE_FOR
        return self.bound * (_OLDER_MAY_TAKE if older and timed and not alone else 1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, its bound, the measured value (None: not measured), and whether it is met."""

    target: Target
    bound: float
    reached: float | None
    met: bool | None


def judge(target: Target, python: str, summaries: Mapping[str, Summary]) -> Verdict:
    """Compare a target with the measurements by row."""
    bound = target.bound_on(python)
    reached = _reached(target, summaries)
    if reached is None:
        return Verdict(target, bound, None, None)
    met = reached >= bound if target.metric == "files_per_second" else reached <= bound
    return Verdict(target, bound, reached, met)


def _reached(target: Target, summaries: Mapping[str, Summary]) -> float | None:
    ours = summaries.get(target.ours)
    peers = [summaries[peer] for peer in target.peers if peer in summaries]
    if ours is None or len(peers) < len(target.peers):
        return None
    if target.metric == "cpu_us_per_file":
        start = peers[0]
        return (ours.cpu - start.cpu) / (ours.files - start.files) * 1e6
    if not peers:
        return value_of(target.metric, ours)
    values = [_per_byte(target.metric, one) for one in (ours, *peers)]
    known = [value for value in values if value is not None]
    return ratio(known[0], min(known[1:])) if len(known) == len(values) else None


def _per_byte(metric: Metric, summary: Summary) -> float | None:
    value = value_of(metric, summary)
    # Empty files have no bytes to compare.
    timed = value is not None and metric in {"wall", "cpu"} and summary.size
    return value / summary.size if timed else value  # type: ignore[operator]  # it is not None


def value_of(metric: Metric, summary: Summary) -> float | None:
    """Return a figure of a summary, None if it was not counted."""
    match metric:
        case "wall":
            return summary.wall
        case "cpu":
            return summary.cpu
        case "cpu_us_per_file":
            return summary.cpu / summary.files * 1e6
        case "rss_mib":
            return summary.rss_mib
        case "body_bytes":
            return summary.body_bytes
        case "files_per_second":
            return summary.files / summary.wall
        case "calls_per_file" | "requests_per_file":
            if summary.calls is None or summary.lists is None:
                return None
            lists = summary.lists if metric == "calls_per_file" else 0
            return (summary.calls - lists) / summary.files


def _median_or_none(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
