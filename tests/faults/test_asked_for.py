"""Kind G: what was asked for of objects besides their bytes, and stores that ignore it."""

from __future__ import annotations

import pytest

from asyncload.errors import AccessDenied, ProtectionIgnored, RequestRejected
from asyncload.planning.plan import MIB
from asyncload.store.protocol import RemoteObject
from tests.faults.zone import Zone
from tests.support.content import random_bytes
from tests.support.loads import load_volume, write_files
from tests.support.memory_store import MemoryStore
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, put_accepted, scripted_s3


@pytest.fixture
def zone_of(asyncload, volume, layer, monkeypatch):
    """A raw zone of a server."""

    def open_zone(server):
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return Zone(asyncload, volume, server, layer)

    return open_zone


@pytest.fixture
def credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")


@pytest.mark.fault("G7")
@pytest.mark.parametrize("manifest", [(), ("--no-manifest",)], ids=["probed", "not-probed"])
def test_a_store_that_does_not_encrypt_ends_the_run(zone_of, volume, rclone, lane, manifest):
    """If it is probed, before any data is sent; else at the first answer."""
    zone = zone_of(rclone)
    write_files(volume, {"a.csv": b"1"})
    code, files, summary = zone.run("--sse", "AES256", *manifest, lane=lane)
    assert (code, files) == (5, {})
    assert summary["error"]["kind"] == "ProtectionIgnored"
    assert "PutObject requested AES256" in summary["error"]["message"]
    landed = rclone.objects(zone.key("A", "a.csv"))
    assert bool(landed) == bool(manifest)


@pytest.mark.fault("G7")
def test_a_store_that_encrypts_is_believed(zone_of, volume, moto, lane):
    """Its answers to Put, Create and Complete say so."""
    zone = zone_of(moto)
    write_files(volume, {"a.csv": b"1"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    code, _, summary = zone.run("--sse", "AES256", lane=lane)
    assert (code, summary["uploaded"], summary["warnings"]) == (0, 2, [])


@pytest.mark.fault("G7")
@pytest.mark.parametrize("silent", ["PutObject", "CreateMultipartUpload"])
def test_an_answer_that_names_another_encryption_is_not_enough(
    asyncload, credentials, volume, lane, silent
):
    """AES256 is not the KMS that was asked for; an upload in parts ends before any byte is sent."""
    aborted = []

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "DELETE":
            aborted.append(request.query["uploadId"])
            return Answer(204)
        if request.method == "POST":
            body = "<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
            return Answer(200, f"{body}</InitiateMultipartUploadResult>".encode())
        accepted = put_accepted(request)
        accepted.headers["x-amz-server-side-encryption"] = "AES256"
        return accepted

    large = silent == "CreateMultipartUpload"
    (volume / "a.csv").write_bytes(bytes(17 * MIB if large else 1))
    with scripted_s3(answer) as (url, requests):
        options = ["--bucket", "lake", "--endpoint-url", url, "--region", "us-east-1"]
        options += ["--sse", "aws:kms", "--no-manifest"] + ([] if lane else ["--no-fast-lane"])
        ended = asyncload("run", volume, *options)
    assert ended.code == 5
    said = "no encryption" if large else "AES256"
    assert f"{silent} requested aws:kms, but the store's answer confirms {said}" in ended.err
    assert aborted == ([["u1"]] if large else [])
    assert sum(len(request.body) for request in requests if request.method == "PUT") <= 1


@pytest.mark.fault("G7")
@pytest.mark.parametrize("command", ["run", "verify"])
def test_a_store_that_answers_for_any_owner_is_refused(zone_of, volume, seaweedfs, command):
    """It is asked once for an account that owns nothing, and must refuse that."""
    zone = zone_of(seaweedfs)
    write_files(volume, {"a.csv": b"1"})
    for owner in ("123456789012", "000000000000"):
        ended = zone.words(command, "--expected-bucket-owner", owner)
        assert ended.code == 5
        assert "--expected-bucket-owner: the store does not check it" in ended.err
    assert seaweedfs.objects(zone.key("A", "")) == {}


@pytest.mark.fault("G7")
@pytest.mark.parametrize("refusal", [400, 403])
def test_a_store_that_checks_the_owner_is_asked_twice_and_no_more(
    asyncload, credentials, volume, refusal
):
    """The right owner, and a wrong one."""

    def answer(request):
        if request.method != "GET":
            return put_accepted(request)
        right = request.headers["x-amz-expected-bucket-owner"] == "123456789012"
        return EMPTY_LISTING if right else Answer(refusal)

    write_files(volume, {"a.csv": b"1"})
    with scripted_s3(answer) as (url, requests):
        options = ["--bucket", "lake", "--endpoint-url", url, "--region", "us-east-1"]
        options += ["--expected-bucket-owner", "123456789012", "--no-manifest"]
        ended = asyncload("run", volume, *options)
    assert ended.code == 0
    owners = [r.headers["x-amz-expected-bucket-owner"] for r in requests if r.method == "GET"]
    assert owners == ["123456789012", "000000000000"]


ASKED = ("--tag", "team=films", "--metadata", "owner=films", "--storage-class", "STANDARD_IA")


@pytest.mark.fault("G7")
def test_what_a_store_keeps_is_read_back_in_silence(zone_of, volume, moto, lane):
    """Of the first object by put, and of the first in parts."""
    zone = zone_of(moto)
    write_files(volume, {"a.csv": b"1"})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    code, _, summary = zone.run(*ASKED, lane=lane)
    assert (code, summary["warnings"]) == (0, [])


@pytest.mark.fault("G7")
def test_tags_that_a_store_drops_are_a_warning(zone_of, volume, rclone, lane):
    """`rclone serve s3` takes them, and can't say what they are."""
    zone = zone_of(rclone)
    write_files(volume, {"a.csv": b"1", "b.csv": b"1"})
    code, _, summary = zone.run(*ASKED, lane=lane)
    assert code == 0
    messages = [warning["message"] for warning in summary["warnings"]]
    assert sum("did not keep --tag" in message for message in messages) == 1


class Forgetful(MemoryStore):
    """A store that keeps bytes only; `denies` looking at objects, or is AWS."""

    denies = None

    def __init__(self, endpoint="http://127.0.0.1:9"):
        super().__init__()
        self.foreign_endpoint = endpoint
        self.gone = False

    async def head(self, key):
        remote = await super().head(key)
        if remote is None or key not in self.infos:
            return remote
        if self.denies:
            raise self.denies("no")
        return None if self.gone else RemoteObject(remote.size, remote.checksums)

    async def read_tags(self, key):
        if self.denies:
            raise self.denies("no")
        return await super().read_tags(key)


@pytest.mark.fault("G7")
@pytest.mark.parametrize(
    ("endpoint", "denies", "lost"),
    [
        ("http://127.0.0.1:9", None, {"--tag", "--metadata", "--storage-class"}),
        ("http://127.0.0.1:9", AccessDenied, set()),
        ("http://127.0.0.1:9", RequestRejected, {"--tag"}),
        (None, None, set()),
    ],
)
async def test_each_thing_that_is_not_kept_is_named_once(volume, endpoint, denies, lost):
    """If reading is denied, there is no warning; AWS is not asked."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = Forgetful(endpoint)
    store.denies = denies
    asked = {"tags": {"a": "b"}, "metadata": {"x": "y"}, "storage_class": "GLACIER_IR"}
    report = await load_volume(store, volume, **asked)
    assert report.exit_code == 0
    assert {warned.message.split()[5] for warned in report.warnings} == lost


@pytest.mark.fault("G7")
async def test_an_object_that_is_gone_again_says_nothing_of_what_is_kept(volume):
    """Another program deleted it."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = Forgetful()
    store.gone = True
    report = await load_volume(store, volume, metadata={"x": "y"})
    assert report.warnings == []


def test_it_is_an_error_that_ends_the_run():
    """By exit code 5."""
    assert ProtectionIgnored("no").exit_code == 5
