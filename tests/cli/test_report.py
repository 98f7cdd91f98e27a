"""`asyncload report`: what a past run did, from its record."""

from __future__ import annotations

import json

import pytest

from tests.support.loads import write_files
from tests.support.vocabulary import check_lines


@pytest.fixture
def options(s3, layer):
    return ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]


@pytest.fixture
def recorded(asyncload, volume, options):
    """The summary of a run with two files, of which one fails."""
    write_files(volume, {"a.csv": b"1", "d/b.csv": b"22", "bad\nname.csv": b"", ".c.csv": b""})
    ended = asyncload("run", volume, *options, "--date", "2022-05-02", "--json")
    assert ended.code == 3
    return json.loads(ended.out.splitlines()[-1].replace(":_", ":0"))


def test_the_totals_of_a_run_are_shown(asyncload, options, recorded, s3):
    """As the run has shown them."""
    ended = asyncload("report", *options, "--run", recorded["run_id"])
    first, *lines = ended.out.splitlines()
    assert first.startswith(f"run {recorded['run_id']}, started 20")
    assert first.endswith(" UTC, date 2022-05-02")
    assert lines[0].startswith("2 of 3 files are in the raw zone: 2 uploaded, 1 failed, verified")
    assert "excluded: 1 hidden" in lines
    at = lines.index("failed: bad\\nname.csv")
    assert lines[at + 1].startswith("  the object key would contain a control character")
    assert lines[at + 2].startswith("  hint: rename the file")
    assert lines[-1] == f"manifest: s3://{s3.bucket}/_asyncload/RUN.json"
    assert (ended.code, ended.err) == (3, "")


def test_the_totals_of_a_run_are_a_record(asyncload, options, recorded):
    """With the fields of the run's own summary, and how it ended."""
    ended = asyncload("report", *options, "--run", recorded["manifest"], "--json")
    (summary,) = check_lines(ended.out)
    same = ("files", "bytes", "uploaded", "failed", "failures", "datasets", "excluded", "store")
    assert {name: summary[name] for name in same} == {name: recorded[name] for name in same}
    assert (summary["run"], summary["run_exit_code"]) == (recorded["manifest"], 3)
    assert (summary["run_id"], summary["run_error"]) == (recorded["run_id"], None)
    assert summary["exit_code"] == 3


def test_a_complete_run_is_success(asyncload, volume, options):
    """With nothing to print if only failures are wanted."""
    write_files(volume, {"a.csv": b"1"})
    ran = asyncload("run", volume, *options, "--json")
    run = json.loads(ran.out.splitlines()[-1].replace(":_", ":0"))["run_id"]
    ended = asyncload("report", *options, "--run", run)
    assert (ended.code, ended.out.count("1 of 1 file is in the raw zone")) == (0, 1)
    assert asyncload("report", *options, "--run", run, "--quiet").out == ""


@pytest.mark.moto
def test_why_a_run_ended_early_is_shown(asyncload, volume, options, s3):
    """Nothing to load: the error is that of the run."""
    volume.mkdir(exist_ok=True)
    ran = asyncload("run", volume, *options, "--json")
    run = json.loads(ran.out.splitlines()[-1].replace(":_", ":0"))["run_id"]
    ended = asyncload("report", *options, "--run", run)
    assert ended.code == 3
    assert "ended with exit code 4: the volume has no CSV to load" in ended.out


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (["--run", "20220502T060000Z-00000000"], "00000000.json' does not exist, so there is no"),
        (["--run", "s3://another/run.json"], "--run: 's3://another/run.json' is not in bucket"),
        (["--run", "x/../y"], "--run: 'x/../y' is not a valid key"),
        ([], "--run is missing"),
    ],
)
def test_a_run_that_is_not_there_is_a_usage_error(asyncload, options, run, message):
    """And says why."""
    ended = asyncload("report", *options, *run)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert message in ended.err


def test_the_address_of_a_manifest_names_its_bucket(asyncload, options, recorded, s3):
    """So that --bucket can be omitted; an address without one does not."""
    address = f"s3://{s3.bucket}/{recorded['manifest']}"
    ended = asyncload("report", address, *options[2:])
    assert ended.out.startswith(f"run {recorded['run_id']}, started 20")
    for named in ("s3://", "20220502T060000Z-00000000"):
        assert "--bucket is missing" in asyncload("report", named, *options[2:]).err


def test_an_object_that_is_not_a_manifest_is_a_usage_error(asyncload, options, s3, layer):
    """Its line may be longer than what is read of it."""
    for body in (b"", b"x" * 70_000, b'{"run":{},"files":[\n],"summary":{}}\n'):
        s3.client().put_object(Bucket=s3.bucket, Key=f"{layer}/odd.json", Body=body)
        ended = asyncload("report", *options, "--run", f"{layer}/odd.json")
        assert ended.code == 2
        assert f"error: --run: '{layer}/odd.json' can't be read: " in ended.err
