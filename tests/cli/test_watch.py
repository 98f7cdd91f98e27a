"""`asyncload watch`: the real program, its signals, its lines and its health file."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time

import pytest

from asyncload.cli.ending import Ending
from asyncload.cli.watch import _Output
from asyncload.model.values import ManifestWritten, ObjectKey, Warned, WatchProgress
from asyncload.operations.watch import WatchResult
from asyncload.reporting.report import Report
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines, check_manifest

PATIENCE = 60


def until(condition, process=None):
    """Wait until something is true; not longer than the program runs."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.fixture
def target(s3, layer):
    """The options that lead to the bucket."""
    return ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]


def keys(s3, layer):
    """The paths of the layer's objects without the date, and their content."""
    client, found = s3.client(), {}
    for item in client.list_objects_v2(Bucket=s3.bucket, Prefix=f"{layer}/").get("Contents", []):
        parts = item["Key"].split("/")
        body = client.get_object(Bucket=s3.bucket, Key=item["Key"])["Body"].read()
        found["/".join([parts[3], *parts[7:]])] = body
    return found


@pytest.mark.parametrize("poll", [[], ["--poll"]])
def test_files_are_loaded_until_a_signal(spawn, volume, s3, layer, target, tmp_path, poll):
    """What is there, and what comes; the records, the manifest and the health file agree."""
    write_files(volume, {"d/there.csv": b"1"})
    health = tmp_path / "health"
    options = (*target, *poll, "--settle", "1s", "--health-file", health, "--json")
    process = spawn("watch", volume, *options)
    until(lambda: keys(s3, layer) == {"D/there.csv": b"1"}, process)
    write_files(volume, {"d/new.csv": b"2"})
    until(lambda: "D/new.csv" in keys(s3, layer), process)
    until(lambda: health.exists() and json.loads(health.read_text())["loaded"] == 2, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    records = check_lines(out)
    assert (process.returncode, records[-1]["loaded"], records[-1]["failing"]) == (0, 2, 0)
    assert [(r["path"], r["status"]) for r in records if r["type"] == "file"] == [
        ("d/there.csv", "uploaded"),
        ("d/new.csv", "uploaded"),
    ]
    assert f"manifest: s3://{s3.bucket}/{records[-1]['manifest']}" in err
    read = s3.client().get_object(Bucket=s3.bucket, Key=records[-1]["manifest"])["Body"].read()
    assert len(check_manifest(read)["files"]) == 2


def test_several_folders_are_watched(spawn, tmp_path, s3, layer, target):
    """Each file by its absolute path; one that disappears is named in the records."""
    write_files(tmp_path, {"eu/d/a.csv": b"1", "us/d/b.csv": b"2"})
    eu, us = tmp_path / "eu", tmp_path / "us"
    process = spawn("watch", eu, us, *target, "--settle", "1s", "--json")
    until(lambda: keys(s3, layer) == {"D/a.csv": b"1", "D/b.csv": b"2"}, process)
    us.rename(tmp_path / "away")
    write_files(eu, {"d/c.csv": b"3"})
    until(lambda: "D/c.csv" in keys(s3, layer), process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE)
    records = check_lines(out)
    paths = [record["path"] for record in records if record["type"] == "file"]
    assert sorted(paths) == [f"{eu}/d/a.csv", f"{eu}/d/c.csv", f"{us}/d/b.csv"]
    troubles = {record["trouble"] for record in records if record["type"] == "progress"}
    assert troubles <= {"", f"the volume {us} does not exist"}
    assert (process.returncode, records[-1]["loaded"]) == (0, 3)


@pytest.mark.parametrize(("grace", "code"), [("5s", 0), ("0", 128 + signal.SIGTERM)])
def test_a_signal_ends_a_watch_within_its_grace(asyncload, volume, s3, layer, target, grace, code):
    """Exit code 0 if all work was completed; that of the signal if an upload was aborted."""
    write_files(volume, {"d/a.csv": b"1"})
    limit = []
    if code:
        (volume / "d/large.csv").touch()
        os.truncate(volume / "d/large.csv", 40 * 1024 * 1024)
        limit = ["--limit-rate", "1MiB"]

    def begun():
        return s3.open_uploads(f"{layer}/Local/")

    def stop():
        until(begun if code else lambda: keys(s3, layer) == {"D/a.csv": b"1"})
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop)
    stopping.start()
    ended = asyncload("watch", volume, *target, *limit, "--settle", "1s", "--grace", grace)
    stopping.join()
    assert ended.code == code
    assert not begun()


def test_a_killed_watch_is_continued_by_the_next(spawn, volume, s3, layer, target):
    """Nothing is sent twice, and files that came meanwhile are loaded."""
    write_files(volume, {"d/a.csv": b"1"})
    options = (*target, "--settle", "1s")
    process = spawn("watch", volume, *options)
    until(lambda: keys(s3, layer) == {"D/a.csv": b"1"}, process)
    process.kill()
    process.wait()
    write_files(volume, {"d/b.csv": b"2", "d/c.csv": b"x"})
    (volume / "d/c.csv").unlink()
    process = spawn("watch", volume, *options, "--json")
    until(lambda: keys(s3, layer) == {"D/a.csv": b"1", "D/b.csv": b"2"}, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    statuses = {r["path"]: r["status"] for r in check_lines(out) if r["type"] == "file"}
    assert statuses == {"d/a.csv": "unchanged", "d/b.csv": "uploaded"}


def test_a_failing_file_is_named_once_and_decides_the_exit_code(spawn, volume, s3, layer, target):
    """A summary for people, on standard output; the rest on the other stream."""
    write_files(volume, {"d/a.csv": b"1", "d/b\nad.csv": b"2"})
    process = spawn("watch", volume, *target, "--settle", "1s", "--no-manifest")
    until(lambda: keys(s3, layer) == {"D/a.csv": b"1"}, process)
    first, line = process.stderr.readline(), process.stderr.readline()
    assert re.fullmatch(r"[\d-]{10} [\d:]{8}Z 0 files loaded, 0 in progress, 0 waiting\n", first)
    assert line == "failed: d/b\\nad.csv\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (3, "1 file loaded, 1 file failing\n")
    assert "d/b" not in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--settle", "0s"], "--settle must be at least 1s"),
        (["--manifest-every", "0"], "--manifest-every must be at least 1s"),
        (["--settle", "soon"], "--settle: 'soon' is not a valid duration"),
        (["--date", "yesterday"], "--date yesterday can't be used by watch"),
        (["--then", "move", "nowhere"], "--then: nowhere can't be used"),
        (["--success-marker"], "No such option"),
    ],
)
def test_options_that_can_not_be_used_are_refused(asyncload, volume, options, message):
    """Before anything is asked of the store."""
    nowhere = ("--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    ended = asyncload("watch", volume, *nowhere, *options)
    assert (ended.code, message in ended.err) == (2, True), ended


def test_work_that_takes_longer_than_the_grace_is_interrupted(spawn, volume, s3, layer, target):
    """With the exit code of the signal; the next start loads it."""
    (volume / "d").mkdir()
    with (volume / "d/large.csv").open("wb") as file:
        file.truncate(40 * 1024 * 1024)
    options = (*target, "--settle", "1s", "--grace", "0", "--limit-rate", "1MiB", "--json")
    process = spawn("watch", volume, *options)

    def begun():
        return s3.open_uploads(f"{layer}/Local/")

    until(begun, process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert check_lines(out)[-1]["result"] == "interrupted"
    assert not begun()


def test_trouble_is_shown_with_what_waits_for_its_end(capsys):
    """And with what failed; `--quiet` shows failures and warnings only."""
    for quiet in (False, True):
        output = _Output(Ending("watch", bucket="lake", json=False), Report(), quiet=quiet)
        output.observe(WatchProgress(1, 3, 0, 2, "the volume is gone"))
        output.observe(Warned("careful", "look"))
        output.observe(ManifestWritten(ObjectKey("_asyncload/1.json")))
        output.close(WatchResult(Report(), 1, 0, finished=True))
        shown = capsys.readouterr()
        state = "1 file loaded, 0 in progress, 3 waiting, of which 2 failed; the volume is gone\n"
        assert (state in shown.err, "manifest: " in shown.err) == (not quiet, not quiet)
        assert "warning: careful\n  hint: look\n" in shown.err
        assert shown.out == ("" if quiet else "1 file loaded\n")
