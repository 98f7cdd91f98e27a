"""The types of columns: which fits, what else is said, and what two files have in common."""

from __future__ import annotations

import pytest

from asyncload.source.tables import duck
from asyncload.source.tables.duck import Engine, Plan
from asyncload.source.tables.types import (
    MAX_NAMED,
    TYPES,
    ColumnCount,
    ColumnTally,
    findings_of_columns,
    merge_columns,
)
from asyncload.source.tables.values import Column, Dialect

INDEX = {(kind.name, kind.format): i for i, kind in enumerate(TYPES)}
BIGINT, DOUBLE = INDEX["BIGINT", ""], INDEX["DOUBLE", ""]
DAY_FIRST, MONTH_FIRST = INDEX["DATE", "%d/%m/%Y"], INDEX["DATE", "%m/%d/%Y"]


def tally(candidates, *parts):
    """A tally of parts, each of which is a number of values and those that fit each candidate."""
    tally = ColumnTally("n", candidates)
    for values, *fitting in parts:
        tally.add(ColumnCount(values, dict(zip(candidates, fitting, strict=True))))
    return tally


@pytest.mark.parametrize(
    ("candidates", "parts", "expected"),
    [
        ((BIGINT, DOUBLE), [(5, 5, 5), (5, 5, 5)], ("BIGINT", "")),
        ((BIGINT, DOUBLE), [(5, 5, 5), (5, 4, 5)], ("DOUBLE", "")),
        ((BIGINT, DOUBLE), [(5, 0, 0)], ("VARCHAR", "")),
        ((BIGINT,), [(0, 0)], ("", "")),
        ((), [(3,)], ("VARCHAR", "")),
        ((DAY_FIRST, MONTH_FIRST), [(3, 3, 3)], ("VARCHAR", "")),
        ((DAY_FIRST, MONTH_FIRST), [(3, 3, 2)], ("DATE", "%d/%m/%Y")),
    ],
)
def test_a_type_fits_all_values(candidates, parts, expected):
    """The most specific one that does; dates that may be read in two ways are texts."""
    column = tally(candidates, *parts).column(20)
    assert (column.type, column.format) == expected
    assert column.values + column.nulls == 20


def test_almost_a_type_is_a_finding():
    """With an example; not for a few values, nor if most are texts."""
    almost = tally((BIGINT,), (100, 99))
    assert almost.finding().message == "99 of 100 values are whole numbers, the others are not"
    almost.misfit = "x" * 50, 1234
    assert almost.finding().message.endswith(f"such as '{'x' * 40}' in row 1,234")
    assert tally((BIGINT,), (9, 9)).finding() is None
    assert tally((BIGINT,), (100, 100)).finding() is None
    assert tally((BIGINT,), (100, 50)).finding() is None


def test_a_file_with_very_many_mixed_columns_names_the_first():
    """And how many more there are."""
    found = list(findings_of_columns([tally((BIGINT,), (100, 99))] * (MAX_NAMED + 5)))
    assert len(found) == MAX_NAMED + 1
    assert found[-1].message == "5 more columns have mixed values"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("BIGINT", "BIGINT", "BIGINT"),
        ("", "DATE", "DATE"),
        ("", "", ""),
        ("BIGINT", "DOUBLE", "DOUBLE"),
        ("DATE", "BIGINT", None),
        ("BIGINT", "VARCHAR", None),
    ],
)
def test_columns_of_two_files_have_a_type_if_one_fits_both(first, second, expected):
    """A column without values fits any."""
    merged = merge_columns(Column("a", first, "", 3, 1), Column("a", second, "", 2, 2))
    assert (merged and merged.type) == expected
    assert merged is None or (merged.values, merged.nulls) == (5, 3)


def test_numbers_with_and_without_a_decimal_comma_have_nothing_in_common():
    """Whole numbers agree with both."""
    comma, point = Column("a", "DOUBLE", "decimal comma", 1, 0), Column("a", "DOUBLE", "", 1, 0)
    assert merge_columns(comma, point) is None
    assert merge_columns(Column("a", "BIGINT", "", 1, 0), comma).format == "decimal comma"


@pytest.mark.parametrize("width", [5, 210])
def test_a_small_part_is_counted_as_a_large_one_is(width, monkeypatch):
    """Its values are tested one by one, and remembered; a large part has a query for all."""
    odd = ["", "NA", "007", " 5", "-5", "1_000", "1.5", "1,5", "1e5", "true", "it's", "é", "x\0y"]
    odd += ["2022-05-02", "02/05/2022", "2022-05-02 10:00:00", "10:00:00", str(2**63)]
    columns = [(odd[i:] + odd[:i])[: len(odd)] for i in range(width)]
    # The first column is almost one of numbers, and has a number in quotes.
    columns[0] = [*map(str, range(len(odd) - 2)), '"7"', "?"]
    rows = [list(row) for row in zip(*columns, strict=True)]
    rows.insert(3, ["ragged"])
    data = "".join(f"{';'.join(row)}\n" for row in rows).encode()
    dialect = Dialect(";", '"', '"')
    # A query for many columns counts the types of all in each.
    types = [tuple(range(i % 3 if width < 200 else 0, len(TYPES))) for i in range(width)]
    plan = Plan(dialect, ["", "NA"], types)
    engine = Engine()
    monkeypatch.setattr(duck, "_MAX_KNOWN", 3)
    small = [engine.count(data, plan), engine.count(data, plan), engine.count(b"", plan)]
    monkeypatch.setattr(duck, "_SMALL", -1)
    assert small == [engine.count(data, plan), small[0], engine.count(b"", plan)]
    assert (small[0].rows, small[0].misfits[0]) == (len(odd), ("?", len(odd)))
    engine.close()
