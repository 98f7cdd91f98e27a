"""Objects of earlier days, whose keys are computed when listed or requested, not stored."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, islice
from pathlib import Path

_DATED = re.compile(r"(.*?/)(\d{4}/\d\d/\d\d)/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HistorySpec:
    """The keys of a history: each path of each dataset on each of `days` days from `first_day` on.

    `datasets` maps the part before the date, `bucket/Raw/Local/CSV/Movies/`, to the paths after the
    date.
    """

    first_day: date
    days: int
    datasets: Mapping[str, Sequence[str]]

    def write(self, path: Path) -> None:
        """Write it as JSON for the server."""
        document = {
            "first_day": self.first_day.isoformat(),
            "days": self.days,
            "datasets": {prefix: list(paths) for prefix, paths in self.datasets.items()},
        }
        path.write_text(json.dumps(document))


class History:
    """The names of a specification, in S3's listing order: by UTF-8 bytes.

    20,000 datasets of 400 days are eight million names; only prefixes, paths and days are stored.

    Raises:
        ValueError: one dataset's prefix starts with another's, so that their keys would mix.
    """

    def __init__(self, spec: HistorySpec) -> None:
        self._prefixes = sorted(spec.datasets, key=str.encode)
        for one, other in zip(self._prefixes, self._prefixes[1:], strict=False):
            if other.startswith(one):
                raise ValueError(f"the keys of {one} and {other} mingle")
        days = (spec.first_day + timedelta(day) for day in range(spec.days))
        self._days = [f"{day:%Y/%m/%d}" for day in days]
        self._paths = [sorted(spec.datasets[prefix], key=str.encode) for prefix in self._prefixes]
        sizes = (len(paths) * spec.days for paths in self._paths)
        self._ends = list(accumulate(sizes, initial=0))[1:]
        self._members = {
            prefix: frozenset(paths)
            for prefix, paths in zip(self._prefixes, self._paths, strict=True)
        }
        self._known_days = frozenset(self._days)

    @classmethod
    def read(cls, path: Path) -> History:
        """Read the output of `HistorySpec.write`."""
        document = json.loads(path.read_text())
        first_day = date.fromisoformat(document["first_day"])
        return cls(HistorySpec(first_day, document["days"], document["datasets"]))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, at: int) -> str:
        if not 0 <= at < len(self):
            raise IndexError(at)
        dataset = bisect_right(self._ends, at)
        paths = self._paths[dataset]
        day, number = divmod(at - (self._ends[dataset - 1] if dataset else 0), len(paths))
        return f"{self._prefixes[dataset]}{self._days[day]}/{paths[number]}"

    def __contains__(self, name: str) -> bool:
        found = _DATED.fullmatch(name)
        if not found:
            return False
        prefix, day, path = found.groups()
        return day in self._known_days and path in self._members.get(prefix, ())

    def names_between(self, start: bytes, end: bytes, count: int) -> list[str]:
        """Return at most `count` names from `start` on and below `end`."""
        at = bisect_left(self, start, key=str.encode)
        last = at + count
        if last >= len(self) or self[last].encode() >= end:
            last = bisect_left(self, end, key=str.encode)
        return list(islice(self._names_from(at), max(0, min(last - at, count))))

    def _names_from(self, at: int) -> Iterator[str]:
        dataset = bisect_right(self._ends, at)
        passed = at - (self._ends[dataset - 1] if dataset else 0)
        for prefix, paths in zip(self._prefixes[dataset:], self._paths[dataset:], strict=True):
            day, number = divmod(passed, len(paths))
            for date_part in self._days[day:]:
                for path in paths[number:]:
                    yield f"{prefix}{date_part}/{path}"
                number = 0
            passed = 0
