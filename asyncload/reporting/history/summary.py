"""The result of reading the records of past runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from asyncload.reporting.history.calendar import Day
from asyncload.reporting.recorded import PastRun


class UnreadableRun(NamedTuple):
    """A record that can't be read: its key, id and start of the run by its name, the reason."""

    manifest: str
    run_id: str
    started: datetime
    reason: str


@dataclass(slots=True)
class History:
    """Past runs, in the order of their start, and the days of each dataset.

    `prefix` is that of the records. `since` is None if nothing was read.
    """

    prefix: str = ""
    since: datetime | None = None
    runs: Sequence[PastRun | UnreadableRun] = ()
    days: Sequence[Day] = ()

    @property
    def results(self) -> Counter[str]:
        """The number of runs by result."""
        return Counter(
            run.result if isinstance(run, PastRun) else "unreadable" for run in self.runs
        )

    @property
    def statuses(self) -> Counter[str]:
        """The number of days by status."""
        return Counter(day.status for day in self.days)

    @property
    def exit_code(self) -> int:
        """0 if there are records, all can be read, and no day is missing or incomplete; else 3."""
        whole = self.statuses.keys() <= {"complete"}
        return 0 if self.runs and whole and not self.results["unreadable"] else 3
