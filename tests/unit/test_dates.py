"""The date of each file, from its path or its time of modification."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.values import Failed, FileState, SourceFile
from asyncload.planning.collecting import check_plan
from asyncload.planning.dates import ArrivalDates, ModificationDates, PathDates
from asyncload.planning.keys import LAYOUTS, KeyLayout
from asyncload.planning.plan import LoadPlan

DAY = date(2022, 5, 1)
ISO = "{date:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (ISO, "sales/2022-05-01/s.csv"),
        (ISO, "sales/export_2022-05-01.csv"),
        ("{date}", "2022-05-01.csv"),
        (ISO, "2022-05-01/2022-05-01.csv"),
        ("{date:%Y%m%d}", "sales-20220501.csv"),
        ("{date:%d.%m.%y}", "s/01.05.22 s.csv"),
        ("{date:%Y/%m/%d}", "sales/2022/05/01/s.csv"),
        ("{date:year=%Y/month=%m/day=%d}", "s/year=2022/month=05/day=01/s.csv"),
        ("{date:%Y-%j}", "2022-121/s.csv"),
        ("{date:%Y%m%dT%H%M%S}", "20220501T235959.csv"),
        ("{date:100%%_%Y-%m-%d}", "100%_2022-05-01.csv"),
        ("/sales/" + ISO, "sales/2022-05-01/copy/2021-01-01/s.csv"),
        (ISO + "/*.csv", "2021-01-01/x/2022-05-01/s.csv"),
        ("/*/" + ISO + "/**/s?.csv", "x/2022-05-01/a/b/s1.csv"),
        (ISO, "2022-13-01/2022-05-01.csv"),
        ("{date:%Y-%m-%d}_{{x}}", "2022-05-01_{x}.csv"),
    ],
)
def test_a_date_is_found_in_a_path(pattern, path):
    """In any form that names a day; a day that is not in the calendar is refused."""
    assert PathDates(pattern).day_of(SourceFile(path, 1)) == DAY


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (ISO, "sales/s.csv"),
        (ISO, "12022-05-01.csv"),
        (ISO, "2022-05-011.csv"),
        (ISO, "2022-02-30.csv"),
        ("/" + ISO, "sales/2022-05-01/s.csv"),
        ("/*/" + ISO + "/", "a/b/2022-05-01/s.csv"),
        ("{date:%Y-%j}", "2022-366.csv"),
        ("{date:%Y-%m-%d}", "\u0662022-05-01.csv"[:3]),
    ],
)
def test_a_path_without_a_date_is_refused(pattern, path):
    """Digits of a longer number are none."""
    with pytest.raises(InvalidKey, match="the file has no date: --date-from"):
        PathDates(pattern).day_of(SourceFile(path, 1))


@pytest.mark.fault("I34")
def test_a_path_with_two_dates_is_refused():
    """With both, rather than guessed."""
    with pytest.raises(InvalidKey) as error:
        PathDates(ISO).day_of(SourceFile("2022-05-02/2022-05-01.csv", 1))
    assert "finds 2022-05-01 and 2022-05-02 in its path" in error.value.message


@given(st.dates(min_value=date(1969, 1, 1), max_value=date(2068, 12, 31)))
def test_every_day_is_read_as_it_was_written(day):
    """By month and day or by the day of the year, with four digits of the year or two."""
    for spec in ("%Y-%m-%d", "%d%m%y", "%y.%j", "%Y%j"):
        assert PathDates(f"{{date:{spec}}}").day_of(SourceFile(day.strftime(spec), 1)) == day


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%Y-%m-%d", "must have exactly one field"),
        ("", "must have exactly one field"),
        ("{date}{date}", "must have exactly one field"),
        ("{day}", "must have exactly one field"),
        ("{date!r}", "must have exactly one field"),
        ("{date", "is not a valid pattern"),
        ("{date:%Y-%m}", "does not name a day"),
        ("{date:%m-%d}", "does not name a day"),
        ("{date:%B %d %Y}", "can't be read back"),
        ("{date:%Y%Y%m%d}", "can't be read back"),
        ("{date:%Y-%m-%d%}", "can't be read back"),
    ],
)
def test_a_pattern_that_can_find_no_date_is_refused(pattern, message):
    """With an example."""
    with pytest.raises(UsageError, match=message) as error:
        PathDates(pattern)
    assert error.value.hint


def test_a_file_has_the_day_of_its_modification_in_the_time_zone():
    """As `--date today` would have had then."""
    time = datetime(2022, 5, 1, 2, 59, 59, tzinfo=UTC)
    source = SourceFile("a.csv", 1, int(time.timestamp()) * 10**9)
    assert ModificationDates(UTC).day_of(source) == DAY
    assert ModificationDates(ZoneInfo("America/Sao_Paulo")).day_of(source) == date(2022, 4, 30)
    before = SourceFile("a.csv", 1, -1)
    assert ModificationDates(UTC).day_of(before) == date(1969, 12, 31)


def test_a_file_has_the_day_on_which_it_appeared():
    """Its last change of any kind, if that is known; copying keeps the time of modification."""
    time = int(datetime(2022, 5, 2, tzinfo=UTC).timestamp()) * 10**9
    source = SourceFile("a.csv", 1, time)
    copied = source._replace(version=FileState(1, time, time + 86_400 * 10**9, 1, 1))
    assert ArrivalDates(UTC).day_of(source) == date(2022, 5, 2)
    assert ArrivalDates(UTC).day_of(copied) == date(2022, 5, 3)


@pytest.mark.parametrize("mtime_ns", [2**62 * 1000, -(2**62) * 1000])
def test_a_time_outside_the_calendar_is_refused(mtime_ns):
    """As broken file systems report it."""
    with pytest.raises(InvalidKey, match="the file has no date"):
        ModificationDates(UTC).day_of(SourceFile("a.csv", 1, mtime_ns))


def plan_of(*paths, put_limit=100, size=1):
    layout = KeyLayout("default", "Raw", "Local", "CSV", None)
    plan = LoadPlan(layout, put_limit=put_limit, dates=PathDates(ISO))
    for path in paths:
        plan.add(SourceFile(path, size))
    return plan


@pytest.mark.parametrize("size", [1, 1_000])
def test_each_file_is_planned_under_its_own_date(size):
    """Small and large ones, across the slices that the plan keeps."""
    paths = [f"d/{date.fromordinal(738_000 + number)}.csv" for number in range(5_000)]
    plan = plan_of(*paths, size=size)
    uploads = sorted(plan.uploads(), key=lambda upload: upload.source.path)
    assert [upload.source.path for upload in uploads] == paths
    for upload in uploads:
        name = upload.source.path[2:]
        assert upload.day == date.fromisoformat(name[:10])
        assert upload.key == f"Raw/Local/CSV/D/{upload.day:%Y/%m/%d}/{name}"
        assert upload.partition == f"Raw/Local/CSV/D/{upload.day:%Y/%m/%d}/"
    assert dict(plan.partitions) == {upload.partition: 1 for upload in uploads}


def test_a_file_without_a_date_fails_and_the_others_are_planned():
    """If none has one, the run is refused."""
    plan = plan_of("a.csv", "2022-05-01.csv")
    assert [(f.path, f.error.message[:20]) for f in plan.failures] == [
        ("a.csv", "the file has no date")
    ]
    check_plan(plan, allow_empty=False)
    plan = plan_of("a.csv", "b.csv")
    with pytest.raises(UsageError, match=r"no file has a date, so nothing can be loaded; a\.csv: "):
        check_plan(plan, allow_empty=False)
    plan.add_failure(Failed("locked", None, 0, UsageError("x")))
    check_plan(plan, allow_empty=False)


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("default", "Raw/Local/CSV/"),
        ("lake/{date:%Y}/{path}", "lake/"),
        ("{date}/{dataset}/{path}", ""),
    ],
)
def test_the_common_prefix_of_many_dates_ends_before_the_date(template, prefix):
    """A listing below it finds the objects of all of them."""
    layout = KeyLayout(template, "Raw", "Local", "CSV", None)
    assert layout.common_prefix() == prefix
    keys = [layout.key_for("a.csv", day) for day in (DAY, date(1999, 12, 31))]
    fixed = KeyLayout(template, "Raw", "Local", "CSV", DAY)
    assert keys[0] == fixed.key_for("a.csv")
    assert keys[0] != keys[1]
    assert all(key.startswith(prefix) for key in keys)


@pytest.mark.parametrize("template", ["{date:%}/{path}", "{date:\ud800}/{path}"])
def test_a_format_is_checked_before_there_is_a_date(template):
    """Not with the first file."""
    with pytest.raises(UsageError, match=r"is not a valid date format|no valid key"):
        KeyLayout(template, "Raw", "Local", "CSV", None)


def test_a_layout_says_whether_it_has_a_date():
    """By its field, in any form."""
    has = [KeyLayout(t, "R", "L", "C", DAY).has_date for t in (*LAYOUTS, "{date}{path}", "{path}")]
    assert has == [True, True, True, False]
