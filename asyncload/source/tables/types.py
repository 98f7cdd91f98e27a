"""The types that the values of a column may have, and the one that fits all of them. Pure.

Each type has a test in DuckDB's SQL. The tests are stricter than casts: `007`, ` 5` and `1_000` are
texts, because as numbers they would not be written so again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from asyncload.source.tables.values import TEXT, Column, Finding

COMMA = "decimal comma"
MAX_NAMED = 20
"""The number of columns that findings of one kind name in a file."""
ALMOST = 0.9
"""The part of the values that a type has to fit to be mentioned."""
_FEW = 10
_EXCERPT = 40


class Type(NamedTuple):
    """A type with the SQL condition for a value `{c}` that is not null. `format`: see `Column`."""

    name: str
    format: str
    condition: str
    noun: str


_DOUBLE = (
    "(try_cast({c} AS DOUBLE) IS NOT NULL AND NOT ({c} >= '00' AND {c} < '0:')"
    " AND NOT contains({c}, ' ') AND NOT contains({c}, '_')"
    # Longer ones would lose digits.
    " AND (length({c}) < 19 OR contains({c}, '.') OR contains(lower({c}), 'e')))"
)
_DECIMAL_COMMA = _DOUBLE.replace("{c}", "replace({c}, ',', '.')")
_ZONED = "(contains({c}[12:], '+') OR contains({c}[12:], '-') OR ends_with({c}, 'Z'))"
_TIMESTAMP = f"NOT {_ZONED} AND try_cast({{c}} AS TIMESTAMP) IS NOT NULL"

TYPES = (
    Type("BOOLEAN", "", "(lower({c}) IN ('true', 'false'))", "true or false"),
    Type("BIGINT", "", "(CAST(try_cast({c} AS BIGINT) AS VARCHAR) = {c})", "whole numbers"),
    Type("DOUBLE", "", _DOUBLE, "numbers"),
    Type("DOUBLE", COMMA, f"(NOT contains({{c}}, '.') AND {_DECIMAL_COMMA})", "numbers"),
    Type(
        "DATE",
        "",
        "(length({c}) = 10 AND {c}[5] = '-' AND try_cast({c} AS DATE) IS NOT NULL)",
        "dates",
    ),
    Type("DATE", "%d/%m/%Y", "(try_strptime({c}, '%d/%m/%Y') IS NOT NULL)", "dates"),
    Type("DATE", "%m/%d/%Y", "(try_strptime({c}, '%m/%d/%Y') IS NOT NULL)", "dates"),
    Type(
        "TIMESTAMP", "", f"({{c}}[11] = ' ' AND length({{c}}) >= 19 AND {_TIMESTAMP})", "timestamps"
    ),
    Type("TIMESTAMP", "T", f"({{c}}[11] = 'T' AND {_TIMESTAMP})", "timestamps"),
    Type(
        "TIMESTAMP WITH TIME ZONE",
        "",
        f"({_ZONED} AND try_cast({{c}} AS TIMESTAMPTZ) IS NOT NULL)",
        "timestamps",
    ),
    Type("TIME", "", "({c}[3] = ':' AND try_cast({c} AS TIME) IS NOT NULL)", "times"),
    # Not a type: whether it may be one of all types but the first.
    Type("", "", "({c} >= '+' AND {c} < ':')", ""),
)
"""The types, the most specific first."""
BOOLEAN, BIGINT = 0, 1
LIKE_A_NUMBER = len(TYPES) - 1
"""The values that begin with a digit, a sign or a point; all types but `BOOLEAN` do."""
IMPLIED = (2, 3)
"""The types that every `BIGINT` fits, too."""
_AMBIGUOUS = {
    i for i, kind in enumerate(TYPES) if kind.name == "DATE" and kind.format.startswith("%")
}


class ColumnCount(NamedTuple):
    """What a part of a file has in one column: the values that are not null, and those that fit.

    `fitting` has a number for each type of the column's plan, by its index in `TYPES`.
    """

    values: int
    fitting: Mapping[int, int]


@dataclass(slots=True)
class ColumnTally:
    """Sums up a column over the parts of a file.

    If a type fits all values, others are dropped, and not tested again; else those are that fit
    less than nine of ten values.
    """

    name: str
    candidates: tuple[int, ...]
    values: int = 0
    misfit: tuple[str, int] | None = None
    _fitting: dict[int, int] = field(default_factory=dict)

    def add(self, count: ColumnCount) -> None:
        """Add a part of the file; its types include the current candidates."""
        self.values += count.values
        for index in self.candidates:
            self._fitting[index] = self._fitting.get(index, 0) + count.fitting[index]
        most = max((self._fitting[index] for index in self.candidates), default=0)
        enough = self.values if most == self.values else ALMOST * self.values
        self.candidates = tuple(i for i in self.candidates if self._fitting[i] >= enough)

    def column(self, rows: int) -> Column:
        """Return the column, of a file with so many rows."""
        nulls = rows - self.values
        if not self.values:
            return Column(self.name, "", "", 0, nulls)
        fitting = [i for i in self.candidates if self._fitting[i] == self.values]
        # If no day is over 12, it may as well be the month.
        if not fitting or {*fitting} >= _AMBIGUOUS:
            return Column(self.name, TEXT, "", self.values, nulls)
        best = TYPES[fitting[0]]
        return Column(self.name, best.name, best.format, self.values, nulls)

    def finding(self) -> Finding | None:
        """Return the finding about a column whose values are almost all of one type."""
        if self.values < _FEW or not self.candidates:
            return None
        if any(self._fitting[index] == self.values for index in self.candidates):
            return None
        best = max(self.candidates, key=lambda index: (self._fitting[index], -index))
        message = (
            f"{self._fitting[best]:,} of {self.values:,} values are {TYPES[best].noun}, the others "
            "are not"
        )
        if self.misfit is not None:
            value, row = self.misfit
            message += f", such as {value[:_EXCERPT]!r} in row {row:,}"
        return Finding("mixed values", message, column=self.name)


def findings_of_columns(tallies: Iterable[ColumnTally]) -> Iterator[Finding]:
    """Yield the findings about the columns of a file: of the first few, and how many more."""
    found = [finding for tally in tallies if (finding := tally.finding())]
    yield from found[:MAX_NAMED]
    if len(found) > MAX_NAMED:
        more = len(found) - MAX_NAMED
        yield Finding("mixed values", f"{more:,} more columns have mixed values")


def merge_columns(first: Column, second: Column) -> Column | None:
    """Return a column of two files as one; None if their types have nothing in common."""
    values, nulls = first.values + second.values, first.nulls + second.nulls
    kinds = {(c.type, c.format) for c in (first, second) if c.type}
    if len(kinds) <= 1:
        name, form = next(iter(kinds), ("", ""))
        return Column(first.name, name, form, values, nulls)
    if all(name in ("BIGINT", "DOUBLE") for name, _ in kinds):
        form = next((form for name, form in kinds if name == "DOUBLE"), "")
        if len({form for name, form in kinds if name == "DOUBLE"}) == 1:
            return Column(first.name, "DOUBLE", form, values, nulls)
    return None
