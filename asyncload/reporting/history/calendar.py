"""Which days of each dataset are complete, from the records of past runs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, NamedTuple

from asyncload.reporting.recorded import PastRun
from asyncload.reporting.report import DatasetTotals

LANDED = ("uploaded", "unchanged", "present", "skipped")
"""The statuses of files for which nothing is left to do."""

DayStatus = Literal["complete", "failed", "incomplete", "missing"]
"""A day of a dataset: all files are in the raw zone; some failed; a run ended before it had
reached all files; no run has loaded a file.
"""

WEEK = range(7)
"""All days of a week, from Monday on, as `date.weekday` numbers them."""

MAX_FAILED = 10_000
"""Maximum number of failed files of one day that later runs are compared with."""

NO_RUN = "no run is recorded"
"""The reason for a day without any record."""


class Day(NamedTuple):
    """One day of a dataset, "" for files without a key.

    `zone` is the layer, origin and format of its keys, such as Raw/Local/CSV; "" if not known.
    `files` are those in the raw zone by the latest run, `run_id` is that run, "" for none.
    `reason` says why the day is not complete.
    """

    dataset: str
    day: date
    status: DayStatus
    files: int = 0
    run_id: str = ""
    reason: str = ""
    zone: str = ""


class _Dataset(NamedTuple):
    """A dataset of a zone: each layer has days of its own. Sorted by name."""

    name: str
    zone: str


@dataclass(slots=True)
class _Cell:
    """What the runs up to now say of a day; `failed` are the files that still have to be loaded,
    each with the `choice` of the run in which it failed.

    `more_failed` counts failed files beyond the first 10,000. `reached` is the largest number of
    files of a run of the day that reached all of its files.
    """

    run: PastRun
    files: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    more_failed: int = 0
    reached: int = 0

    @property
    def still_failed(self) -> int:
        """The number of failed files that no later run has loaded."""
        return len(self.failed) + self.more_failed


class Calendar:
    """Counts runs by zone, dataset and day; they are added in the order of their start.

    A failed file stays failed until a later run loads it, or loads the whole dataset for the day
    from the same volume without it: then it was renamed or removed. For that, `wants_files` says
    whether the files of a run are needed, and `add_file` takes them. Datasets are expected on
    `weekdays` only.
    """

    def __init__(self, weekdays: Collection[int] = WEEK) -> None:
        self._weekdays = weekdays
        self._cells: dict[_Dataset, dict[date, _Cell]] = {}
        self._runs: dict[tuple[str, date], PastRun] = {}
        self._expected: dict[_Dataset, PastRun] = {}

    def expect(self, run: PastRun) -> None:
        """Expect the datasets of a run from the first day on; the run itself is not counted."""
        self._expected.update({_Dataset(name, run.zone): run for name in run.report.datasets})

    def wants_files(self, run: PastRun) -> bool:
        """Return whether the run's files have to be added, not only the run."""
        report = run.report
        if report.files == report.not_reached:
            return False
        if run.day is None or not run.lists_datasets or report.counts["failed"]:
            return True
        datasets = (_Dataset(name, run.zone) for name in report.datasets)
        cells = (self._cells.get(dataset, {}).get(run.day) for dataset in datasets)
        return any(cell is not None and cell.still_failed for cell in cells)

    def add_run(self, run: PastRun) -> None:
        """Add a run by its totals."""
        if run.day is None:
            return
        if run.lists_datasets:
            for dataset, totals in run.report.datasets.items():
                self._begin(run, dataset, run.day).files = _landed(totals)
        self._runs[run.zone, run.day] = run

    def add_file(self, run: PastRun, dataset: str, day: date, path: str, status: str) -> None:
        """Add a file of a run that was added before."""
        cell = self._begin(run, dataset, day)
        if status == "failed":
            if len(cell.failed) < MAX_FAILED:
                cell.failed[path] = run.choice
            else:
                cell.more_failed += 1
        else:
            cell.failed.pop(path, None)
            # Totals that list all datasets have counted it.
            cell.files += run.day is None or not run.lists_datasets

    def _begin(self, run: PastRun, dataset: str, day: date) -> _Cell:
        """Return a day's cell, in which the run is the latest one."""
        cells = self._cells.setdefault(_Dataset(dataset, run.zone), {})
        cell = cells.get(day)
        if cell is None:
            cell = cells[day] = _Cell(run)
        elif cell.run.manifest != run.manifest:
            cell.run, cell.files, cell.more_failed = run, 0, 0
            if run.is_whole:
                failed = cell.failed.items()
                cell.failed = {path: choice for path, choice in failed if choice != run.choice}
        if not run.report.not_reached:
            cell.reached = max(cell.reached, run.report.files)
        return cell

    def run_of(self, day: Day) -> PastRun | None:
        """Return the run of the latest day of the day's dataset, if any."""
        dataset = _Dataset(day.dataset, day.zone)
        cells = self._cells.get(dataset)
        return cells[max(cells)].run if cells else self._expected.get(dataset)

    def days(self, first: date, last: date, today: date) -> Iterator[Day]:
        """Yield the days of each dataset from `first` to `last`, and further ones up to `today`.

        A dataset is expected from its first day on, or from `first` if earlier runs had it. Days
        after `last` and on other weekdays are yielded only if a run had files for them.
        """
        for dataset in sorted(self._cells.keys() | self._expected.keys()):
            cells = self._cells.get(dataset, {})
            known = {day for day in cells if first <= day <= today}
            if dataset not in self._expected and not known:
                continue
            day = first if dataset in self._expected else min(known)
            end = max((last, *known))
            while day <= end:
                if day in known:
                    yield _judge(dataset, day, cells[day])
                elif dataset.name and day <= last and day.weekday() in self._weekdays:
                    yield self._missing(dataset, day)
                day += timedelta(days=1)

    def _missing(self, dataset: _Dataset, day: date) -> Day:
        name, zone = dataset
        run = self._runs.get((zone, day))
        if run is None:
            return Day(name, day, "missing", reason=NO_RUN, zone=zone)
        reached = run.report.counts.total() and not run.report.not_reached
        why = "has no files of this dataset" if reached else ended(run)
        return Day(name, day, "missing", 0, run.run_id, f"run {run.run_id} {why}", zone)


def _judge(dataset: _Dataset, day: date, cell: _Cell) -> Day:
    name, zone = dataset
    run = cell.run
    failed = cell.still_failed
    if failed:
        files = "1 file" if failed == 1 else f"{failed:,} files"
        reason = f"{files} failed, up to run {run.run_id}"
        return Day(name, day, "failed", cell.files, run.run_id, reason, zone)
    if run.report.not_reached and run.report.files > cell.reached:
        reason = f"run {run.run_id} {ended(run)}"
        return Day(name, day, "incomplete", cell.files, run.run_id, reason, zone)
    return Day(name, day, "complete", cell.files, run.run_id, zone=zone)


def ended(run: PastRun) -> str:
    """Describe how a run ended that did not reach all files."""
    left = run.report.not_reached
    if left:
        files = "1 file" if left == 1 else f"{left:,} files"
        return f"ended before {files}: {run.result}"
    return f"found no files: {run.result}"


def _landed(totals: DatasetTotals) -> int:
    return sum(totals.counts[status] for status in LANDED)
