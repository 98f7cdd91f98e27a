"""What a check finds out about a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

FindingKind = Literal[
    "empty",
    "not a CSV",
    "long line",
    "NUL bytes",
    "encoding",
    "quoting",
    "ragged rows",
    "no header",
    "header",
    "mixed values",
    "unreadable rows",
    "headers differ",
    "types differ",
    "dialects differ",
    "header changed",
]


class Finding(NamedTuple):
    """Something in a CSV, or in the CSVs of a dataset, that programs may stumble over.

    `line` is the first line of the file it concerns, from 1; `column` is a column's name.
    """

    kind: FindingKind
    message: str
    line: int | None = None
    column: str | None = None


class Dialect(NamedTuple):
    """How rows and values are written. `quote` and `escape` are "" if there are none."""

    delimiter: str
    quote: str
    escape: str


TEXT = "VARCHAR"


class Column(NamedTuple):
    """A column: its name, its type, and the numbers of values and nulls.

    The type is DuckDB's. `format` says how its values are written if that is not SQL's way: a
    format of strptime, `T` for a timestamp with a T, or `decimal comma`. A column without values
    has the type "".
    """

    name: str
    type: str
    format: str
    values: int
    nulls: int


@dataclass(slots=True)
class CheckedFile:
    """The findings about one CSV, and its columns.

    `rows` does not count the header, `ragged` rows and those that could not be read. `encoding` is
    "" for an empty file, and for one that is not a CSV. `null_markers` are the words that stand for
    a null besides an empty value.
    """

    path: str
    size: int
    dataset: str = ""
    encoding: str = ""
    dialect: Dialect | None = None
    header: bool = False
    skipped_lines: int = 0
    rows: int = 0
    ragged: int = 0
    columns: Sequence[Column] = ()
    null_markers: Sequence[str] = ()
    mixed_encodings: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)
