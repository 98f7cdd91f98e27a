"""The result of a check: totals, and what the files of each dataset have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from asyncload.model.values import Excluded, Failed, Scanned, Warned
from asyncload.reporting.tables.flaws import Flaws
from asyncload.source.name_kinds import compressed_csv
from asyncload.source.tables.types import merge_columns
from asyncload.source.tables.values import TEXT, CheckedFile, Column, Dialect, Finding

MAX_HEADERS = 100
"""The number of different headers of a dataset that are kept."""
_MAX_NAMED = 5
_DELIMITERS = {",": "comma", ";": "semicolon", "|": "pipe", "\t": "tab", " ": "space"}


class Header(NamedTuple):
    """A header of a dataset: its columns, the first file that has it, and the number of files."""

    names: tuple[str, ...]
    first: str
    files: int


class DatasetChecked(NamedTuple):
    """The common properties of the CSVs of a dataset, emitted once all of them have been checked.

    `columns` are those of all headers, with types that fit the values of all files. `dialects` are
    all that occur, with an example. `header` and `skipped_lines` are those of the first file.
    `endings` are those of the files' names. `flaws` say which files an engine can't read as others.
    """

    dataset: str
    files: int
    rows: int
    columns: Sequence[Column]
    headers: Sequence[Header]
    dialects: Sequence[tuple[Dialect, str]]
    null_markers: Sequence[str]
    encodings: Sequence[str]
    header: bool
    skipped_lines: int
    endings: Sequence[str]
    findings: Sequence[Finding]
    flaws: Sequence[str]


CheckEvent: TypeAlias = Scanned | Excluded | Warned | CheckedFile | Failed | DatasetChecked


@dataclass(slots=True)
class Dataset:
    """Sums up the checked files of one dataset."""

    name: str
    files: int = 0
    rows: int = 0
    # By name and, if that occurs several times in a header, its number.
    _columns: dict[tuple[str, int], Column] = field(default_factory=dict)
    _from: dict[tuple[str, int], str] = field(default_factory=dict)
    _conflicts: dict[str, str] = field(default_factory=dict)
    _headers: dict[tuple[str, ...], Header] = field(default_factory=dict)
    _dialects: dict[Dialect, str] = field(default_factory=dict)
    _null_markers: dict[str, None] = field(default_factory=dict)
    _encodings: dict[str, None] = field(default_factory=dict)
    _endings: dict[str, None] = field(default_factory=dict)
    _first: CheckedFile | None = None
    _flaws: Flaws = field(default_factory=Flaws)

    def add(self, checked: CheckedFile) -> None:
        """Add a file. One without columns has nothing in common with others."""
        self.files += 1
        self.rows += checked.rows
        self._flaws.add(checked)
        if not checked.columns:
            return
        self._first = self._first or checked
        name = checked.path.rpartition("/")[2]
        self._endings.setdefault(name[-len(compressed_csv(name) or ".csv") :])
        names = checked.names
        known = self._headers.get(names)
        if known is not None:
            self._headers[names] = known._replace(files=known.files + 1)
        elif len(self._headers) < MAX_HEADERS:
            self._headers[names] = Header(names, checked.path, 1)
        seen: Counter[str] = Counter()
        for column in checked.columns:
            self._add_column((column.name, seen[column.name]), column, checked.path)
            seen[column.name] += 1
        if checked.dialect is not None and len(checked.columns) > 1:
            self._dialects.setdefault(checked.dialect, checked.path)
        self._null_markers |= dict.fromkeys(checked.null_markers)
        self._encodings.setdefault(checked.encoding)

    def _add_column(self, key: tuple[str, int], column: Column, path: str) -> None:
        known = self._columns.get(key)
        if known is None:
            self._columns[key] = column
            self._from[key] = path
            return
        merged = merge_columns(known, column)
        if merged is None:
            values, nulls = known.values + column.values, known.nulls + column.nulls
            merged = Column(column.name, TEXT, "", values, nulls)
            self._conflicts.setdefault(
                column.name,
                f"{describe_type(known)} in {self._from[key]}, {describe_type(column)} in {path}",
            )
        self._columns[key] = merged

    def checked(self) -> DatasetChecked:
        """Return what the files have in common."""
        return DatasetChecked(
            self.name,
            self.files,
            self.rows,
            list(self._columns.values()),
            list(self._headers.values()),
            list(self._dialects.items()) or self._of_one_column(),
            list(self._null_markers),
            list(self._encodings),
            self._first is not None and self._first.header,
            self._first.skipped_lines if self._first is not None else 0,
            list(self._endings),
            list(self._findings()),
            list(self._flaws.messages()),
        )

    def _of_one_column(self) -> list[tuple[Dialect, str]]:
        """Return the dialect of the first file, if no file has several columns."""
        first = self._first
        return [(first.dialect, first.path)] if first and first.dialect else []

    def _findings(self) -> Iterator[Finding]:
        first, *others = self._headers.values() or (None,)
        for header in others[:_MAX_NAMED]:
            assert first is not None, "others follow a first one"
            yield Finding("headers differ", f"{header.first} {difference(header.names, first)}")
        if len(others) > _MAX_NAMED:
            more = len(others) - _MAX_NAMED
            yield Finding("headers differ", f"and {more:,} more different headers")
        for name, conflict in list(self._conflicts.items())[:_MAX_NAMED]:
            yield Finding("types differ", conflict, column=name)
        if len(self._conflicts) > _MAX_NAMED:
            more = len(self._conflicts) - _MAX_NAMED
            yield Finding("types differ", f"and {more:,} more columns")
        if len(self._dialects) > 1:
            (one, path), (other, elsewhere), *_ = self._dialects.items()
            yield Finding(
                "dialects differ",
                f"{elsewhere} has {describe_dialect(other)}; {path} has {describe_dialect(one)}",
            )


def difference(names: Sequence[str], first: Header) -> str:
    """Describe how a header differs from another one: columns it has, lacks, or has elsewhere."""
    missing = [name for name in first.names if name not in names]
    extra = [name for name in names if name not in first.names]
    parts = []
    if extra:
        parts.append(f"has {_named(extra)}, which {first.first} lacks")
    if missing:
        parts.append(f"lacks {_named(missing)} of {first.first}")
    if not parts:
        parts.append(f"has the columns of {first.first} in another order")
    return ", and ".join(parts)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(map(repr, names[:_MAX_NAMED])) + more


def describe_dialect(dialect: Dialect | None) -> str:
    """Describe delimiter and quotes; "" without a dialect."""
    if dialect is None:
        return ""
    name = _DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))
    if not dialect.quote:
        return f"{name}, no quotes"
    if dialect.escape not in ("", dialect.quote):
        return f"{name}, {dialect.quote} quotes with {dialect.escape}"
    return f"{name}, {dialect.quote} quotes"


def describe_type(column: Column) -> str:
    """Return a column's type for people."""
    if not column.type:
        return "no values"
    name = {TEXT: "text"}.get(column.type, column.type.lower())
    return f"{name} ({column.format})" if column.format else name


@dataclass(slots=True)
class CheckReport:
    """The totals of a check. `findings` counts files and datasets by kind of finding."""

    files: int = 0
    size: int = 0
    rows: int = 0
    failed: int = 0
    with_findings: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    datasets: int = 0

    def observe(self, event: CheckEvent) -> None:
        """Count an event."""
        if isinstance(event, CheckedFile):
            self.files += 1
            self.size += event.size
            self.rows += event.rows
            self.with_findings += bool(event.findings)
            self.findings.update({finding.kind for finding in event.findings})
        elif isinstance(event, Failed):
            self.files += 1
            self.size += event.size
            self.failed += 1
        elif isinstance(event, DatasetChecked):
            self.datasets += 1
            self.findings.update({finding.kind for finding in event.findings})
        elif isinstance(event, Excluded):
            self.excluded[event.reason] += 1

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def exit_code(self, *, strict: bool) -> int:
        """Return 3 if a file could not be read or, if `strict`, if anything was found; else 0."""
        return 3 if self.failed or (strict and not self.clean) else 0
