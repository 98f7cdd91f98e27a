"""A month of runs, some of which failed, were killed or never started: each day is judged."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from asyncload.errors import AccessDenied, AsyncloadError, StoreUnavailable, UsageError
from asyncload.model.values import ObjectKey
from asyncload.operations.history.failures import find_failures
from asyncload.operations.history.near import suggesting_runs
from asyncload.operations.history.prune import prune_records
from asyncload.operations.history.records import find_records
from asyncload.operations.history.runs import first_moment, read_history
from asyncload.operations.history.where import find_places
from asyncload.operations.load import load_into
from asyncload.operations.report import read_run
from asyncload.reporting.history.calendar import WEEK
from asyncload.reporting.history.summary import UnreadableRun
from asyncload.reporting.history.text import calendar_lines, day_lines, history_lines, run_line
from asyncload.reporting.text import failed_lines
from asyncload.settings.parsing import as_weekdays
from asyncload.settings.run import Settings
from tests.support.loads import AT_ONCE, PREFIX, write_files
from tests.support.memory_store import MemoryStore

KILLED = (
    "has stored objects and left no record: it was killed, is still running, or had --no-manifest"
)
END = datetime(2022, 6, 1, 12, tzinfo=UTC)
NIGHT = datetime(2022, 5, 1, 1, tzinfo=UTC).timestamp()


class Lake(MemoryStore):
    """A store that dies after some puts, as it looks to a bucket whose loader is killed."""

    puts_left: int | None = None

    async def put(self, key, *arguments, **options):
        if self.puts_left is not None:
            if not self.puts_left:
                raise StoreUnavailable("gone")
            self.puts_left -= 1
        return await super().put(key, *arguments, **options)


class Month:
    """A volume that is loaded on days of May 2022 into a lake."""

    def __init__(self, volume):
        self.volume = volume
        self.lake = Lake()
        self.run_ids = {}

    def settings(self, **options):
        return Settings(volume=self.volume, bucket="lake", **options)

    async def load(self, day, *, hour=6, **options):
        """Load on a day; an error of the run is as good as a success here."""
        now = datetime(2022, 5, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)
        before = set(self.lake.objects)
        with suppress(AsyncloadError):
            await load_into(self.lake, self.settings(**options), now=now, retries=AT_ONCE)
        for key in self.lake.objects.keys() - before:
            if key.startswith("_asyncload/2"):
                self.run_ids[day] = key.removeprefix("_asyncload/").removesuffix(".json")

    async def history(self, since="2022-05-01", now=END, weekdays=WEEK, **options):
        settings = self.settings(**options)
        start = first_moment(settings, since, now)
        return await read_history(self.lake, settings, start, now, weekdays)


@pytest.fixture
def month(volume):
    write_files(volume, {"sales/1.csv": b"1", "sales/2.csv": b"22", "users/1.csv": b"333"})
    return Month(volume)


async def killed(month, day):
    """A run that stores some files and then neither others nor its record."""
    month.lake.puts_left = 1
    await month.load(day, concurrency=1)
    month.lake.puts_left = None


async def test_each_day_of_a_month_is_judged(month, volume):
    """Gaps, failures, kills, repeats, a dataset that comes later, and runs that never were."""
    for day in range(1, 32):
        if day in (5, 6, 7, 20):
            continue
        if day == 10:
            month.lake.objects[f"{PREFIX}/Sales/2022/05/10/1.csv"] = b"of another program"
        if day in (12, 15):
            await killed(month, day)
            if day == 15:
                await month.load(day, hour=9)
            continue
        if day == 18:
            (volume / "users/1.csv").rename(volume / "kept")
        if day == 25:
            write_files(volume, {"late/1.csv": b"1"})
        await month.load(day)
        if day == 18:
            (volume / "kept").rename(volume / "users/1.csv")
    history = await month.history()
    ids = month.run_ids
    assert list(calendar_lines(history.days)) == [
        "2022-05 1234567890123456789012345678901",
        "Late                            #######",
        "Sales   ####---##F#I#######-###########",
        "Users   ####---####-#####-#-###########",
        "",
        "# complete  F files failed  I incomplete  - missing",
    ]
    killed_run = next(d.run_id for d in history.days if d.status == "incomplete")
    assert killed_run not in ids.values()
    assert list(day_lines(history.days)) == [
        "missing: Sales, Users 2022-05-05 to 2022-05-07 (3 days): no run is recorded",
        f"failed: Sales 2022-05-10: 1 file failed, up to run {ids[10]}",
        f"incomplete: Sales 2022-05-12: run {killed_run} {KILLED}",
        "missing: Users 2022-05-12: no run is recorded",
        f"missing: Users 2022-05-18: run {ids[18]} has no files of this dataset",
        "missing: Sales, Users 2022-05-20: no run is recorded",
    ]
    assert list(history_lines(history, "lake")) == [
        "26 runs since 2022-05-01 00:00 UTC: 25 complete, 1 incomplete",
        "69 days of 3 datasets: 57 complete, 1 failed, 1 incomplete, 10 missing",
    ]
    assert history.exit_code == 3


async def test_a_month_without_gaps_is_complete(month):
    """A day later than yesterday is shown, but not expected."""
    for day in range(1, 4):
        await month.load(day)
    history = await month.history(now=datetime(2022, 5, 4, 5, tzinfo=UTC))
    assert history.exit_code == 0
    assert list(day_lines(history.days)) == []
    await month.load(4)
    history = await month.history(now=datetime(2022, 5, 4, 7, tzinfo=UTC))
    assert history.statuses == {"complete": 8}
    history = await month.history(now=datetime(2022, 5, 6, 7, tzinfo=UTC))
    assert [str(day.day) for day in history.days if day.status == "missing"] == ["2022-05-05"] * 2


@pytest.mark.parametrize(
    ("weekdays", "missing"),
    [(None, [2, 3, 4, 5, 7]), ("mon-fri", [2, 3, 4, 5]), ("sat - mon, Wed", [2, 4, 7])],
)
async def test_datasets_may_be_expected_on_some_weekdays_only(month, weekdays, missing):
    """What is loaded on others is judged nevertheless: here on a Sunday and a Friday."""
    for day in (1, 6):
        await month.load(day, include="users/*")
    days = as_weekdays("--weekdays", weekdays) if weekdays else WEEK
    history = await month.history(now=datetime(2022, 5, 8, 7, tzinfo=UTC), weekdays=days)
    assert history.statuses["complete"] == 2
    assert [d.day.day for d in history.days if d.status == "missing"] == missing


async def test_a_failure_is_forgotten_once_the_file_is_loaded(month, volume):
    """Another file of its dataset does not repair it; a run of the file alone does."""
    key = f"{PREFIX}/Sales/2022/05/01/1.csv"
    month.lake.objects[key] = b"of another program"
    await month.load(1)
    await month.load(1, hour=7, include="2.csv")
    now = datetime(2022, 5, 2, 5, tzinfo=UTC)
    history = await month.history(now=now)
    assert history.statuses == {"failed": 1, "complete": 1}
    await month.load(1, hour=8, include="sales/1.csv", overwrite=True)
    history = await month.history(now=now)
    assert (history.statuses, history.exit_code) == ({"complete": 2}, 0)


@pytest.mark.parametrize("dates", [{}, {"date": "mtime"}], ids=["of the run", "of each file"])
async def test_a_failed_file_that_was_renamed_is_forgotten_once_all_is_loaded(month, volume, dates):
    """Not by a run of fewer files, with other patterns, or that fails itself."""
    for name in ("sales/1.csv", "sales/2.csv", "users/1.csv"):
        os.utime(volume / name, (NIGHT, NIGHT))
    month.lake.objects[f"{PREFIX}/Sales/2022/05/01/1.csv"] = b"of another program"
    await month.load(1, **dates)
    (volume / "sales/1.csv").rename(volume / "sales/3.csv")
    now = datetime(2022, 5, 2, 5, tzinfo=UTC)
    listed = volume.parent / "list.txt"
    listed.write_text("sales/2.csv")
    narrower = (
        {"max_age": "900d"},
        {"exclude": "none*"},
        {"files_from": listed},
        {"min_age": "1s"},
    )
    month.lake.objects[f"{PREFIX}/Users/2022/05/01/new.csv"] = b"of another program"
    write_files(volume, {"users/new.csv": b"1"})
    os.utime(volume / "users/new.csv", (NIGHT, NIGHT))
    await month.load(1, hour=7, **dates)
    (volume / "users/new.csv").unlink()
    for options in narrower:
        await month.load(1, hour=8, **options, **dates)
        history = await month.history(now=now)
        assert {(day.dataset, day.status) for day in history.days} == {
            ("Sales", "failed"),
            ("Users", "failed"),
        }, options
    await month.load(1, hour=9, **dates)
    history = await month.history(now=now)
    assert history.statuses == {"complete": 2}


async def test_a_failed_file_of_another_volume_is_not_forgotten(month, volume, tmp_path):
    """Its dataset comes from both."""
    month.lake.objects[f"{PREFIX}/Sales/2022/05/01/1.csv"] = b"of another program"
    await month.load(1)
    month.volume = tmp_path / "other"
    write_files(month.volume, {"sales/9.csv": b"9"})
    await month.load(1, hour=7)
    history = await month.history(now=datetime(2022, 5, 2, 5, tzinfo=UTC))
    assert history.statuses == {"failed": 1, "complete": 1}


async def test_a_run_that_ended_early_leaves_its_day_incomplete(month, volume):
    """Until another run of the day reaches all files."""
    for name in range(40):
        write_files(volume, {f"sales/m{name}.csv": b"1"})

    class Refuses(Lake):
        async def put(self, key, *arguments, **options):
            if not key.startswith("_asyncload/") and len(self.objects) == 5:
                raise AccessDenied("no more")
            return await super().put(key, *arguments, **options)

    month.lake = Refuses()
    await month.load(1, concurrency=1)
    now = datetime(2022, 5, 2, 5, tzinfo=UTC)
    history = await month.history(now=now)
    (day,) = [day for day in history.days if day.dataset == "Sales"]
    assert (day.status, day.run_id) == ("incomplete", month.run_ids[1])
    assert "not reached; no more" in run_line(history.runs[0])
    assert history.results == {"refused": 1}
    objects, month.lake = month.lake.objects, Lake()
    month.lake.objects = objects
    await month.load(1, hour=7)
    assert (await month.history(now=now)).exit_code == 0


async def test_a_dataset_that_an_interrupted_run_never_reached_is_not_called_absent(month, volume):
    """The volume may have files of it."""
    await month.load(1)
    write_files(volume, {"first/1.csv": b"1"})

    class Refuses(Lake):
        async def put(self, key, *arguments, **options):
            if "/2022/05/02/" in key and any("/2022/05/02/" in old for old in self.objects):
                raise AccessDenied("no more")
            return await super().put(key, *arguments, **options)

    objects, month.lake = month.lake.objects, Refuses()
    month.lake.objects = objects
    await month.load(2, concurrency=1)
    history = await month.history(now=datetime(2022, 5, 3, 5, tzinfo=UTC))
    (users,) = [d for d in history.days if d.dataset == "Users" and d.day.day == 2]
    assert users.status == "missing"
    assert users.reason == f"run {month.run_ids[2]} ended before 3 files: refused"


async def test_a_killed_run_is_named_although_another_run_recorded_the_day(month):
    """As with two jobs that load different folders into one bucket."""
    await month.load(1)
    month.lake.puts_left = 1
    await month.load(2, concurrency=1, include="users/*")
    month.lake.puts_left = None
    await month.load(2, hour=7, include="sales/*")
    history = await month.history(now=datetime(2022, 5, 3, 5, tzinfo=UTC))
    (users,) = [d for d in history.days if d.status != "complete"]
    assert (users.dataset, users.day.day, users.status) == ("Users", 2, "incomplete")
    assert users.run_id != month.run_ids[2]
    assert users.reason == f"run {users.run_id} {KILLED}"


async def test_each_layer_has_days_of_its_own(month):
    """A load into another layer does not fill a gap; names in several layers have theirs."""
    await month.load(1, include="sales/*")
    await month.load(2, include="sales/*", layer="Bronze")
    await month.load(3, include="sales/*")
    await month.load(3, hour=7, include="*", layer="Bronze")
    history = await month.history(now=datetime(2022, 5, 4, 5, tzinfo=UTC))
    assert list(calendar_lines(history.days))[:4] == [
        "2022-05                1234567890123456789012345678901",
        "Bronze/Local/CSV/Sales  ##",
        "Raw/Local/CSV/Sales    #-#",
        "Users                    #",
    ]
    assert list(day_lines(history.days)) == [
        "missing: Raw/Local/CSV/Sales 2022-05-02: no run is recorded"
    ]
    assert list(history_lines(history, "lake"))[-1] == (
        "6 days of 3 datasets: 5 complete, 1 missing"
    )
    assert history.exit_code == 3


async def test_a_complete_day_stays_complete_if_a_repeated_run_is_refused(month):
    """Its files had been loaded before."""
    await month.load(1)

    class Refuses(Lake):
        async def head(self, key):
            raise AccessDenied("no more")

        async def put(self, key, *arguments, **options):
            if not key.startswith("_asyncload/"):
                raise AccessDenied("no more")
            return await super().put(key, *arguments, **options)

    month.lake, before = Refuses(), month.lake.objects
    await month.load(1, hour=7, concurrency=1)
    month.lake.objects |= before
    history = await month.history(now=datetime(2022, 5, 2, 5, tzinfo=UTC))
    assert history.results == {"complete": 1, "refused": 1}
    assert history.statuses == {"complete": 2}


async def test_files_with_dates_of_their_own_count_for_their_days(month, volume):
    """Their record is read file by file; a file without a date fails on the day of the run."""
    files = {f"sales/2022-05-0{day}/s.csv": b"1" for day in (1, 2, 4)}
    for path in volume.rglob("*.csv"):
        path.unlink()
    write_files(volume, files | {"sales/undated.csv": b"1"})
    await month.load(5, date_from="{date:%Y-%m-%d}")
    history = await month.history(now=datetime(2022, 5, 5, 7, tzinfo=UTC))
    assert [(day.day.day, day.status, day.files) for day in history.days] == [
        (5, "failed", 0),
        (1, "complete", 1),
        (2, "complete", 1),
        (3, "missing", 0),
        (4, "complete", 1),
    ]
    assert "own dates   incomplete: 4 files" in run_line(history.runs[0])
    (run,) = history.runs
    assert run.day is None


async def test_datasets_of_the_days_before_are_expected_from_the_first_day_on(month):
    """So that a gap at the beginning is not taken for the beginning of the data."""
    for day in (1, 2, 6):
        await month.load(day)
    history = await month.history(since="2022-05-04", now=datetime(2022, 5, 7, 7, tzinfo=UTC))
    missing = [(d.dataset, d.day.day) for d in history.days if d.status == "missing"]
    assert missing == [("Sales", 4), ("Sales", 5), ("Users", 4), ("Users", 5)]
    assert len(history.runs) == 1


async def test_many_datasets_are_read_from_the_files(month, volume, monkeypatch):
    """The summary of a record lists the first hundred only; a gap of all of them is one line."""
    monkeypatch.setattr("asyncload.operations.history.runs._SLICE", 10)
    write_files(volume, {f"t{n:03}.csv": b"1" for n in range(150)})
    await month.load(1)
    history = await month.history(now=datetime(2022, 5, 2, 7, tzinfo=UTC))
    assert history.statuses == {"complete": 152}
    assert {day.files for day in history.days} == {1, 2}
    history = await month.history(now=datetime(2022, 5, 3, 7, tzinfo=UTC))
    names = "Sales, T000, T001, T002, T003 and 147 more datasets"
    assert list(day_lines(history.days)) == [f"missing: {names} 2022-05-02: no run is recorded"]


async def test_objects_that_nobody_recorded_are_reported_as_such(month):
    """Markers are not data; a store that denies a look is not asked to explain a gap."""
    await month.load(1)
    await month.load(3)
    month.lake.objects[f"{PREFIX}/Sales/2022/05/02/_SUCCESS"] = b""
    month.lake.objects[f"{PREFIX}/Users/2022/05/02/u.csv"] = b"1"
    history = await month.history(now=datetime(2022, 5, 4, 7, tzinfo=UTC))
    assert [(d.dataset, d.reason) for d in history.days if d.status != "complete"] == [
        ("Sales", "no run is recorded"),
        ("Users", "objects exist that no run has recorded"),
    ]


async def test_gaps_that_can_not_be_looked_into_stay_gaps(month):
    """A denied listing, a layout without a date, one that can not be used, or none at all."""

    class Denies(Lake):
        async def list_objects(self, prefix, *arguments, **options):
            if prefix.startswith("Raw/"):
                raise AccessDenied("no")
            return await super().list_objects(prefix, *arguments, **options)

    await month.load(1)
    await month.load(3)
    key = f"_asyncload/{month.run_ids[3]}.json"
    record = month.lake.objects[key]
    lakes = {"denied": Denies(), "flat": Lake(), "odd": Lake(), "none": Lake()}
    layout = b'"layout":"default"'
    changed = {
        "denied": record,
        "flat": record.replace(layout, b'"layout":"{dataset}/{path}"'),
        "odd": record.replace(layout, b'"layout":"{nonsense}"'),
        "none": record.replace(layout, b'"l":""'),
    }
    objects = month.lake.objects
    for name, lake in lakes.items():
        lake.objects = objects | {key: changed[name]}
        month.lake = lake
        history = await month.history(now=datetime(2022, 5, 4, 7, tzinfo=UTC))
        missing = [d.reason for d in history.days if d.status != "complete"]
        assert missing == ["no run is recorded"] * 2, name


async def test_many_failures_and_gaps_are_counted(month, volume, monkeypatch):
    """Only the first ones are named."""
    monkeypatch.setattr("asyncload.reporting.history.calendar.MAX_FAILED", 1)
    monkeypatch.setattr("asyncload.reporting.history.text.MAX_NAMED_DAYS", 1)
    for name in (1, 2):
        month.lake.objects[f"{PREFIX}/Sales/2022/05/01/{name}.csv"] = b"other"
    await month.load(1)
    history = await month.history(now=datetime(2022, 5, 4, 7, tzinfo=UTC))
    assert list(day_lines(history.days)) == [
        f"failed: Sales 2022-05-01: 2 files failed, up to run {month.run_ids[1]}",
        "and 4 more days that are not complete; see --json",
    ]


UNREADABLE = {
    "cut": (lambda text: text[:-40], "is incomplete"),
    "newer": (
        lambda text: text.replace(b'"version":1', b'"version":2'),
        "its version is 2, and this asyncload reads 1",
    ),
    "other": (lambda text: b"a,b\n1,2\n", "is not a manifest of asyncload"),
    "odd": (lambda text: text.replace(b'"seconds":', b'"minutes":'), "'seconds'"),
    "empty": (lambda text: b"", "is not a manifest of asyncload"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_a_record_that_can_not_be_read_is_named(month, kind):
    """With the reason; the other runs are listed."""
    await month.load(1)
    await month.load(2)
    change, reason = UNREADABLE[kind]
    key = f"_asyncload/{month.run_ids[2]}.json"
    month.lake.objects[key] = change(month.lake.objects[key])
    assert (await month.history(since="2022-05-04", now=datetime(2022, 5, 5, tzinfo=UTC))).days
    history = await month.history(now=datetime(2022, 5, 2, 7, tzinfo=UTC))
    good, bad = history.runs
    assert isinstance(bad, UnreadableRun)
    assert reason in bad.reason
    assert run_line(bad).startswith(f"{month.run_ids[2]}  ?           unreadable: ")
    assert good.run_id == month.run_ids[1]
    assert history.exit_code == 3
    warnings = []
    records = await find_records(month.lake, "_asyncload")
    places = await find_places(month.lake, records, "users/1.csv", warnings.append)
    # Of an odd record the files can be read, but not the run.
    assert [place.run.run_id for place in places.found] == [month.run_ids[1]]
    assert len(warnings) == 1
    assert month.run_ids[2] in warnings[0].message


async def test_a_record_whose_files_can_not_be_read_is_named(month):
    """Its totals do not say which days are whole."""
    month.lake.objects[f"{PREFIX}/Sales/2022/05/01/1.csv"] = b"other"
    await month.load(1)
    key = f"_asyncload/{month.run_ids[1]}.json"
    month.lake.objects[key] = month.lake.objects[key].replace(b'"path":', b'"p":', 1)
    history = await month.history(now=datetime(2022, 5, 2, 7, tzinfo=UTC))
    assert "the record can't be read: line 2: 'path' is missing" in history.runs[0].reason
    assert history.exit_code == 3


async def test_nothing_is_expected_without_a_record(month):
    """And the exit code says so."""
    month.lake.objects |= {
        "_asyncload/store.json": b"{}",
        "_asyncload/20220501T060000Z-x/y.json": b"",
        "_asyncload/20221350T060000Z-12345678.json": b"",
    }
    history = await month.history()
    assert history.exit_code == 3
    assert list(history_lines(history, "lake")) == [
        "no records of runs since 2022-05-01 00:00 UTC below s3://lake/_asyncload/"
    ]
    assert list(calendar_lines(history.days)) == []


async def test_an_empty_run_explains_its_day(month, volume):
    """It is recorded; the days of the datasets are missing nevertheless."""
    await month.load(1, include="none.csv", allow_empty=True)
    history = await month.history(now=datetime(2022, 5, 2, 7, tzinfo=UTC))
    assert list(history_lines(history, "lake")) == ["1 run since 2022-05-01 00:00 UTC: 1 complete"]
    await month.load(1)
    for path in volume.rglob("*.csv"):
        path.unlink()
    await month.load(2, allow_empty=True)
    await month.load(3)
    history = await month.history(now=datetime(2022, 5, 4, 7, tzinfo=UTC))
    assert [d.reason for d in history.days if d.dataset == "Sales"][1:] == [
        f"run {month.run_ids[2]} found no files: complete",
        f"run {month.run_ids[3]} found no files: nothing to load",
    ]


async def test_files_without_a_key_fail_on_their_day_only(month, volume):
    """They have no dataset, so none is missing later."""
    write_files(volume, {"bad\nname.csv": b"1"})
    await month.load(1)
    (volume / "bad\nname.csv").unlink()
    await month.load(2)
    history = await month.history(now=datetime(2022, 5, 3, 7, tzinfo=UTC))
    assert list(day_lines(history.days)) == [
        f"failed: (no key) 2022-05-01: 1 file failed, up to run {month.run_ids[1]}"
    ]
    assert history.statuses == {"failed": 1, "complete": 4}


async def test_the_failed_files_of_a_run_are_named(month, volume, monkeypatch):
    """As the run has named them, each once; a record that can't be read leaves them unnamed."""
    write_files(volume, {"bad\nname.csv": b"1", "no\nname.csv": b"1", '"failed".csv': b"1"})
    await month.load(1)
    key = ObjectKey(f"_asyncload/{month.run_ids[1]}.json")
    past = await read_run(month.lake, key)
    await find_failures(month.lake, past.report, [key, key])
    lines = list(failed_lines(past.report))
    assert lines[::2][:2] == ["failed: bad\\nname.csv", "failed: no\\nname.csv"]
    assert "control character" in lines[1]
    assert lines[-1].startswith("  hint: rename the file")

    monkeypatch.setattr("asyncload.operations.history.failures.MAX_FAILED", 1)
    past = await read_run(month.lake, key)
    await find_failures(month.lake, past.report, [key])
    assert "and 1 more failed in the same way (InvalidKey)" in "\n".join(failed_lines(past.report))

    past = await read_run(month.lake, key)
    month.lake.objects[key] = month.lake.objects[key].replace(b'"size":1,', b'"size":"x",')
    await find_failures(month.lake, past.report, [key])
    assert next(failed_lines(past.report)) == "failed: 2 files (InvalidKey); see the manifest"
    past.report.failure_groups.clear()
    month.lake.objects[key] = month.lake.objects[key].replace(b'"size":"x",', b'"size":1,')
    await find_failures(month.lake, past.report, [key])
    assert not list(failed_lines(past.report))


async def test_a_store_that_lists_more_than_asked_for_changes_nothing(month):
    """Some begin a listing at the first key in any case."""

    class ListsAll(Lake):
        async def list_objects(self, prefix, after=None, **_):
            return await super().list_objects(prefix, after)

    await month.load(1)
    await month.load(20)
    objects, month.lake = month.lake.objects, ListsAll()
    month.lake.objects = objects
    history = await month.history(since="2022-05-20", now=datetime(2022, 5, 21, 7, tzinfo=UTC))
    assert len(history.runs) == 1
    assert history.exit_code == 0


async def test_a_gap_is_told_in_the_time_zone_of_the_days(month):
    """A run at 23:00 in Sao Paulo is of the day there."""
    zone = {"timezone": "America/Sao_Paulo"}
    now = datetime(2022, 5, 3, 2, 30, tzinfo=UTC)
    await month.load(2, hour=2, **zone)
    history = await month.history(now=now, **zone)
    assert {(day.day, day.status) for day in history.days} == {(date(2022, 5, 1), "complete")}


async def test_a_file_is_found_by_path_name_key_and_end_of_a_longer_path(month):
    """Each of its objects, and each run that was there; exact matches hide others."""
    await month.load(1)
    await month.load(1, hour=7)
    await month.load(2)
    records = await find_records(month.lake, "_asyncload")
    key = f"{PREFIX}/Users/2022/05/01/1.csv"

    async def found(file):
        places = await find_places(month.lake, records, file, pytest.fail)
        assert places.records == 3
        return [(place.entry.status, place.entry.key) for place in places.found]

    later = f"{PREFIX}/Users/2022/05/02/1.csv"
    expected = [("uploaded", key), ("unchanged", key), ("uploaded", later)]
    assert await found("users/1.csv") == expected
    assert await found("exports/users/1.csv") == expected
    assert await found(key) == expected[:2]
    assert len(await found("1.csv")) == 6
    assert await found("sers/1.csv") == []
    assert await found("none.csv") == []


async def test_a_file_is_found_by_its_path_in_one_of_several_volumes(month, tmp_path):
    """A run of several volumes records longer paths, which are as exact as those of other runs."""
    other = tmp_path / "other"
    write_files(other, {"x/users/1.csv": b"4"})
    await month.load(1)
    one, month.volume = month.volume, [month.volume, other]
    await month.load(2)
    records = await find_records(month.lake, "_asyncload")
    places = await find_places(month.lake, records, "users/1.csv", pytest.fail)
    assert [place.entry.path for place in places.found] == [f"{one}/users/1.csv", "users/1.csv"]
    places = await find_places(month.lake, records, "x/users/1.csv", pytest.fail)
    assert [place.entry.path for place in places.found] == [f"{other}/x/users/1.csv"]
    places = await find_places(month.lake, records, "1.csv", pytest.fail)
    assert len(places.found) == 5


async def test_a_long_record_is_found_in_pieces(month, volume, monkeypatch):
    """Lines of several reads are put together."""
    monkeypatch.setattr("asyncload.reporting.manifest_reading._READ", 100)
    await month.load(1)
    records = await find_records(month.lake, "_asyncload")
    assert records[0].key == ObjectKey(f"_asyncload/{month.run_ids[1]}.json")
    places = await find_places(month.lake, records, "users/1.csv", pytest.fail)
    assert len(places.found) == 1


async def test_only_old_records_of_runs_are_pruned(month):
    """By the store's clock; data, and records of other kinds, stay."""
    for day in (1, 2, 3):
        await month.load(day)
    others = {f"_asyncload/{name}" for name in ("store.json", "uploads/20220501T0.json", "x.json")}
    month.lake.objects |= dict.fromkeys(others, b"{}")
    before = set(month.lake.objects)
    now = datetime(2022, 5, 4, 12, tzinfo=UTC)

    async def prune(days, *, delete):
        seen = []
        pruned = await prune_records(
            month.lake, "_asyncload", days * 86_400, now, delete=delete, observe=seen.append
        )
        assert sorted(seen) == sorted(pruned.records)
        return [record.run_id for record in pruned.records]

    ids = month.run_ids
    assert await prune(2, delete=False) == [ids[1], ids[2]]
    assert set(month.lake.objects) == before
    month.lake.clock_offset = -86_400.0
    assert await prune(2, delete=True) == [ids[1]]
    month.lake.clock_offset = None
    assert await prune(2, delete=True) == [ids[2]]
    assert await prune(2, delete=True) == []
    gone = {f"_asyncload/{ids[day]}.json" for day in (1, 2)}
    assert set(month.lake.objects) == before - gone


async def test_a_mistyped_run_gets_the_name_of_one_that_exists(month):
    """By the ids of the same month, or by the names of runs of shards."""
    await month.load(1)
    month.lake.objects |= {
        "_asyncload/shards/nightly-2022/run.json": b"{}",
        "_asyncload/20220501.json": b"{}",
    }

    async def hint_for(name):
        with pytest.raises(UsageError) as caught:
            async with suggesting_runs(month.lake, "_asyncload", name):
                await read_run(month.lake, ObjectKey(f"_asyncload/{name}.json"))
        return caught.value.hint.partition("? ")[0]

    run_id = month.run_ids[1]
    assert await hint_for(run_id[:-2] + "x") == f"did you mean {run_id}"
    assert await hint_for("nigtly-2022") == "did you mean nightly-2022"
    assert (await hint_for("unlike")).startswith("give the name of a run")


async def test_a_mistyped_run_is_an_error_also_if_runs_can_not_be_listed(month):
    """Only the name of one that exists is missing."""

    class Denying(Lake):
        async def list_objects(self, *_, **__):
            raise AccessDenied("no")

    with pytest.raises(UsageError, match="does not exist") as caught:
        async with suggesting_runs(Denying(), "_asyncload", "20220501"):
            await read_run(Denying(), ObjectKey("_asyncload/20220501.json"))
    assert "did you mean" not in caught.value.hint
