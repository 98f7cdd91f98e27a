"""`asyncload runs` and `asyncload where`: the past, from the records in the bucket."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.loads import write_files
from tests.support.vocabulary import check_lines


@pytest.fixture
def prefix(layer):
    """A prefix for records of the test's own: servers are shared."""
    return f"_asyncload/{layer}"


@pytest.fixture
def options(s3, layer, prefix):
    where = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    return [*where, "--manifest-prefix", prefix]


@pytest.fixture
def days():
    """The days of the last week, today last."""
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in range(7, -1, -1)]


@pytest.fixture
def loaded(asyncload, volume, s3, layer, options, days):
    """Loads of the last week, of which most days are missing; the recorded run ids by day."""
    write_files(volume, {"sales/1.csv": b"1", "users/1.csv": b"22"})
    ids = {}
    for day in (days[0], days[6]):
        ended = asyncload("run", volume, *options, "--layer", layer, "--date", day, "--json")
        ids[day] = json.loads(ended.out.splitlines()[-1].replace(":_", ":0"))["run_id"]
    where = [*options, "--layer", layer, "--date", days[3], "--no-manifest"]
    asyncload("run", volume, *where, "--include", "users/**")
    return ids


def test_past_runs_are_shown_with_the_days_that_are_missing(asyncload, loaded, options, days):
    """As a line for each run, as a calendar, and as records for programs."""
    ended = asyncload("runs", *options, "--since", "7d")
    assert (ended.code, ended.err) == (3, "")
    lines = ended.out.splitlines()
    for line, (day, run_id) in zip(lines, loaded.items(), strict=False):
        assert re.fullmatch(rf"{run_id}  {day}  complete: 2 files, 3 B in _ s", line)
    gap = f"{days[1]} to {days[5]} (5 days): no run is recorded"
    traces = re.compile(
        rf"incomplete: Users {days[3]}: run \S+ has stored objects and left no record: "
        r"it was killed, is still running, or had --no-manifest"
    )
    assert traces.fullmatch(lines.pop(4))
    assert lines[2:] == [
        f"missing: Users {days[1]} to {days[2]} (2 days): no run is recorded",
        f"missing: Sales {gap}",
        f"missing: Users {days[4]} to {days[5]} (2 days): no run is recorded",
        f"2 runs since {days[0]} 00:00 UTC: 2 complete",
        "14 days of 2 datasets: 4 complete, 1 incomplete, 9 missing",
    ]
    calendar = asyncload("runs", *options, "--since", days[0], "--calendar")
    rows = [line for line in calendar.out.splitlines() if line.startswith("Sales ")]
    assert "".join(row.removeprefix("Sales").strip() for row in rows) == "#-----#"
    assert calendar.out.count("missing: ") == 3
    *records, summary = check_lines(asyncload("runs", *options, "--since", "7d", "--json").out)
    assert [r["type"] for r in records] == ["past_run"] * 2 + ["day"] * 10
    assert [r["run_id"] for r in records[:2]] == [*loaded.values()]
    assert {r["status"] for r in records[2:]} == {"missing", "incomplete"}
    assert summary["runs"] == {"complete": 2}
    assert summary["days"] == {"complete": 4, "failed": 0, "incomplete": 1, "missing": 9}
    assert (summary["exit_code"], summary["result"]) == (3, "incomplete")
    # Only the day of the first load is a day on which datasets are expected.
    weekday = f"{days[0]:%a}"
    ended = asyncload("runs", *options, "--since", "7d", "--weekdays", weekday, "--json")
    *records, summary = check_lines(ended.out)
    assert [record["type"] for record in records] == ["past_run"] * 2
    assert (summary["exit_code"], summary["days"]["missing"]) == (0, 0)
    shown = check_lines(asyncload("runs", *options, "--calendar", "--json").out)
    assert sum(r["type"] == "day" for r in shown) == 14


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_an_unreadable_record_is_a_record_too(asyncload, loaded, options, s3, prefix, days):
    """It has a reason, and nothing of the run."""
    key = f"{prefix}/{loaded[days[6]]}.json"
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=b'{"run":{"version":1')
    *records, summary = check_lines(asyncload("runs", *options, "--json").out)
    odd = [record for record in records if record["status"] == "unreadable"]
    assert [record["run_id"] for record in odd] == [loaded[days[6]]]
    assert "not a manifest" in odd[0]["reason"]
    assert summary["runs"] == {"complete": 1, "unreadable": 1}
    ended = asyncload("where", *options, "sales/1.csv")
    assert ended.code == 0
    assert f"warning: the record of run {loaded[days[6]]} was not searched" in ended.err


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_without_a_record_there_is_nothing_to_show(asyncload, s3, options, prefix):
    """Which is not a success; a mistyped bucket or prefix is noticed so."""
    ended = asyncload("runs", *options, "--since", "2022-05-01")
    assert ended.code == 3
    where = f"s3://{s3.bucket}/{prefix}/"
    assert ended.out == f"no records of runs since 2022-05-01 00:00 UTC below {where}\n"
    (summary,) = check_lines(asyncload("runs", *options, "--since", "2022-05-01", "--json").out)
    assert summary["since"].startswith("2022-05-01T00:00:00")
    ended = asyncload("where", *options, "a.csv")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == f"not found: a.csv is in none of 0 records below {where}\n"


def test_a_file_is_found_with_its_checksum(asyncload, loaded, options, days, s3, layer, volume):
    """Each object, and below it each run that put it there or found it."""
    asyncload("run", volume, *options, "--layer", layer, "--date", days[6])
    ended = asyncload("where", *options, "sales/1.csv", "--since", days[0])
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert len(lines) == 5
    key = f"{layer}/Local/CSV/Sales/{days[6]:%Y/%m/%d}/1.csv"
    at = lines.index(f"sales/1.csv -> s3://{s3.bucket}/{key}")
    by = rf"{loaded[days[6]]}: 1 byte, .*(MD5|CRC64NVME) \S+=.*"
    assert re.fullmatch(rf"  uploaded {days[7]} \d\d:\d\d:\d\d UTC by run {by}", lines[at + 1])
    assert lines[at + 2].startswith(f"  unchanged {days[7]} ")
    *records, summary = check_lines(
        asyncload("where", *options, f"s3://{s3.bucket}/{key}", "--json").out
    )
    assert [record["status"] for record in records] == ["uploaded", "unchanged"]
    assert {(r["key"], r["date"], r["size"]) for r in records} == {(key, str(days[6]), 1)}
    assert (summary["places"], summary["records"]) == (2, 3)


@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_a_failed_file_is_found_with_its_error(asyncload, volume, s3, options, layer):
    """And without a key, if it has none."""
    write_files(volume, {"bad\nname.csv": b"1", "a.csv": b"1"})
    asyncload("run", volume, *options, "--layer", layer, "--date", "2022-05-02")
    ended = asyncload("where", *options, "bad\nname.csv")
    assert "bad\\nname.csv -> no valid key\n  failed " in ended.out
    assert "1 byte, the object key would contain a control character" in ended.out
    history = asyncload("runs", *options)
    assert "incomplete: 2 files, 2 B in _ s: 1 failed" in history.out


def test_old_records_are_listed_and_deleted_if_asked(asyncload, loaded, options, s3, prefix, days):
    """No data is deleted, and no record of a younger run."""
    day = loaded[days[6]]
    body = s3.objects(f"{prefix}/{day}")[f"{prefix}/{day}.json"]
    old = f"{prefix}/20220502T060000Z-00000000.json"
    s3.client().put_object(Bucket=s3.bucket, Key=old, Body=body)
    listed = asyncload("runs", *options, "--prune", "90d")
    where = f"below s3://{s3.bucket}/{prefix}/, "
    assert listed.code == 0
    assert listed.out.startswith(f"old: s3://{s3.bucket}/{old}\n1 old record {where}")
    assert listed.out.endswith("; --yes deletes them\n")
    assert old in s3.objects(prefix)
    record, summary = check_lines(asyncload("runs", *options, "--prune", "90d", "--json").out)
    assert (record["status"], record["manifest"], record["size"]) == ("old", old, len(body))
    assert summary["records_deleted"] == 0
    deleted = asyncload("runs", *options, "--prune", "90d", "--yes")
    assert deleted.out.startswith(f"deleted: s3://{s3.bucket}/{old}\n")
    assert deleted.out.endswith("; deleted\n")
    assert (
        asyncload("runs", *options, "--prune", "90d", "--yes").out == f"0 old records {where}0 B\n"
    )
    assert s3.objects(prefix).keys() >= {f"{prefix}/{run_id}.json" for run_id in loaded.values()}
    s3.client().put_object(Bucket=s3.bucket, Key=old, Body=body)
    record, summary = check_lines(
        asyncload("runs", *options, "--prune", "90d", "--yes", "--json").out
    )
    assert (record["status"], summary["records_deleted"], summary["exit_code"]) == ("deleted", 1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "--since", "soon"], "--since: 'soon' is not a valid time"),
        (["runs", "--since", str(date(2999, 1, 1))], "--since: '2999-01-01' is in the future"),
        (["runs", "--prune", "soon"], "--prune: 'soon' is not a valid duration"),
        (["runs", "--prune", "1d", "--calendar"], "--prune and --calendar can't be combined"),
        (["runs", "--prune", "1d", "--since", "2d"], "--prune and --since can't be combined"),
        (["runs", "--prune", "1d", "--weekdays", "mon"], "--prune and --weekdays can't be"),
        (["runs", "--weekdays", "mon-"], "--weekdays: 'mon-' does not name days of the week"),
        (["runs", "--weekdays", "mon,day"], "--weekdays: 'mon,day' does not name days of the"),
        (["runs", "--yes"], "--yes has no effect without --prune"),
        (["where"], "the name of a file is missing"),
        (["where", "s3://other/a.csv"], "'s3://other/a.csv' is not in bucket 'lake'"),
    ],
)
def test_invalid_arguments_are_named(asyncload, arguments, message):
    """Before the bucket is asked."""
    ended = asyncload(*arguments, "--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")
    assert "\n  hint: " in ended.err
