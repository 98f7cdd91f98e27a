"""`--files-from`, `--modified-since` and `--max-age`: which files a run means."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.loads import write_files
from tests.support.vocabulary import check_lines, check_manifest

DAY = ("--date", "2022-05-02")


@pytest.fixture
def target(s3, layer):
    """The options that lead to the bucket."""
    return ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer, *DAY]


def paths(ended, status):
    """The paths of the files with a status, from `--json`."""
    records = [json.loads(line.replace(":_", ":0")) for line in ended.out.splitlines()]
    return sorted(r["path"] for r in records if r["type"] == "file" and r["status"] == status)


def test_the_listed_files_are_loaded_and_verified(asyncload, volume, tmp_path, target):
    """And no others; missing or additional others are not differences."""
    write_files(volume, {"d/a.csv": b"1", "d/b.csv": b"2", "c.csv": b"3"})
    assert asyncload("run", volume, *target, "--include", "d/b.csv").code == 0
    listed = tmp_path / "list"
    listed.write_text("d/a.csv\r\n# later: c.csv\r\n")
    ended = asyncload("run", volume, *target, "--files-from", listed, "--json")
    assert ended.code == 0
    assert paths(ended, "uploaded") == ["d/a.csv"]
    verified = asyncload("verify", volume, *target, "--files-from", listed)
    assert (verified.code, verified.out[:17]) == (0, "OK: 1 file matche")
    dry = asyncload("run", volume, *target, "--files-from", listed, "--dry-run")
    assert dry.out.splitlines()[-2] == "would upload 0 of 1 file, 0 B: 1 unchanged"


def test_a_listed_file_that_is_missing_fails_by_name(asyncload, volume, tmp_path, target):
    """The others land, and the exit code is 3, for `verify` and a dry run as well."""
    write_files(volume, {"a.csv": b"1"})
    listed = tmp_path / "list"
    listed.write_bytes(b"gone.csv\0a.csv\0")
    options = (*target, "--files-from", listed, "-0")
    ended = asyncload("run", volume, *options)
    assert ended.code == 3
    assert "1 of 2 files are in the raw zone: 1 uploaded, 1 failed" in ended.out
    assert "failed: gone.csv\n  the file does not exist\n" in ended.out
    assert asyncload("run", volume, *options, "--dry-run").code == 3
    verified = asyncload("verify", volume, *options)
    assert (verified.code, verified.out.splitlines()[0]) == (
        3,
        "unreadable: gone.csv: the file does not exist",
    )


def test_a_list_comes_through_a_pipe(spawn, volume, target):
    """However slowly: its writer may still be looking for files."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    process = spawn("run", volume, *target, "--files-from", "-", "--json", stdin=-1)
    process.stdin.write("b.c")
    process.stdin.flush()
    out, _ = process.communicate("sv\n", timeout=60)
    records = [json.loads(line) for line in out.splitlines()]
    assert [(r["path"], r["status"]) for r in records[:-1]] == [("b.csv", "uploaded")]
    assert process.returncode == 0


def test_an_empty_list_is_nothing_to_load(asyncload, volume, target, tmp_path):
    """And not the whole volume; `--allow-empty` accepts it."""
    write_files(volume, {"a.csv": b"1"})
    listed = tmp_path / "list"
    listed.write_bytes(b"\n")
    ended = asyncload("run", volume, *target, "--files-from", listed)
    assert ended.code == 4
    assert f"--files-from: {listed} names no file to load" in ended.err
    assert asyncload("run", volume, *target, "--files-from", listed, "--allow-empty").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--files-from", "nowhere"], "--files-from: nowhere can't be read"),
        (["--null"], "--null has no effect without --files-from"),
        (["--modified-since", "noon"], "--modified-since: 'noon' is not a valid time"),
        (["--max-age", "1m", "--min-age", "1h"], "--max-age is shorter than --min-age"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_selection_that_can_not_be_meant_is_refused(asyncload, volume, options, message, dry):
    """Before anything is asked of the store: this one does not exist."""
    write_files(volume, {"a.csv": b"1"})
    nowhere = ("--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9", "--no-manifest")
    ended = asyncload("run", volume, *nowhere, *options, *dry)
    assert (ended.code, message in ended.err) == (2, True)


def test_only_recent_files_are_loaded(asyncload, volume, target):
    """By a date, and by an age; the others are named, and no difference to `verify`."""
    write_files(volume, dict.fromkeys(("d/old.csv", "d/new.csv"), b"1"))
    old = datetime.now(UTC) - timedelta(days=2)
    os.utime(volume / "d/old.csv", (old.timestamp(), old.timestamp()))
    assert asyncload("run", volume, *target).code == 0
    for options in (
        ["--max-age", "1d"],
        ["--modified-since", "24h"],
        ["--modified-since", f"{old + timedelta(hours=1):%Y-%m-%d %H:%M}"],
        ["--modified-since", f"{old + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"],
    ):
        ended = asyncload("run", volume, *target, *options, "--json")
        assert paths(ended, "unchanged") == ["d/new.csv"]
        assert '"path":"d/old.csv","reason":"too old"' in ended.out
        assert asyncload("verify", volume, *target, *options).code == 0


def objects(s3, layer):
    """The keys of the layer, without it."""
    listed = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=f"{layer}/")
    return sorted(item["Key"].removeprefix(f"{layer}/Local/CSV/") for item in listed["Contents"])


def test_one_run_loads_the_files_of_many_dates(asyncload, volume, s3, layer):
    """Each partition marked; again nothing is sent; `verify` and a dry run agree."""
    target = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    write_files(volume, {f"sales/2022-05-0{day}/s.csv": b"%d" % day for day in (1, 2)})
    options = (*target, "--date-from", "{date:%Y-%m-%d}")
    dry = check_lines(asyncload("run", volume, *options, "--dry-run", "--json").out)
    assert sorted(record["date"] for record in dry[:-1]) == ["2022-05-01", "2022-05-02"]
    ended = asyncload("run", volume, *options, "--success-marker", "--json")
    records = check_lines(ended.out)
    dates = {record["path"]: record["date"] for record in records[:-1]}
    assert dates == {f"sales/2022-05-0{day}/s.csv": f"2022-05-0{day}" for day in (1, 2)}
    assert (ended.code, records[-1]["date"]) == (0, None)
    assert objects(s3, layer) == [
        "Sales/2022/05/01/2022-05-01/s.csv",
        "Sales/2022/05/01/_SUCCESS",
        "Sales/2022/05/02/2022-05-02/s.csv",
        "Sales/2022/05/02/_SUCCESS",
    ]
    read = s3.client().get_object(Bucket=s3.bucket, Key=records[-1]["manifest"])["Body"].read()
    manifest = check_manifest(read)
    assert manifest["run"]["date"] is None
    assert {entry["path"]: entry["date"] for entry in manifest["files"]} == dates
    again = check_lines(asyncload("run", volume, *options, "--json").out)[-1]
    assert (again["unchanged"], again["bytes_sent"]) == (2, 0)
    assert asyncload("verify", volume, *options).out.startswith("OK: 2 files match")
    run_id = records[-1]["run_id"]
    assert asyncload("verify", *target, "--manifest", run_id).out.startswith("OK: 2 files match")


@pytest.mark.fault("I34")
def test_a_file_without_a_date_fails_and_no_partition_is_marked(asyncload, volume, s3, layer):
    """It may belong to any of them."""
    target = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    write_files(volume, {"s/2022-05-01/s.csv": b"1", "s/May/s.csv": b"2"})
    options = (*target, "--date-from", "{date:%Y-%m-%d}")
    ended = asyncload("run", volume, *options, "--success-marker")
    assert ended.code == 3
    assert "failed: s/May/s.csv\n  the file has no date: " in ended.out
    assert "not marked: " in ended.out
    assert "s/May/s.csv failed, and its date is unknown" in ended.out
    assert objects(s3, layer) == ["S/2022/05/01/2022-05-01/s.csv"]
    assert asyncload("verify", volume, *options).code == 3
    ended = asyncload("run", volume, *options, "--include", "May/", "--include", "*/May/*")
    assert (ended.code, "no file has a date" in ended.err) == (2, True)


def test_the_date_may_be_that_of_the_last_modification(asyncload, volume, s3, layer):
    """In the time zone; a skipped or failed file unmarks only its own partition."""
    target = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    write_files(volume, {"s/a.csv": b"1", "s/b.csv": b"2"})
    for name, time in (("a", "2022-05-01T12:00Z"), ("b", "2022-05-02T01:00Z")):
        seconds = datetime.fromisoformat(time).timestamp()
        os.utime(volume / f"s/{name}.csv", (seconds, seconds))
    zone = ("--timezone", "America/Sao_Paulo")
    assert asyncload("run", volume, *target, "--date", "mtime", *zone).code == 0
    assert objects(s3, layer) == ["S/2022/05/01/a.csv", "S/2022/05/01/b.csv"]
    s3.client().put_object(Bucket=s3.bucket, Key=f"{layer}/Local/CSV/S/2022/05/02/b.csv", Body=b"x")
    ended = asyncload("run", volume, *target, "--date", "mtime", "--success-marker")
    assert (ended.code, ended.out.count("not marked: ")) == (3, 1)
    assert "S/2022/05/01/_SUCCESS" in objects(s3, layer)
    assert "S/2022/05/02/_SUCCESS" not in objects(s3, layer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--date-from", "{date:%Y-%m}"], "does not name a day"),
        (["--date-from", "{date}", "--date", "2022-05-02"], "can't be combined"),
        (["--date-from", "{date}", "--layout", "{path}"], "--date-from has no effect: the layout"),
        (["--date", "mtime", "--layout", "{path}"], "--date mtime has no effect: the layout"),
    ],
)
def test_dates_of_files_that_can_not_be_meant_are_refused(asyncload, volume, options, message):
    """Before anything is asked of the store."""
    nowhere = ("--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    ended = asyncload("run", volume, *nowhere, *options)
    assert (ended.code, message in ended.err) == (2, True)


def test_verified_files_are_moved_out_of_the_volume(asyncload, volume, tmp_path, target, s3):
    """Records, manifest and summary say so; the folder is not taken for the volume."""
    write_files(volume, {"d/a.csv": b"1", "b.csv": b"2"})
    write_files(tmp_path, {"done/b.csv": b"old"})
    ended = asyncload("run", *target, "--then", "move", tmp_path / "done", volume, "--json")
    records = check_lines(ended.out)
    assert {r["path"]: r["source"] for r in records[:-1]} == {"d/a.csv": "moved", "b.csv": "kept"}
    assert (ended.code, records[-1]["sources"]) == (3, {"moved": 1, "kept": 1})
    read = s3.client().get_object(Bucket=s3.bucket, Key=records[-1]["manifest"])["Body"].read()
    entries = {entry["path"]: entry for entry in check_manifest(read)["files"]}
    reason = "the target folder already has a file of this name"
    assert entries["b.csv"]["source_reason"] == reason
    again = asyncload("run", volume, *target, "--then", f"move {tmp_path / 'done'}")
    assert f"source kept: b.csv: {reason}" in again.out
    (tmp_path / "done/b.csv").unlink()
    again = asyncload("run", volume, *target, "--then", f"move {tmp_path / 'done'}")
    assert (again.code, "moved: 1 source file\n" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("then", "message"),
    [
        (["delete", "--follow-symlinks"], "--then can't be combined with --follow-symlinks"),
        (["move"], "'move' is neither 'delete' nor 'move FOLDER'"),
        (["remove"], "'remove' is neither 'delete' nor 'move FOLDER'"),
        (["move", "nowhere"], "--then: nowhere can't be used: No such file or directory"),
    ],
)
def test_a_disposal_that_can_not_be_done_is_refused(asyncload, volume, then, message):
    """Before anything is asked of the store."""
    write_files(volume, {"a.csv": b"1"})
    nowhere = ("--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9", "--no-manifest")
    ended = asyncload("run", volume, *nowhere, "--then", *then)
    assert (ended.code, message in ended.err) == (2, True)


def test_a_folder_to_move_to_is_relative_to_the_settings_file(asyncload, volume, target, tmp_path):
    """As all paths in it; a word after `--` is never joined."""
    write_files(volume, {"a.csv": b"1"})
    write_files(tmp_path, {"conf/lake.toml": b'then = "move ../done"', "done/x": b""})
    ended = asyncload("run", *target, "--config", tmp_path / "conf/lake.toml", "--", volume)
    assert (ended.code, (tmp_path / "done/a.csv").exists()) == (0, True)
