"""Pure arithmetic on what was measured: medians, ratios, targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Metric = Literal["wall", "cpu", "rss_mib", "calls_per_file", "files_per_second"]


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run of one tool: seconds, MiB, and the API calls that the server counted.

    `lists` are the ListObjectsV2 among the calls. What a server does not count is None.
    """

    wall: float
    cpu: float
    rss_mib: float
    calls: int | None = None
    lists: int | None = None
    server_cpu: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of a tool's runs of one workload, and the range of its wall times."""

    runs: int
    wall: float
    wall_least: float
    wall_most: float
    cpu: float
    rss_mib: float
    calls: float | None
    lists: float | None
    server_cpu: float | None


def summarise(runs: Sequence[Run]) -> Summary:
    """Return medians and range.

    Raises:
        ValueError: there is no run.
    """
    if not runs:
        raise ValueError("there is no run to summarise")
    walls = [run.wall for run in runs]
    return Summary(
        runs=len(runs),
        wall=median(walls),
        wall_least=min(walls),
        wall_most=max(walls),
        cpu=median(run.cpu for run in runs),
        # A peak is a peak: the middle of several would understate it.
        rss_mib=max(run.rss_mib for run in runs),
        calls=_median_or_none(run.calls for run in runs),
        lists=_median_or_none(run.lists for run in runs),
        server_cpu=_median_or_none(run.server_cpu for run in runs),
    )


def ratio(ours: float, theirs: float) -> float:
    """Return ours over theirs: below 1 is better than they are, 0.5 takes half as much.

    Raises:
        ValueError: theirs is not above 0.
    """
    if theirs <= 0:
        raise ValueError(f"a ratio to {theirs} says nothing")
    return ours / theirs


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one of our figures: on its ratio to a peer's, or where `peer` is None on itself.

    `calls_per_file` leaves out the listing of partitions. A target is met at or below its
    bound; one of `files_per_second`, of which more is better, at or above.
    """

    metric: Metric
    bound: float
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was reached, and whether that is enough."""

    target: Target
    reached: float
    met: bool


def judge(target: Target, files: int, ours: Summary, theirs: Summary | None) -> Verdict | None:
    """Hold a target against what was measured; None where it was not measured."""
    reached = value_of(target.metric, files, ours)
    if target.peer is not None:
        peer_value = None if theirs is None else value_of(target.metric, files, theirs)
        reached = None if None in (reached, peer_value) else ratio(reached, peer_value)  # type: ignore[arg-type]  # neither is None
    if reached is None:
        return None
    more_is_better = target.metric == "files_per_second" and target.peer is None
    met = reached >= target.bound if more_is_better else reached <= target.bound
    return Verdict(target, reached, met)


def value_of(metric: Metric, files: int, summary: Summary) -> float | None:
    """Return one of a summary's figures, None where there was nobody to count it."""
    match metric:
        case "wall":
            return summary.wall
        case "cpu":
            return summary.cpu
        case "rss_mib":
            return summary.rss_mib
        case "files_per_second":
            return files / summary.wall
        case "calls_per_file":
            if summary.calls is None or summary.lists is None:
                return None
            return (summary.calls - summary.lists) / files


def _median_or_none(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
