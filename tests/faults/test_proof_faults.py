"""Kind A: nothing counts as proved by our own word, and what can't be compared is said to be so."""

from __future__ import annotations

import json
import os

import pytest

from asyncload.planning.plan import MIB
from tests.faults.zone import Zone
from tests.support.content import random_bytes
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, scripted_s3


@pytest.fixture
def zone(asyncload, volume, s3, layer):
    """Of moto and of SeaweedFS."""
    return Zone(asyncload, volume, s3, layer)


@pytest.fixture
def moto_zone(asyncload, volume, moto, layer, monkeypatch):
    """Of moto, whose ETags of uploads in parts are MD5s."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    return Zone(asyncload, volume, moto, layer)


@pytest.mark.fault("A1")
@pytest.mark.parametrize("dataset", ["D", "Top"], ids=["listed", "asked-for"])
def test_other_bytes_under_our_metadata_are_neither_unchanged_nor_whole(
    zone, volume, lane, dataset
):
    """A rewrite of the same size that keeps the metadata is a conflict."""
    path = "d/1.csv" if dataset == "D" else "top.csv"
    write_files(volume, {f"d/{n}.csv": f"{n}\n".encode() for n in range(4)} | {"top.csv": b"1\n"})
    assert zone.run(lane=lane)[0] == 0
    key = zone.key(dataset, path.rpartition("/")[2])
    zone.replace(key, b"!\n")
    code, words = zone.verify()
    assert code == 3
    assert path in words
    assert "4 files match" in words
    code, files, _ = zone.run(lane=lane)
    assert (code, files[path]["status"]) == (3, "failed")
    code, files, _ = zone.run("--overwrite", lane=lane)
    assert (code, files[path]["status"]) == (0, "uploaded")
    assert zone.verify()[0] == 0


@pytest.mark.fault("A2")
def test_a_second_runs_manifest_agrees_with_an_untouched_bucket(zone, volume, lane):
    """By any checksum that proved a file then, and any that the store states now."""
    write_files(volume, {f"d/{n}.csv": f"{n}\n".encode() for n in range(4)} | {"top.csv": b"1\n"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    for options in ([], [], ["--overwrite"]):
        code, _, summary = zone.run(*options, lane=lane)
        assert code == 0
        code, words = zone.verify_manifest(summary["run_id"])
        assert (code, words.partition(" (")[0]) == (0, "OK: 6 files match")


@pytest.mark.fault("A3")
@pytest.mark.parametrize("choice", ["crc64nvme", "crc32"])
def test_the_checksum_that_is_asked_for_is_the_proof_on_a_second_run_too(
    zone, volume, lane, choice
):
    """A listing's MD5 is not taken in its place; an object that has no such one is a conflict."""
    write_files(volume, {f"d/{n}.csv": f"{n}\n".encode() for n in range(4)})
    assert zone.run("--checksum", choice, "--no-manifest", lane=lane)[0] == 0
    zone.client.put_object(Bucket=zone.server.bucket, Key=zone.key("D", "3.csv"), Body=b"3\n")
    code, files, _ = zone.run("--checksum", choice, "--no-manifest", lane=lane)
    assert code == 3
    for n in range(3):
        assert files[f"d/{n}.csv"]["status"] == "unchanged"
        assert files[f"d/{n}.csv"]["verified_by"] == choice.upper()
    message = files["d/3.csv"]["error"]["message"]
    assert f"--checksum {choice}" in message
    assert "can't be compared" in message


@pytest.mark.fault("A4")
@pytest.mark.parametrize("part_size", [8 * MIB, 5 * MIB, 9 * MIB, 8_000_000])
def test_an_object_known_by_the_md5_of_other_parts_is_recognised(
    moto_zone, volume, lane, part_size
):
    """The part sizes that its ETag allows are tried, by a run and by verify."""
    body = random_bytes(19 * MIB + 5)
    write_files(volume, {"l.csv": body})
    moto_zone.put_in_parts(moto_zone.key("L", "l.csv"), body, part_size)
    code, files, _ = moto_zone.run(lane=lane)
    assert (code, files["l.csv"]["verified_by"]) == (0, "MD5 of parts")
    assert moto_zone.verify() == (0, "OK: 1 file matches (1 by MD5 of parts)\n")


@pytest.mark.fault("A4")
def test_an_object_in_parts_of_a_strange_size_can_not_be_compared(moto_zone, volume, lane):
    """Which is said, and not that its bytes differ."""
    body = random_bytes(19 * MIB)
    write_files(volume, {"l.csv": body})
    moto_zone.put_in_parts(moto_zone.key("L", "l.csv"), body, 5 * MIB + 12_345)
    code, files, _ = moto_zone.run(lane=lane)
    message = files["l.csv"]["error"]["message"]
    code, words = moto_zone.verify()
    assert code == 3
    assert words.startswith("unverified: l.csv")
    for text in (message, words):
        assert "can't be compared: its ETag is not an MD5 of parts of any usual size" in text
        assert "the bytes differ" not in text


@pytest.mark.fault("I13")
def test_an_object_under_a_failed_files_key_is_reported(zone, volume):
    """Older bytes of any size, or nothing."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"22", "n\ame.csv": b""})
    for name, body in (("A", b"9"), ("B", b"older")):
        key = zone.key(name, f"{name.lower()}.csv")
        zone.client.put_object(Bucket=zone.server.bucket, Key=key, Body=body)
    code, _, summary = zone.run()
    assert code == 3
    code, words = zone.verify_manifest(summary["run_id"])
    lines = sorted(words.splitlines()[:-1])
    assert code == 3
    assert lines[0].startswith("different: b.csv")
    assert "the object has 5 bytes, the manifest says 2" in lines[0]
    assert lines[1].startswith("missing: n\\x07me.csv: the file failed in that run: the object key")
    assert lines[1].endswith("the object does not exist")
    assert lines[2].startswith("unverified: a.csv")
    assert all("the file failed in that run" in line for line in (lines[0], lines[2]))


def markers(zone, layer):
    """The partitions that are marked."""
    found = [key for key in zone.server.objects(layer) if key.endswith("/_SUCCESS")]
    return {key.removeprefix(f"{layer}/Local/CSV/").partition("/")[0] for key in found}


@pytest.fixture
def unlistable(volume, monkeypatch):
    """Makes a folder that can't be listed, also by root."""
    scandir = os.scandir

    def deny(folder):
        def denying(path):
            if os.fsdecode(path).rstrip("/") == str(volume / folder):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr("asyncload.source.folders.os.scandir", denying)

    return deny


@pytest.mark.fault("A7")
def test_nothing_is_marked_that_an_unreadable_folder_could_have_fed(
    zone, volume, layer, unlistable
):
    """Its own partition, and each that a rule names; the others are."""
    write_files(volume, {"a.csv": b"1", "d/x/1.csv": b"1", "d/2.csv": b"1", "f_1.csv": b"1"})
    unlistable("d/x")
    code, _, summary = zone.run("--success-marker", "--dataset", "f_*=Films")
    assert code == 3
    assert markers(zone, layer) == {"A"}
    reasons = {left["partition"].split("/")[3]: left["reason"] for left in summary["unmarked"]}
    assert reasons["Films"] == "folder d/x can't be listed, and may contain files of this partition"
    assert reasons.keys() == {"D", "Films"}


@pytest.mark.fault("A7", "A12")
def test_a_marker_is_removed_before_its_partition_changes_and_else_stays(zone, volume, layer, lane):
    """A reader never takes for complete what is being changed, or lacks a file."""
    write_files(volume, {f"{d}/{n}.csv": b"1" for d in "abc" for n in range(3)})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    assert zone.run("--success-marker", lane=lane)[0] == 0
    assert markers(zone, layer) == {"A", "B", "C", "Large"}
    write_files(volume, {"a/0.csv": b"2", "b/0.csv": b"2", "b/new.csv": b"1"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    code, _, summary = zone.run("--success-marker", lane=lane)
    assert code == 3
    assert markers(zone, layer) == {"C"}
    assert len(summary["unmarked"]) == 3
    code, _, summary = zone.run("--success-marker", "--overwrite", lane=lane)
    assert (code, summary["unmarked"]) == (0, [])
    assert markers(zone, layer) == {"A", "B", "C", "Large"}


@pytest.mark.fault("I5")
def test_a_partition_that_is_not_marked_is_named_with_the_reason(zone, volume, asyncload):
    """Skipped files are as missing as failed ones."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    for n in range(2):
        zone.client.put_object(Bucket=zone.server.bucket, Key=zone.key("D", f"{n}.csv"), Body=b"9")
    code, words = zone.run_in_words("--success-marker", "--skip-existing")
    assert code == 0
    where = f"s3://{zone.server.bucket}/{zone.key('D', '')}"
    assert f"not marked: {where}: d/" in words
    assert ".csv was skipped (and 1 more)" in words


ENTRY = {"path": "a.csv", "key": "k", "outcome": "uploaded", "size": 1}
ODD = {
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"7",
    "deep": b"[" * 100_000,
    "no key": {**ENTRY, "key": None},
    "a bad key": {**ENTRY, "key": "a//b"},
    "no status": {"path": "a.csv", "key": "k", "size": 1},
    "a strange status": {**ENTRY, "status": "lost"},
    "a size in words": {**ENTRY, "size": "1"},
    "a size below zero": {**ENTRY, "size": -1},
    "no checksum": ENTRY,
    "checksums in a list": {**ENTRY, "checksums": ["MD5"]},
    "a checksum that is none": {**ENTRY, "checksums": {"MD5": 1}},
    "no UTF-8": b'{"path":"\xff"}',
    "a failure of a number": {"key": 1, "outcome": "failed", "size": 1},
}


@pytest.mark.fault("A11")
@pytest.mark.parametrize("odd", list(ODD.values()), ids=list(ODD))
def test_an_odd_entry_of_a_manifest_is_reported_with_its_line(moto_zone, layer, odd):
    """As a usage error, never an internal one."""
    line = odd if isinstance(odd, bytes) else json.dumps(odd).encode()
    body = b'{"run":{},"files":[\n' + line + b'\n],"summary":{}}\n'
    moto_zone.client.put_object(Bucket=moto_zone.server.bucket, Key=f"{layer}/odd", Body=body)
    code, words = moto_zone.verify_manifest(f"{layer}/odd")
    assert code == 2
    assert "can't be read: line 2: " in words
    assert "internal error" not in words


@pytest.mark.fault("A11")
def test_entries_of_other_versions_are_understood(moto_zone, layer):
    """One checksum or several, an error in words or as an object."""
    moto_zone.client.put_object(Bucket=moto_zone.server.bucket, Key=f"{layer}/k", Body=b"1")
    key, md5 = f"{layer}/k", "xMpCOKC5I4INzFCab3WEmw=="
    entries = [
        {**ENTRY, "key": key, "verified_by": "MD5", "checksum": md5},
        {**ENTRY, "key": key, "status": "unchanged", "checksums": {"CRC32": "?", "MD5": md5}},
        {"path": "b", "key": None, "status": "failed", "size": 0, "error": {"message": "bad"}},
        {"path": "c", "key": None, "outcome": "failed", "size": 0, "error": "worse"},
        {"path": "d", "key": None, "outcome": "failed", "size": 0, "error": 7},
        {"path": "e", "key": key, "outcome": "skipped", "size": 0, "reason": "taken"},
    ]
    body = b'{"run":{},"files":[\n' + b",\n".join(json.dumps(e).encode() for e in entries) + b"\n]"
    moto_zone.client.put_object(Bucket=moto_zone.server.bucket, Key=f"{layer}/m", Body=body)
    code, words = moto_zone.verify_manifest(f"{layer}/m")
    assert code == 3
    assert "2 files match (2 by MD5); 3 differences: 3 missing" in words
    assert "bad; the object does not exist" in words
    assert "worse; the object does not exist" in words


@pytest.mark.fault("A11")
def test_a_manifest_without_a_line_end_is_given_up_early(asyncload, monkeypatch):
    """250 MiB of it are not read into memory."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    size, start = 250 * MIB, b'{"run":'

    def answer(request):
        if "list-type" in request.query:
            return EMPTY_LISTING
        if request.method == "HEAD":
            return Answer(200, b"", {"ETag": '"e"'})
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        first, last = int(first), min(int(last), size - 1)
        body = (start if not first else b"").ljust(last + 1 - first, b"x")
        return Answer(206, body, {"Content-Range": f"bytes {first}-{last}/{size}", "ETag": '"e"'})

    with scripted_s3(answer) as (url, requests):
        options = ["--bucket", "lake", "--endpoint-url", url, "--region", "us-east-1"]
        ended = asyncload("verify", *options, "--manifest", "run")
    assert ended.code == 2
    assert "a line is longer than 8,388,608 bytes" in ended.err
    reads = [r for r in requests if r.method == "GET" and r.path.endswith("/run.json")]
    assert len(reads) <= 2


@pytest.mark.fault("A6")
@pytest.mark.parametrize("told", [0, 7, 17 * MIB], ids=["none", "some", "large"])
def test_a_file_that_holds_more_than_its_size_is_not_cut_to_its_size(
    moto_zone, volume, layer, lane, monkeypatch, told
):
    """Files of /proc say that they are empty, those of some FUSE mounts say something."""
    content = random_bytes(told) + b"more"
    write_files(volume, {"odd.csv": content, "good.csv": b"1"})
    fstat = os.fstat

    def with_size(status):
        fields = list(status)
        fields[6] = told
        extra = {"st_mtime_ns": status.st_mtime_ns, "st_ctime_ns": status.st_ctime_ns}
        return os.stat_result(fields, extra)

    def lying(fd):
        status = fstat(fd)
        return with_size(status) if status.st_size == len(content) else status

    monkeypatch.setattr("asyncload.source.volume.os.fstat", lying)
    code, files, _ = moto_zone.run(lane=lane)
    assert code == 3
    assert files["good.csv"]["status"] == "uploaded"
    error = files["odd.csv"]["error"]
    assert f"is longer than the {told:,} bytes" in error["message"]
    assert "copy it to a disk first" in error["hint"]
    assert list(moto_zone.server.objects(layer)) == [moto_zone.key("Good", "good.csv")]
