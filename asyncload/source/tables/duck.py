"""DuckDB: detect the dialect of a CSV, and count what its rows hold.

It reads bytes from memory files, and never a path of the volume: names are not taken for patterns,
and nothing is read but what was opened beneath the volume.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from itertools import chain, compress
from typing import Any, NamedTuple

import duckdb

from asyncload.source.tables.types import ALMOST, BIGINT, IMPLIED, TYPES, ColumnCount
from asyncload.source.tables.values import Dialect

NULLS = ("", "\\N")
"""Values that always stand for a null."""
NULL_WORDS = ("NULL", "null", "NA", "N/A", "#N/A", "n/a", "None", "NaN", "nan", "-")
"""Values that stand for a null if a column otherwise has values of one type, not texts."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "1GB",
    "temp_directory": "",
    "preserve_insertion_order": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
# A query with aggregates of more columns takes long to plan.
_MAX_COLUMNS = 200
# Up to so many bytes, planning a query with an aggregate for each column and type takes longer than
# testing the distinct values by a statement that is prepared already.
_SMALL = 64 * 1024
# In characters: the values whose tests a thread remembers, before it forgets them all.
_MAX_KNOWN = 1024 * 1024
_SLACK = 64 * 1024


class Sniffed(NamedTuple):
    """A dialect, the lines before the table, whether it has a header, and its columns."""

    dialect: Dialect
    skip: int
    header: bool
    columns: int


class Rejected(NamedTuple):
    """Rows that were left out: their number, where the first one begins in bytes, and why."""

    rows: int
    first: int
    message: str


class Counted(NamedTuple):
    """What a part of a file holds.

    `rejected` has an entry for each of DuckDB's kinds of errors. `misfits` has the first value of a
    column that its most likely type does not fit, with its row, from 1.
    """

    rows: int
    columns: Sequence[ColumnCount]
    rejected: Mapping[str, Rejected]
    misfits: Mapping[int, tuple[str, int]]


class Plan(NamedTuple):
    """What to count: for each column its types, by their indexes in `TYPES`.

    `explained` are the columns whose misfits need no example.
    """

    dialect: Dialect
    nulls: Sequence[str]
    types: Sequence[tuple[int, ...]]
    explained: AbstractSet[int] = frozenset()


class Unparsable(Exception):
    """DuckDB can't parse a part of a file at all; the message says why, in one line."""


class Engine:
    """A DuckDB in memory that several threads use, each with a connection of its own."""

    def __init__(self) -> None:
        self._database = duckdb.connect(":memory:", config=_SETTINGS)
        self._local = threading.local()
        # The database's own connection serves one call at a time.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Free its memory, at the latest when nothing refers to it any more."""
        with suppress(duckdb.Error):
            self._database.close()

    def sniff(self, head: bytes) -> Sniffed:
        """Detect the dialect of the first rows of a CSV, in UTF-8.

        Raises:
            Unparsable: none fits.
        """
        with held(head) as path:
            try:
                found = self._sniff(path, len(head))
            except Unparsable:
                return self._sniff(path, len(head), ragged=True)
            if found.columns > 1:
                return found
            # Perhaps only because some rows are ragged.
            again = self._sniff(path, len(head), ragged=True)
        return again if again.columns > 1 else found

    def _sniff(self, path: str, size: int, *, ragged: bool = False) -> Sniffed:
        words = ", ".join(map(literal, (*NULLS, *NULL_WORDS)))
        found = self._fetch(
            "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, len(Columns) "
            f"FROM sniff_csv({literal(path)}, nullstr=[{words}], ignore_errors={ragged}, "
            f"max_line_size={size + _SLACK}, buffer_size={size + _SLACK})",
            small=size <= _SMALL,
        )
        delimiter, quote, escape, skip, header, columns = found[0]
        quote, escape = (_character(value) for value in (quote, escape))
        # A dialect without an escape doubles its quotes, if any.
        return Sniffed(Dialect(delimiter, quote, escape or quote), skip, header, columns)

    def null_words(self, data: bytes, plan: Plan) -> list[str]:
        """Return the `NULL_WORDS` among the values of the columns that have types in a plan."""
        columns = [f"c{i}" for i, types in enumerate(plan.types) if types][:_MAX_COLUMNS]
        if not columns:
            return []
        known = ", ".join(map(literal, NULL_WORDS))
        with held(data) as path:
            rows = self._fetch(
                f"SELECT DISTINCT v FROM (SELECT unnest([{', '.join(columns)}]) AS v "
                f"FROM {_read(path, plan, len(data))}) WHERE v IN ({known})",
                small=len(data) <= _SMALL,
            )
        return [word for word in NULL_WORDS if (word,) in rows]

    def try_types(self, data: bytes, plan: Plan) -> Sequence[ColumnCount]:
        """Return the counts of each column, without rows that can't be read.

        Raises:
            Unparsable: see there.
        """
        small = len(data) <= _SMALL
        with held(data) as path:
            try:
                return self._count_all(_read(path, plan, len(data)), plan, small=small)[1]
            except Unparsable:
                table = _read(path, plan, len(data), strict=False)
                return self._count_all(table, plan, small=small)[1]

    def count(self, data: bytes, plan: Plan) -> Counted:
        """Count rows, values and their types in a part of a file, in UTF-8.

        Raises:
            Unparsable: see there.
        """
        with held(data) as path:
            try:
                return self._count(path, plan, len(data), strict=True)
            except Unparsable:
                # For example a quote in the midst of a value; DuckDB then takes what it can.
                return self._count(path, plan, len(data), strict=False)

    def _count(self, path: str, plan: Plan, size: int, *, strict: bool) -> Counted:
        table = _read(path, plan, size, rejects=True, strict=strict)
        rows, counts = self._count_all(table, plan, small=size <= _SMALL)
        rejected = self._rejected(small=size <= _SMALL)
        misfits = self._misfits(_read(path, plan, size, strict=strict), plan, counts)
        return Counted(rows, counts, rejected, misfits)

    def _count_all(self, table: str, plan: Plan, *, small: bool) -> tuple[int, list[ColumnCount]]:
        if small:
            return self._count_small(table, plan)
        if len(plan.types) > _MAX_COLUMNS:
            return self._count_long(table, plan)
        first = [(i, _without_implied(types)) for i, types in enumerate(plan.types)]
        rows, columns = self._count_columns(table, first)
        # A whole number is a number, too, so this is seldom needed.
        second = [
            (i, IMPLIED)
            for i, types in first
            if {*plan.types[i]} - {*types} and columns[i].fitting[BIGINT] < columns[i].values
        ]
        again = {}
        if second:
            counts = self._count_columns(table, second)[1]
            again = dict(zip([i for i, _ in second], counts, strict=True))
        return rows, [
            _with_implied(count, plan.types[i], again.get(i)) for i, count in enumerate(columns)
        ]

    def _count_columns(
        self, table: str, columns: Sequence[tuple[int, Sequence[int]]]
    ) -> tuple[int, list[ColumnCount]]:
        """Return the number of rows, and the counts of some columns."""
        found = iter(self._fetch(f"SELECT {', '.join(_counts(columns))} FROM {table}")[0])
        rows = next(found)
        return rows, [
            ColumnCount(next(found), {index: next(found) for index in types})
            for _, types in columns
        ]

    def _count_small(self, table: str, plan: Plan) -> tuple[int, list[ColumnCount]]:
        """Do the same for few values, each of which is tested once."""
        columns = ", ".join(f"c{i}" for i in range(len(plan.types)))
        rows = self._fetch(f"SELECT {columns} FROM {table}", small=True)
        values = [
            Counter(value for value in column if value is not None)
            for column in (zip(*rows, strict=True) if rows else [()] * len(plan.types))
        ]
        tested = {*chain.from_iterable(compress(values, plan.types))}
        fits = self._fits([*tested])
        return len(rows), [
            ColumnCount(
                counter.total(),
                {i: sum(n for value, n in counter.items() if fits[value][i]) for i in types},
            )
            for counter, types in zip(values, plan.types, strict=True)
        ]

    def _fits(self, values: Sequence[str]) -> dict[str, tuple[bool, ...]]:
        """Return for each value which of the `TYPES` it fits."""
        # The same values are tested several times, and files that belong together have many.
        local = self._local.__dict__
        if local.get("size", _MAX_KNOWN) >= _MAX_KNOWN:
            local |= {"known": {}, "size": 0}
        known: dict[str, tuple[bool, ...]] = local["known"]
        if new := [value for value in values if value not in known]:
            texts = ", ".join(map(literal, new))
            found = self._fetch(f"EXECUTE tests([{texts}])", small=True)
            known.update(zip(new, found, strict=True))
            local["size"] += sum(map(len, new))
        return known

    def _count_long(self, table: str, plan: Plan) -> tuple[int, list[ColumnCount]]:
        """Do the same for many columns, for which a query with an aggregate for each is slow."""
        types = sorted({index for some in plan.types for index in some})
        tests = "".join(
            f", count(*) FILTER ({TYPES[index].condition.format(c='v')})" for index in types
        )
        width = len(plan.types)
        values = ", ".join(f"c{i}" for i in range(width))
        total = 0
        counts = [ColumnCount(0, dict.fromkeys(types, 0))] * width
        for i, rows, count, *fitting in self._fetch(
            f"SELECT i, count(*), count(v){tests} FROM "
            f"(SELECT unnest(range({width})) AS i, unnest([{values}]) AS v FROM {table}) GROUP BY i"
        ):
            counts[i], total = ColumnCount(count, dict(zip(types, fitting, strict=True))), rows
        return total, counts

    def _misfits(
        self, table: str, plan: Plan, columns: Sequence[ColumnCount]
    ) -> Mapping[int, tuple[str, int]]:
        """Return the first misfit of each column that almost has a type, up to a few columns."""
        found = {}
        for i, (types, count) in enumerate(zip(plan.types, columns, strict=True)):
            if i in plan.explained or not types:
                continue
            best = max(types, key=count.fitting.__getitem__)
            if not ALMOST * count.values <= count.fitting[best] < count.values:
                continue
            condition = TYPES[best].condition.format(c=f"c{i}")
            rows = self._fetch(
                f"SELECT v, n FROM (SELECT c{i} AS v, c{i}, row_number() OVER () AS n FROM {table})"
                f" WHERE c{i} IS NOT NULL AND coalesce({condition}, false) = false"
                " ORDER BY n LIMIT 1"
            )
            found[i] = rows[0][0], rows[0][1]
            if len(found) == (_MAX_MISFITS if len(plan.types) <= _MAX_COLUMNS else 1):
                break
        return found

    def _rejected(self, *, small: bool) -> dict[str, Rejected]:
        rows = self._fetch(
            "SELECT error_type, count(DISTINCT line_byte_position), min(line_byte_position), "
            "arg_min(error_message, line_byte_position) FROM reject_errors GROUP BY error_type",
            small=small,
        )
        if rows:
            self._fetch("DROP TABLE reject_errors; DROP TABLE reject_scans", small=small)
        return {kind: Rejected(*others) for kind, *others in rows}

    def _fetch(self, query: str, *, small: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows of a query; `small`: it reads so few that optimizing it does not pay."""
        connections = getattr(self._local, "connections", None)
        if connections is None:
            connections = self._local.connections = self._connect()
        try:
            rows: list[tuple[Any, ...]] = connections[small].execute(query).fetchall()
        except duckdb.Error as error:
            raise Unparsable(str(error).partition("\n")[0]) from error
        return rows

    def _connect(self) -> tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]:
        """Return two connections for a thread; the second one is for small reads."""
        with self._lock:
            first, second = self._database.cursor(), self._database.cursor()
        second.execute("PRAGMA disable_optimizer")
        tests = ", ".join(f"coalesce({kind.condition.format(c='v')}, false)" for kind in TYPES)
        # Unnesting keeps the order.
        second.execute(f"PREPARE tests AS SELECT {tests} FROM (SELECT unnest($1::VARCHAR[]) AS v)")
        return first, second


_MAX_MISFITS = 20


def _without_implied(types: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(index for index in types if index not in IMPLIED) if BIGINT in types else types


def _with_implied(
    count: ColumnCount, types: tuple[int, ...], again: ColumnCount | None
) -> ColumnCount:
    """Return the count of all types, given that of those which were not implied."""
    others = again.fitting if again else dict.fromkeys(IMPLIED, count.values)
    known = {**others, **count.fitting}
    return ColumnCount(count.values, {index: known[index] for index in types})


def _counts(columns: Sequence[tuple[int, Sequence[int]]]) -> Iterator[str]:
    yield "count(*)"
    for i, types in columns:
        yield f"count(c{i})"
        for index in types:
            yield f"count(*) FILTER ({TYPES[index].condition.format(c=f'c{i}')})"


def _read(path: str, plan: Plan, size: int, *, rejects: bool = False, strict: bool = True) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(plan.types)))
    marks = [mark for mark in plan.dialect if mark]
    # With an escape before it, an `N` is not a null.
    nulls = [word for word in plan.nulls if not any(mark in word for mark in marks)]
    options = {
        "auto_detect": "false",
        "delim": literal(plan.dialect.delimiter),
        "quote": literal(plan.dialect.quote),
        "escape": literal(plan.dialect.escape),
        "new_line": "'\\n'",
        "header": "false",
        "columns": f"{{{columns}}}",
        "nullstr": f"[{', '.join(map(literal, nulls))}]",
        "ignore_errors": "true",
        "max_line_size": size + _SLACK,
        "buffer_size": size + _SLACK,
    }
    if rejects:
        options |= {"store_rejects": "true", "rejects_limit": 0}
    if not strict:
        options |= {"strict_mode": "false"}
    return f"read_csv({literal(path)}, {', '.join(f'{k}={v}' for k, v in options.items())})"


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _character(text: str) -> str:
    return "" if text in ("(empty)", "\0") else text


@contextmanager
def held(data: bytes) -> Iterator[str]:
    """Hold bytes in a file, in memory where the system can, and return its path."""
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name
        return
    fd = os.memfd_create("asyncload-csv", os.MFD_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
