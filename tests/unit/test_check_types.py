"""The types of columns: which fits, what else is said, and what two files have in common."""

from __future__ import annotations

import pytest

from asyncload.source.tables.types import (
    MAX_NAMED,
    TYPES,
    ColumnCount,
    ColumnTally,
    findings_of_columns,
    merge_columns,
)
from asyncload.source.tables.values import Column

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
