"""`asyncload verify`: is what should be in the raw zone there, byte for byte?"""

from __future__ import annotations

import json

import pytest

from asyncload.planning.plan import MIB
from tests.support.content import random_bytes
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

DAY = "2022/05/02"
# moto takes wrong CRCs, so that its ETags are the proof.
PROOFS = {"seaweedfs": "6 by CRC64NVME", "moto": "5 by MD5, 1 by MD5 of parts"}


@pytest.fixture
def loaded(asyncload, volume, s3, layer):
    """A volume that was loaded; gives the options that lead to it, and the run's summary."""
    write_files(volume, {f"d/{n}.csv": f"{n}\n".encode() for n in range(4)} | {"top.csv": b"top"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    ended = asyncload("run", volume, *options, "--date", "2022-05-02", "--json")
    assert ended.code == 0
    return options, json.loads(ended.out.splitlines()[-1].replace(":_", ":0"))


def test_a_volume_that_was_loaded_matches(asyncload, volume, loaded, s3):
    """By checksum, and said so."""
    options, _ = loaded
    ended = asyncload("verify", volume, *options, "--date", "2022-05-02")
    assert ended.out == f"OK: 6 files match ({PROOFS[s3.name]})\n"
    assert (ended.code, ended.err) == (0, "")
    assert asyncload("verify", volume, *options, "--date", "2022-05-02", "--quiet").out == ""


@pytest.mark.fault("G15")
def test_a_name_with_a_backslash_is_whole_in_every_store(asyncload, volume, loaded, s3):
    """SeaweedFS would store it under a key with a slash, so there the file fails."""
    options, _ = loaded
    write_files(volume, {"d/back\\slash.csv": b"1"})
    ended = asyncload("run", volume, *options, "--date", "2022-05-02")
    if s3.name == "seaweedfs":
        assert ended.code == 3
        assert "the key has a backslash, and the store is not known to keep it" in ended.out
        return
    assert ended.code == 0
    ended = asyncload("verify", volume, *options, "--date", "2022-05-02")
    assert "missing" not in ended.out
    assert "7 files match" in ended.out


def test_what_is_not_as_it_should_be_is_named(asyncload, volume, loaded, s3, layer):
    """Missing, different in size or bytes, unreadable, and extra; markers are not data."""
    options, _ = loaded
    client, prefix = s3.client(), f"{layer}/Local/CSV"
    client.delete_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/0.csv")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/1.csv", Body=b"9\n")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/2.csv", Body=b"longer\n")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/x.csv", Body=b"?")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/_SUCCESS", Body=b"")
    write_files(volume, {"bad\nname.csv": b"", "new.csv": b"1"})
    ended = asyncload("verify", volume, *options, "--date", "2022-05-02")
    lines = ended.out.splitlines()
    address = f"s3://{s3.bucket}/{prefix}"
    differs = next(line for line in lines if "1.csv" in line)
    assert differs.startswith(f"different: d/1.csv -> {address}/D/{DAY}/1.csv: the bytes differ: ")
    lines.remove(differs)
    assert sorted(lines[:-1]) == sorted(
        [
            f"missing: d/0.csv -> {address}/D/{DAY}/0.csv: the object does not exist",
            f"different: d/2.csv -> {address}/D/{DAY}/2.csv: the object has 7 bytes, the file 2",
            f"extra: {address}/D/{DAY}/x.csv: no file for this object of 1 byte",
            f"missing: new.csv -> {address}/New/{DAY}/new.csv: the object does not exist",
            (
                "unreadable: bad\\nname.csv: the object key would contain a control character or "
                "an empty, "
                "'.' or '..' segment"
            ),
        ]
    )
    assert lines[-1].startswith("3 files match (")
    assert lines[-1].endswith("; 6 differences: 2 different, 1 extra, 2 missing, 1 unreadable")
    assert ended.code == 3


def test_differences_are_records_for_programs(asyncload, volume, loaded, s3, layer):
    """A line each, and a summary."""
    options, _ = loaded
    key = f"{layer}/Local/CSV/Top/{DAY}/top.csv"
    s3.client().delete_object(Bucket=s3.bucket, Key=key)
    ended = asyncload("verify", volume, *options, "--date", "2022-05-02", "--json")
    difference, summary = check_lines(ended.out)
    assert difference == {
        "version": 1,
        "type": "difference",
        "status": "missing",
        "path": "top.csv",
        "bucket": s3.bucket,
        "key": key,
        "reason": "the object does not exist",
    }
    assert (summary["exit_code"], summary["result"]) == (3, "incomplete")
    assert summary["differences"] == {"missing": 1}
    quiet = asyncload("verify", volume, *options, "--date", "2022-05-02", "--quiet")
    assert quiet.err.startswith("5 files match")


@pytest.mark.parametrize("named", ["id", "key", "address"])
def test_a_past_run_is_checked_without_its_volume(asyncload, volume, loaded, s3, layer, named):
    """By the manifest that it wrote, however that is named."""
    options, summary = loaded
    for path in volume.rglob("*.csv"):
        path.unlink()
    run = {
        "id": summary["run_id"],
        "key": summary["manifest"],
        "address": f"s3://{s3.bucket}/{summary['manifest']}",
    }[named]
    ended = asyncload("verify", *options, "--manifest", run)
    assert (ended.code, ended.out) == (0, f"OK: 6 files match ({PROOFS[s3.name]})\n")
    client, prefix = s3.client(), f"{layer}/Local/CSV"
    client.delete_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/0.csv")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/1.csv", Body=b"9\n")
    client.put_object(Bucket=s3.bucket, Key=f"{prefix}/D/{DAY}/2.csv", Body=b"longer\n")
    ended = asyncload("verify", *options, "--manifest", run)
    assert ended.code == 3
    kinds = sorted(line.partition(":")[0] for line in ended.out.splitlines()[:-1])
    # By CRC64NVME there is nothing to compare with what another program put there.
    other = {"seaweedfs": "unverified", "moto": "different"}[s3.name]
    assert kinds == sorted(["different", "missing", other])


def test_files_that_failed_in_a_past_run_are_missing_and_skipped_ones_are_not(
    asyncload, volume, s3, layer
):
    """A file that failed then is a difference now, also if its key holds an object."""
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    prefix = f"{layer}/Local/CSV"
    write_files(volume, {"a.csv": b"1", "b.csv": b"1"})
    s3.client().put_object(Bucket=s3.bucket, Key=f"{prefix}/B/{DAY}/b.csv", Body=b"2")
    for more, code in ((["--skip-existing"], 0), ([], 3)):
        ended = asyncload("run", volume, *options, "--date", "2022-05-02", "--json", *more)
        summary = json.loads(ended.out.splitlines()[-1].replace(":_", ":0"))
        checked = asyncload("verify", *options, "--manifest", summary["run_id"])
        assert (ended.code, checked.code) == (code, code)
    assert "unverified: b.csv" in checked.out
    assert "the file failed in that run" in checked.out


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("no-such-run", "object '_asyncload/no-such-run.json' does not exist"),
        ("s3://elsewhere/_asyncload/x.json", "is not in bucket"),
        ("a//b", "is not a valid key"),
        ("{layer}/none", "is not a manifest of asyncload"),
        ("{layer}/cut", "is incomplete"),
        ("{layer}/broken", "can't be read"),
    ],
)
def test_an_invalid_manifest_is_named(asyncload, s3, layer, manifest, message):
    """A usage error, before anything is compared."""
    contents = {
        "none": b"a|b\n",
        "cut": b'{"run":{},"files":[\n',
        "broken": b'{"run":{},"files":[\n{"path"\n],"summary":{}}\n',
    }
    for name, body in contents.items():
        s3.client().put_object(Bucket=s3.bucket, Key=f"{layer}/{name}", Body=body)
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    ended = asyncload("verify", *options, "--manifest", manifest.format(layer=layer))
    assert ended.code == 2
    assert message in ended.err


def test_a_missing_volume_is_reported(asyncload, tmp_path, s3):
    """As for a run."""
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    ended = asyncload("verify", tmp_path / "none", *options)
    assert ended.code == 2
    assert "does not exist" in ended.err
