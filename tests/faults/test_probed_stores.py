"""Kind G: what a store that is not AWS's own is worth, on real ones."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from asyncload.planning.plan import MIB
from tests.faults.proxy import proxy_before
from tests.faults.zone import Zone
from tests.support.content import random_bytes
from tests.support.loads import write_files


@pytest.fixture
def zone_of(asyncload, volume, layer, monkeypatch):
    """A raw zone of a server; with a proxy before it where a test decides what happens.

    The proxy refuses wrong checksums by itself.
    """
    with ExitStack() as stack:

        def open_zone(server, decide=None):
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            url = server.endpoint_url
            if decide is not None:
                url = stack.enter_context(proxy_before(url, decide)).url
            return Zone(asyncload, volume, server, layer, url)

        yield open_zone


@pytest.mark.fault("G8")
def test_a_store_that_echoes_checksums_proves_by_md5(zone_of, volume, rclone, lane):
    """`rclone serve s3` takes wrong CRCs and returns them on HEAD: they count for nothing."""
    zone = zone_of(rclone)
    write_files(volume, {f"d/{n}.csv": f"{n}\n".encode() for n in range(4)})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    for _ in range(2):
        code, files, summary = zone.run(lane=lane)
        assert code == 0
        assert {file["verified_by"] for file in files.values()} == {"MD5"}
        assert summary["store"]["proofs"] == ["MD5"]
        assert summary["store"]["checks"] == {"CRC64NVME": False, "MD5": True}
        assert zone.verify_manifest(summary["run_id"])[0] == 0
    wrong = zone.client.head_object(
        Bucket=rclone.bucket, Key=zone.key("D", "1.csv"), ChecksumMode="ENABLED"
    )
    sent = {"ChecksumCRC64NVME": wrong["ChecksumCRC64NVME"], "Metadata": wrong["Metadata"]}
    zone.client.put_object(Bucket=rclone.bucket, Key=zone.key("D", "1.csv"), Body=b"!\n", **sent)
    code, words = zone.verify()
    assert (code, words.partition(":")[0]) == (3, "different")
    code, files, _ = zone.run(lane=lane)
    assert (code, files["d/1.csv"]["status"]) == (3, "failed")


@pytest.mark.fault("G8")
def test_a_store_that_checks_what_it_is_sent_proves_by_crc(zone_of, volume, seaweedfs, lane):
    """SeaweedFS refuses wrong CRCs and MD5s, and honours If-None-Match on Put and Complete."""
    zone = zone_of(seaweedfs)
    write_files(volume, {"a.csv": b"1"})
    code, files, summary = zone.run("--require-create-only", lane=lane)
    assert (code, files["a.csv"]["verified_by"]) == (0, "CRC64NVME")
    assert summary["store"]["checks"] == {"CRC64NVME": True, "MD5": True}
    assert summary["warnings"] == []


@pytest.mark.fault("G5")
def test_an_object_written_after_the_listing_is_kept_by_a_store_that_ignores_the_condition(
    zone_of, volume, rclone, lane
):
    """Each key is looked at right before, and the report says what that is worth."""

    def overtake(call):
        if call.operation == "HeadObject" and call.key.endswith("0.csv"):
            zone.client.put_object(Bucket=rclone.bucket, Key=zone.key("D", "0.csv"), Body=b"theirs")

    zone = zone_of(rclone, overtake)
    write_files(volume, {f"d/{n}.csv": b"ours" for n in range(3)})
    code, files, summary = zone.run(lane=lane)
    assert (code, files["d/0.csv"]["status"]) == (3, "failed")
    assert rclone.objects(zone.key("D", "0.csv")) == {zone.key("D", "0.csv"): b"theirs"}
    (warning,) = summary["warnings"]
    assert "ignores If-None-Match on PutObject and CompleteMultipartUpload" in warning["message"]


@pytest.mark.fault("G5")
def test_an_object_written_during_an_upload_in_parts_is_kept_as_well(zone_of, volume, rclone, lane):
    """The key is looked at once more before Complete."""

    def overtake(call):
        if call.operation == "UploadPart" and call.key.endswith("l.csv"):
            zone.client.put_object(Bucket=rclone.bucket, Key=zone.key("D", "l.csv"), Body=b"theirs")

    zone = zone_of(rclone, overtake)
    write_files(volume, {"d/1.csv": b"1", "d/2.csv": b"2"})
    (volume / "d/l.csv").write_bytes(random_bytes(17 * MIB))
    code, files, _ = zone.run(lane=lane)
    assert (code, files["d/l.csv"]["status"]) == (3, "failed")
    assert rclone.objects(zone.key("D", "l.csv")) == {zone.key("D", "l.csv"): b"theirs"}


@pytest.mark.fault("G5")
def test_a_store_that_ignores_the_condition_is_refused_if_it_is_required(zone_of, volume, rclone):
    """By exit code 5, before anything is sent."""
    zone = zone_of(rclone)
    write_files(volume, {"a.csv": b"1"})
    code, files, summary = zone.run("--require-create-only")
    assert (code, files) == (5, {})
    assert re.search("--require-create-only: .* ignores If-None-Match", summary["error"]["message"])
    assert rclone.objects(zone.key("A", "")) == {}


@pytest.mark.fault("G5")
def test_whether_the_condition_is_honoured_can_not_be_tried_without_a_manifest(zone_of, rclone):
    """A usage error."""
    zone = zone_of(rclone)
    ended = zone.words("run", "--require-create-only", "--no-manifest")
    assert ended.code == 2
    assert "--require-create-only can't be combined with --no-manifest" in ended.err
