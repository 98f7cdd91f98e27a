"""What the first rows of a CSV tell: its dialect, its header, and the types to try."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from asyncload.source.tables.duck import (
    NULL_WORDS,
    NULLS,
    Engine,
    Plan,
    Sniffed,
    Unparsable,
)
from asyncload.source.tables.records import end_of_rows
from asyncload.source.tables.types import (
    BOOLEAN,
    COMMA,
    LIKE_A_NUMBER,
    TYPES,
    ColumnCount,
    ColumnTally,
)
from asyncload.source.tables.values import Dialect, Finding

_SAMPLE = 256 * 1024
"""The bytes that are looked at first."""
_MAX_NAMED = 5
_SEPARATOR = re.compile(rb'"?sep=[^\n"]"?[ ]*\n', re.IGNORECASE)
_PLAIN = Dialect(",", '"', '"')


class Beginning(NamedTuple):
    """What the first rows tell.

    `lines` are the lines before the first row: `skipped` ones, and those of the header. `types` are
    those that each column may have, by their indexes in `TYPES`. `null_words` stand for a null.
    """

    dialect: Dialect
    header: bool
    skipped: int
    lines: int
    names: Sequence[str]
    types: Sequence[tuple[int, ...]]
    null_words: Sequence[str]
    findings: Sequence[Finding]

    @classmethod
    def unknown(cls) -> Beginning:
        """Return what is known of a file whose first line is too long."""
        return cls(_PLAIN, False, 0, 0, (), (), (), ())


def first_rows(head: bytes, newline: bytes) -> bytes:
    """Return the first lines of a file, about as many as tell enough."""
    if len(head) <= _SAMPLE:
        return head
    end = head.rfind(newline, 0, _SAMPLE) + 1 or head.find(newline) + 1
    return head[:end]


def first_table(sample: bytes, engine: Engine) -> Beginning | None:
    """Return what the first lines of a file tell, in UTF-8; None if they are blank."""
    if not sample.strip():
        return None
    # Excel's line for the delimiter belongs to no table, and misleads the detection.
    marked = _SEPARATOR.match(sample)
    rows = sample[marked.end() :] if marked else sample
    if not rows.strip():
        rows, marked = sample, None
    try:
        sniffed = engine.sniff(rows)
    except Unparsable:
        sniffed = guess(rows)
    if marked:
        sniffed = sniffed._replace(skip=sniffed.skip + 1)
    if not sniffed.header and _names_rows(sample, sniffed):
        sniffed = sniffed._replace(header=True)
    body, lines, fields = _split(sample, sniffed)
    width = max(1, sniffed.columns)
    findings = []
    if sniffed.header:
        findings += _findings_of_header(fields, width)
    else:
        findings.append(Finding("no header", "the first line seems to be data, not a header"))
        fields = []
    before = sample.split(b"\n", sniffed.skip)[: sniffed.skip]
    if any(line.strip() for line in before):
        lead = "1 line precedes" if sniffed.skip == 1 else f"{sniffed.skip:,} lines precede"
        findings.append(Finding("header", f"{lead} the table", line=1))
    names = [*fields, *(f"column{i}" for i in range(len(fields), width))][:width]
    types, words = _types(body, sniffed.dialect, width, engine)
    return Beginning(
        sniffed.dialect, sniffed.header, sniffed.skip, lines, names, types, words, findings
    )


def _names_rows(sample: bytes, sniffed: Sniffed) -> bool:
    """Return whether the first line is a header whose first column, the rows' names, has none.

    So R and pandas write tables, also with numbers for the other columns' names.
    """
    body, _, names = _split(sample, sniffed._replace(header=True))
    if not names[1:] or names[0] or "" in names[1:] or len({*names}) < len(names):
        return False
    first = _split(body, sniffed._replace(skip=0, header=True))[2]
    return bool(first and first[0])


def _split(sample: bytes, sniffed: Sniffed) -> tuple[bytes, int, list[str]]:
    """Return the rows behind the header, the number of lines before, and the header's names."""
    at = 0
    for _ in range(sniffed.skip):
        at = sample.find(b"\n", at) + 1
    if not sniffed.header:
        return sample[at:], sniffed.skip, []
    end = at
    while True:
        end = sample.find(b"\n", end) + 1 or len(sample)
        if end == len(sample) or end_of_rows(sample[at:end], b"\n", sniffed.dialect):
            break
    text = sample[at:end].decode("utf-8", "replace")
    return sample[end:], _lines(sample[:end]), _values(text, sniffed.dialect)


def _lines(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n"))


def _values(row: str, dialect: Dialect) -> list[str]:
    """Return the values of a row."""
    quoted = bool(dialect.quote)
    reader = csv.reader(
        io.StringIO(row, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        escapechar=dialect.escape if dialect.escape != dialect.quote else None,
    )
    try:
        return next(reader, [])
    except csv.Error:
        # A value of more than 128 KiB.
        return row.strip("\n").split(dialect.delimiter)


def _findings_of_header(names: Sequence[str], width: int) -> list[Finding]:
    findings = []
    if len(names) != width:
        message = f"the header has {len(names):,} names, and rows have {width:,} values"
        findings.append(Finding("header", message))
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        more = f" and {len(twice) - _MAX_NAMED:,} more" if len(twice) > _MAX_NAMED else ""
        named = ", ".join(map(repr, twice[:_MAX_NAMED]))
        findings.append(Finding("header", f"names that occur several times: {named}{more}"))
    if blank := sum(not name.strip() for name in names):
        columns = "1 column has" if blank == 1 else f"{blank:,} columns have"
        findings.append(Finding("header", f"{columns} no name"))
    return findings


def _types(
    body: bytes, dialect: Dialect, width: int, engine: Engine
) -> tuple[list[tuple[int, ...]], list[str]]:
    """Return the types to try for each column, and the words that stand for a null."""
    nulls = [*NULLS, *NULL_WORDS]
    numbers = tuple(
        index
        for index, kind in enumerate(TYPES[:LIKE_A_NUMBER])
        if index != BOOLEAN and (kind.format != COMMA or dialect.delimiter != ",")
    )
    try:
        # Most columns are text, so two tests suffice for them.
        first = _candidates(engine.try_types(body, Plan(dialect, nulls, [_FIRST] * width)))
        likely = [numbers if LIKE_A_NUMBER in types else () for types in first]
        second = _candidates(engine.try_types(body, Plan(dialect, nulls, likely)))
        types = [
            tuple(sorted({*some, *more} - {LIKE_A_NUMBER}))
            for some, more in zip(first, second, strict=True)
        ]
        # Those without values may have any type, and their words say nothing.
        typed = [some if len(some) < len(numbers) else () for some in types]
        return types, engine.null_words(body, Plan(dialect, ("",), typed))
    except Unparsable:
        return [()] * width, []


_FIRST = (BOOLEAN, LIKE_A_NUMBER)


def _candidates(counts: Sequence[ColumnCount]) -> list[tuple[int, ...]]:
    types = []
    for count in counts:
        tally = ColumnTally("", tuple(count.fitting))
        tally.add(count)
        types.append(tally.candidates)
    return types


def guess(sample: bytes) -> Sniffed:
    """Return the dialect that most of the first lines agree on, if DuckDB finds none."""
    lines = [line for line in sample[: 64 * 1024].split(b"\n") if line.strip()][:100]
    best, agreeing, columns = ",", 0, 1
    for delimiter in ",;|\t":
        counts = Counter(line.count(delimiter.encode()) for line in lines)
        del counts[0]
        for count, number in counts.most_common(1):
            if number > agreeing:
                best, agreeing, columns = delimiter, number, count + 1
    quote = '"' if b'"' in sample else ""
    first = lines[0].split(best.encode())
    header = not any(value.strip(b' "').isdigit() for value in first)
    return Sniffed(Dialect(best, quote, quote), 0, header, columns)
