"""`--shard`: several processes load one volume; `report` and `verify` put the parts together."""

from __future__ import annotations

import json
import re
import time
from datetime import date

import pytest

from asyncload.planning.keys import LAYOUTS, KeyLayout
from asyncload.planning.shards import Placement, Shard
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines, check_manifest

DAY = "2022/05/02"


@pytest.fixture
def options(s3, layer):
    """What leads to the bucket; the name of the run is the test's own."""
    bucket = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    return [*bucket, "--run", f"of-{layer}"]


def keys_of(s3, prefix):
    pages = s3.client().get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=s3.bucket, Prefix=prefix)
    return [item["Key"] for page in found for item in page.get("Contents", ())]


def name_in_shard(number, total, prefix):
    """A path whose file is in this shard."""
    template = f"{prefix}/{LAYOUTS['default']}"
    layout = KeyLayout(template, "Raw", "Local", "CSV", date(2022, 5, 2))
    shard = Placement(Shard(number, total), layout)
    return next(f"large/{n}.csv" for n in range(10_000) if shard.holds(f"large/{n}.csv"))


@pytest.mark.fault("P14")
@pytest.mark.timeout(300)
def test_eight_shards_of_which_one_is_killed(
    asyncload, spawn, seaweedfs, layer, volume, monkeypatch
):
    """One manifest of all, and `_SUCCESS` once, after the killed one was run again."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ASYNCLOAD_BUCKET", f"s3://{seaweedfs.bucket}/{layer}")
    monkeypatch.setenv("ASYNCLOAD_ENDPOINT_URL", seaweedfs.endpoint_url)
    monkeypatch.setenv("ASYNCLOAD_RUN", "night")
    records = f"{layer}/_asyncload/shards/night/"
    write_files(volume, {f"{'abc'[n % 3]}/{n}.csv": f"{n}".encode() for n in range(60)})
    run = ["run", volume, "--date", "2022-05-02", "--success-marker"]
    # At its limit this one file would take minutes.
    write_files(volume, {name_in_shard(3, 8, layer): bytes(16_000_000)})
    killed = spawn(*run, "--shard", "3/8", "--limit-rate", "64KiB", "--quiet")
    while not keys_of(seaweedfs, f"{records}00003/"):
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    ended = asyncload("report")
    assert ended.code == 3
    assert "8 shards: 1 unfinished, 7 missing" in ended.out
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "2")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "8")
    again = spawn(*run, "--shard", "auto")
    monkeypatch.delenv("AWS_BATCH_JOB_ARRAY_INDEX")
    for index in (0, 1, 3, 4, 5, 6, 7):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        assert asyncload(*run, "--shard", "auto/8").code == 0
    assert not [key for key in keys_of(seaweedfs, layer) if key.endswith("_SUCCESS")]
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, (out, err)
    assert "shard 3/8 of run night: " in out
    ended = asyncload("verify", "--mark")
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"OK: 61 files match .*\nmarked as complete: 4 partitions\n", ended.out)
    (manifest,) = (
        key for key in keys_of(seaweedfs, f"{layer}/_asyncload/2") if key.endswith(".json")
    )
    assert asyncload("report", "--mark").code == 0
    keys = keys_of(seaweedfs, layer)
    assert sum(key.endswith("/_SUCCESS") for key in keys) == 4
    assert sum(key.endswith(".csv") for key in keys) == 61
    assert manifest in keys
    body = seaweedfs.client().get_object(Bucket=seaweedfs.bucket, Key=manifest)["Body"].read()
    document = check_manifest(body)
    assert len({entry["path"] for entry in document["files"]}) == 61
    assert document["run"]["shards"] == 8
    by_id = asyncload("report", "--run", document["run"]["run_id"])
    assert (by_id.code, "61 of 61 files are in the raw zone" in by_id.out) == (0, True)


def test_shards_that_are_not_complete_are_named(asyncload, volume, options, s3, layer):
    """With the reason; the totals are those of the parts that are there."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(9)} | {"bad\nname.csv": b""})
    named = [asyncload("run", volume, *options, "--shard", f"{n}/3") for n in (1, 2)]
    assert {ended.code for ended in named} <= {0, 3}
    ended = asyncload("report", *options)
    first, shards, *lines = ended.out.splitlines()
    assert first.startswith(f"run of-{layer} (run id ")
    assert shards.endswith(", 1 missing")
    assert "missing: shard 3/3: the shard was never started" in lines
    assert ended.code == 3
    assert "not marked" not in ended.out
    assert (
        "not marked, because the run is not complete" in asyncload("report", *options, "--mark").out
    )
    *states, summary = check_lines(asyncload("report", *options, "--json").out)
    assert [state["shard"] for state in states] == [1, 2, 3]
    assert states[2]["status"] == "missing"
    assert summary["shards"]["missing"] == 1
    assert (summary["run"], summary["run_exit_code"], summary["marked"]) == (
        f"of-{layer}",
        3,
        None,
    )
    ended = asyncload("verify", *options, "--mark")
    assert "incomplete: shard 3/3: the shard was never started" in ended.out
    assert "not marked, because there are differences" in ended.out
    assert ended.code == 3
    *differences, summary = check_lines(asyncload("verify", *options, "--json").out)
    assert {"incomplete"} <= {difference["status"] for difference in differences}
    assert (summary["run"], summary["manifest"]) == (f"of-{layer}", None)


def test_a_complete_run_of_shards_is_quiet(asyncload, volume, options, s3, layer):
    """Partitions with skipped files are named, and get no marker."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(9)} | {"e/x.csv": b"new"})
    key = f"{layer}/Local/CSV/E/{DAY}/x.csv"
    s3.client().put_object(Bucket=s3.bucket, Key=key, Body=b"old")
    for n in (1, 2):
        run = ["run", volume, *options, "--date", "2022-05-02", "--skip-existing", "--quiet"]
        assert asyncload(*run, "--shard", f"{n}/2").code == 0
    ended = asyncload("verify", *options, "--mark")
    lines = ended.out.splitlines()
    where = f"s3://{s3.bucket}/{layer}/Local/CSV/E/{DAY}/"
    assert lines[1:] == [
        f"not marked: {where}: files were skipped",
        "marked as complete: 1 partition",
    ]
    assert asyncload("verify", *options, "--mark", "--quiet").out == ""
    assert asyncload("report", *options, "--mark", "--quiet").out == ""
    ended = asyncload("report", *options, "--mark")
    assert f"not marked: {where}: files were skipped" in ended.out
    assert ended.code == 0
    *_, summary = check_lines(asyncload("report", *options, "--mark", "--json").out)
    assert (summary["marked"], summary["shards"]["complete"]) == (1, 2)


@pytest.mark.moto
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--shard", "0/4"], "of 4 shards the first is 1 and the last is 4"),
        (["run", "--shard", "5/4"], "of 4 shards the first is 1 and the last is 4"),
        (["run", "--shard", "3/0"], "the number of shards is not between 1 and 10,000"),
        (["run", "--shard", "auto"], "none of the variables JOB_COMPLETION_INDEX"),
        (["plan", "--shard", "auto/4"], "none of the variables JOB_COMPLETION_INDEX"),
        (["run", "--run", "x"], "--run has no effect without --shard"),
        (["run", "--shard", "1/2", "--run", "a b"], "'a b' can't name a run of shards"),
        (["verify", "--run", "x", "--manifest", "y"], "--manifest and --run can't be combined"),
        (["verify", "--mark"], "--mark is for runs of several shards"),
        (["verify", "data", "--run", "x"], "a volume and --run can't be combined"),
        (["report"], "--run is missing"),
    ],
)
def test_what_can_not_be_is_a_usage_error(asyncload, moto, volume, monkeypatch, arguments, message):
    """With exit code 2, also in the record; nothing is sent."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(volume.parent)
    write_files(volume.parent, {"data/a.csv": b"1"})
    to = ["--bucket", moto.bucket, "--endpoint-url", moto.endpoint_url, "--layer", "Nothing"]
    ended = asyncload(*arguments, *to, "--json")
    assert ended.code == 2
    assert message in ended.err
    *_, summary = check_lines(ended.out)
    assert message in summary["error"]["message"]
    assert keys_of(moto, "Nothing") == []


def test_an_ordinary_run_can_be_named_too(asyncload, volume, options, s3):
    """By its id; it has no shards to mark."""
    write_files(volume, {"a.csv": b"1"})
    options = options[:-2]
    ran = asyncload("run", volume, *options, "--json")
    run = json.loads(ran.out.splitlines()[-1].replace(":_", ":0"))["run_id"]
    ended = asyncload("verify", *options, "--run", run)
    assert (ended.code, ended.out.startswith("OK: 1 file matches")) == (0, True)
    for command in ("verify", "report"):
        ended = asyncload(command, *options, "--run", run, "--mark")
        assert ended.code == 2
        assert "--mark is for runs of several shards" in ended.err


def test_a_plan_can_be_that_of_a_shard(asyncload, volume, options):
    """Nothing is claimed; the shards together have all files."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(12)})
    options = options[:-2]
    counts = []
    for n in (1, 2, 3):
        ended = asyncload("plan", volume, *options, "--shard", f"{n}/3", "--json")
        *_, summary = check_lines(ended.out)
        counts.append(summary["files"])
    assert sum(counts) == 12
