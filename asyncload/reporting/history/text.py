"""Past runs and their days as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby

from asyncload.reporting.history.calendar import Day, DayStatus
from asyncload.reporting.history.summary import History, UnreadableRun
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.text import format_count, format_size, printable

MAX_NAMED_DAYS = 100
"""Maximum number of periods that are named; the days of others are only counted."""

_MARKS: dict[DayStatus, str] = {
    "complete": "#",
    "failed": "F",
    "incomplete": "I",
    "missing": "-",
}
_LEGEND = "# complete  F files failed  I incomplete  - missing"
_MAX_NAME = 40
_MAX_DATASETS = 5
_NO_KEY = "(no key)"


def run_line(run: PastRun | UnreadableRun) -> str:
    """Describe a run in a line: id, date, result and totals."""
    if isinstance(run, UnreadableRun):
        return f"{printable(run.run_id):<26} {'?':<10}  unreadable: {printable(run.reason)}"
    day = run.day.isoformat() if run.day is not None else "own dates"
    name = "" if run.command == "run" else f" ({printable(run.command)})"
    text = f"{printable(run.run_id):<26} {day:<10}  {printable(run.result)}{name}: "
    report = run.report
    text += f"{format_count(report.files, 'file')}, {format_size(report.size)} "
    text += f"in {run.seconds:.1f} s"
    counts = [f"{report.counts['failed']:,} failed"] if report.counts["failed"] else []
    if report.not_reached:
        counts.append(f"{report.not_reached:,} not reached")
    if counts:
        text += f": {', '.join(counts)}"
    return f"{text}; {printable(run.error.lines[0])}" if run.error else text


def calendar_lines(days: Iterable[Day]) -> Iterator[str]:
    """Yield a table for each month: datasets and their days."""
    months: defaultdict[tuple[int, int], list[Day]] = defaultdict(list)
    days = list(days)
    names = _names(days)
    for day in days:
        months[day.day.year, day.day.month].append(day)
    for (year, month), found in sorted(months.items()):
        first = date(year, month, 1)
        length = ((first + timedelta(days=31)).replace(day=1) - first).days
        rows = {
            name: {day.day.day: _MARKS[day.status] for day in group}
            for name, group in groupby(found, key=lambda day: names[day.dataset, day.zone])
        }
        width = min(_MAX_NAME, max(7, *map(len, rows)))
        yield f"{year:04}-{month:02}".ljust(width + 1) + "".join(
            str(day % 10) for day in range(1, length + 1)
        )
        for full, marks in rows.items():
            name = full if len(full) <= width else f"{full[: width - 3]}..."
            line = "".join(marks.get(day, " ") for day in range(1, length + 1))
            yield f"{name:<{width}} {line}".rstrip()
        yield ""
    if months:
        yield _LEGEND


def day_lines(days: Iterable[Day]) -> Iterator[str]:
    """Yield the periods that are not complete, in their order.

    Datasets with the same period and reason share a line.
    """
    groups: defaultdict[tuple[date, date, DayStatus, str], list[str]] = defaultdict(list)
    days = list(days)
    names_of = _names(days)
    for period in _periods(days):
        first = period[0]
        group = groups[first.day, period[-1].day, first.status, first.reason]
        group.append(names_of[first.dataset, first.zone])
    more = 0
    for number, ((begin, end, status, reason), datasets) in enumerate(sorted(groups.items())):
        length = (end - begin).days + 1
        if number >= MAX_NAMED_DAYS:
            more += length * len(datasets)
            continue
        names = ", ".join(datasets[:_MAX_DATASETS])
        if len(datasets) > _MAX_DATASETS:
            names += f" and {format_count(len(datasets) - _MAX_DATASETS, 'more dataset')}"
        when = begin.isoformat()
        if length > 1:
            when += f" to {end} ({format_count(length, 'day')})"
        yield f"{status}: {names} {when}: {printable(reason)}"
    if more:
        yield f"and {format_count(more, 'more day')} that are not complete; see --json"


def _periods(days: Iterable[Day]) -> Iterator[list[Day]]:
    """Yield runs of days of a dataset that follow each other, are not complete and have a reason
    in common.
    """
    period: list[Day] = []
    for day in days:
        if day.status == "complete":
            continue
        if period:
            last = period[-1]
            follows = last._replace(day=last.day + timedelta(days=1)) == day
            if not follows:
                yield period
                period = []
        period.append(day)
    if period:
        yield period


def history_lines(history: History, bucket: str) -> Iterator[str]:
    """Yield the totals: runs by result, and days by status."""
    where = f"s3://{bucket}/{printable(history.prefix)}/"
    since = f"since {history.since:%Y-%m-%d %H:%M %Z}" if history.since else ""
    if not history.runs:
        yield f"no records of runs {since} below {where}"
        return
    results = ", ".join(f"{n:,} {printable(name)}" for name, n in sorted(history.results.items()))
    yield f"{format_count(len(history.runs), 'run')} {since}: {results}"
    statuses = history.statuses
    total = statuses.total()
    if total:
        counts = ", ".join(f"{statuses[name]:,} {name}" for name in _MARKS if statuses[name])
        datasets = format_count(len({(day.dataset, day.zone) for day in history.days}), "dataset")
        yield f"{format_count(total, 'day')} of {datasets}: {counts}"


def _names(days: Iterable[Day]) -> dict[tuple[str, str], str]:
    """Return the names of datasets by dataset and zone; those in several zones have the zone."""
    zones: defaultdict[str, set[str]] = defaultdict(set)
    for day in days:
        zones[day.dataset].add(day.zone)
    return {
        (dataset, zone): printable(
            f"{zone}/{dataset or _NO_KEY}" if zone and len(found) > 1 else dataset or _NO_KEY
        )
        for dataset, found in zones.items()
        for zone in found
    }
