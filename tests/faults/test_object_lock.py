"""Objects that are locked when they are written: on a real server, and refused by scripted ones."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

import asyncload as library
from asyncload.planning.plan import MIB
from tests.support.content import random_bytes
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3

ENABLED = Answer(
    200,
    b'<?xml version="1.0"?><ObjectLockConfiguration><ObjectLockEnabled>Enabled'
    b"</ObjectLockEnabled></ObjectLockConfiguration>",
)
LOCK = ("--lock-mode", "governance", "--lock-until", "90d")


@pytest.fixture
def locking(seaweedfs, monkeypatch):
    """A bucket of its own with Object Lock."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    s3 = replace(seaweedfs, bucket=f"locked-{uuid.uuid4().hex[:12]}")
    s3.client().create_bucket(Bucket=s3.bucket, ObjectLockEnabledForBucket=True)
    return s3


@pytest.mark.seaweedfs
async def test_objects_are_locked_and_what_is_written_about_them_is_not(locking, volume):
    """By put and in parts; --overwrite adds a version, and the version before stays locked."""
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    client, kept = locking.client(), {}
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for content, fast_lane in ((b"1", True), (b"22", False)):
        write_files(volume, {"a.csv": content})
        settings = library.Settings(
            volume=volume,
            bucket=locking.bucket,
            endpoint_url=locking.endpoint_url,
            overwrite=True,
            success_marker=True,
            fast_lane=fast_lane,
            lock_mode="governance",
            lock_until="90d",
        )
        report = await library.load(settings)
        assert (report.exit_code, report.warnings) == (0, [])
        compared = await library.verify(settings)
        assert (compared.exit_code, compared.locked) == (0, 2)
        for item in client.list_objects_v2(Bucket=locking.bucket)["Contents"]:
            head = client.head_object(Bucket=locking.bucket, Key=item["Key"])
            kept[item["Key"], head["VersionId"]] = head
    csvs = [head for (key, _), head in kept.items() if key.endswith(".csv")]
    assert len(csvs) == 3
    for head in csvs:
        assert head["ObjectLockMode"] == "GOVERNANCE"
        # The run may have begun a day later.
        days = (head["ObjectLockRetainUntilDate"] - midnight) / timedelta(days=1)
        assert days in (91, 92)
    assert not [key for (key, _), head in kept.items() if "_" in key and "ObjectLockMode" in head]
    for key, version in kept:
        if key.endswith("/a.csv"):
            with pytest.raises(ClientError, match="AccessDenied"):
                client.delete_object(Bucket=locking.bucket, Key=key, VersionId=version)


@pytest.fixture
def told(asyncload, volume, monkeypatch):
    """Run a command with a lock, against a store that answers by a function."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    write_files(volume, {"a.csv": b"1"})

    def tell(answer, *options, command="run"):
        with scripted_s3(answer) as (url, requests):
            where = ["--bucket", "lake", "--endpoint-url", url, "--region", "us-east-1"]
            ended = asyncload(command, volume, *where, *options)
        return ended, requests

    return tell


@pytest.mark.parametrize(
    "configuration",
    [
        error(404, "ObjectLockConfigurationNotFoundError"),
        error(501, "NotImplemented"),
        Answer(200, b'<?xml version="1.0"?><ListBucketResult/>'),
    ],
    ids=["none", "unknown", "ignored"],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_bucket_without_object_lock_is_refused_before_anything_is_sent(
    told, command, configuration
):
    """With what to do about it."""
    ended, requests = told(
        lambda request: configuration if "object-lock" in request.query else EMPTY_LISTING,
        *LOCK,
        command=command,
    )
    assert ended.code == 5
    assert "--lock-mode: the bucket 'lake' does not have Object Lock enabled" in ended.err
    assert "or omit --lock-mode and --lock-until" in ended.err
    assert {request.method for request in requests} == {"GET"}


REFUSALS = {
    "no Object Lock": (
        ("InvalidRequest", "Bucket is missing Object Lock Configuration"),
        "enable Object Lock on the bucket, or omit",
    ),
    "a past date": (
        ("InvalidArgument", "The retain until date must be in the future!"),
        "use another --lock-until, and check this machine's clock",
    ),
}


@pytest.mark.parametrize(("refusal", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_a_store_that_refuses_the_lock_ends_the_run_at_the_first_put(told, lane, refusal, hint):
    """It may deny to say before whether the bucket has Object Lock; no put is tried without."""

    def answer(request):
        if "object-lock" in request.query:
            return error(403, "AccessDenied")
        if request.method == "PUT":
            return error(400, *refusal)
        return Answer(404) if request.method == "HEAD" else EMPTY_LISTING

    ended, requests = told(answer, *LOCK, "--no-manifest", *([] if lane else ["--no-fast-lane"]))
    assert ended.code == 5
    assert refusal[1] in ended.err
    assert hint in ended.err
    puts = [request for request in requests if request.method == "PUT"]
    assert [put.headers["x-amz-object-lock-mode"] for put in puts] == ["GOVERNANCE"]


def test_a_file_that_is_named_after_locks_fails_alone(told):
    """A refusal that quotes its name is about this file only."""

    def answer(request):
        if request.method != "PUT":
            return EMPTY_LISTING if request.method == "GET" else Answer(404)
        return error(400, "InvalidArgument", "object_lock/retention/worm.csv is refused")

    ended, _ = told(answer, "--no-manifest")
    assert ended.code == 3


def test_a_store_that_ignores_the_lock_is_a_warning(told, lane):
    """Its answer to HEAD names none, though the bucket has Object Lock."""
    stored = []

    def answer(request):
        if "object-lock" in request.query:
            return ENABLED
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "HEAD" and stored:
            return Answer(200, b"1")
        stored.extend([request] if request.method == "PUT" else [])
        return put_accepted(request)

    ended, _ = told(answer, *LOCK, "--no-manifest", *([] if lane else ["--no-fast-lane"]))
    assert ended.code == 0
    assert "the store did not keep --lock-mode of Raw/Local/CSV/A/" in ended.err


def test_objects_that_existed_already_are_said_not_to_be_locked(told):
    """A run that was repeated with a lock must not look as if it had locked them."""
    crc = {"x-amz-checksum-crc64nvme": "I5Whw0YbvtI=", "x-amz-checksum-type": "FULL_OBJECT"}

    def answer(request):
        if "object-lock" in request.query:
            return ENABLED
        if request.method == "PUT":
            return error(412, "PreconditionFailed")
        if request.method == "HEAD":
            return Answer(200, b"1", {"ETag": '"opaque"', **crc})
        return EMPTY_LISTING

    line = "not locked by this run: 1 existing object; asyncload verify compares locks"
    for lock, lines in ((LOCK, [line]), ((), [])):
        ended, _ = told(answer, *lock, "--no-manifest")
        assert ended.code == 0
        said, *rest = ended.out.splitlines()
        assert said.startswith("1 of 1 file is in the raw zone: 1 unchanged")
        assert rest == lines


def test_verify_compares_locks(told):
    """As the store's answer to HEAD has them; the exit code is 3 if one is not as asked for."""
    wanted = ("--lock-mode", "governance", "--lock-until", "2099-05-02")
    crc = {"x-amz-checksum-crc64nvme": "I5Whw0YbvtI=", "x-amz-checksum-type": "FULL_OBJECT"}

    def verify(**lock):
        def answer(request):
            if "object-lock" in request.query:
                return ENABLED
            if request.method == "HEAD":
                headers = {f"x-amz-object-lock-{name}": value for name, value in lock.items()}
                return Answer(200, b"1", {"ETag": '"opaque"', **crc, **headers})
            return EMPTY_LISTING

        return told(answer, *wanted, command="verify")[0]

    ended = verify(mode="GOVERNANCE", **{"retain-until-date": "2099-05-02T00:00:00Z"})
    assert ended.out == "OK: 1 file matches (1 by CRC64NVME), 1 locked as asked for\n"
    assert ended.code == 0
    ended = verify(mode="GOVERNANCE", **{"retain-until-date": "2099-05-01T00:00:00Z"})
    assert ended.out.startswith("weak lock: a.csv -> s3://lake/Raw/Local/CSV/A/")
    assert ended.out.endswith("; 1 difference: 1 weak lock\n")
    assert ended.code == 3
    ended = verify()
    assert ended.out.startswith("unlocked: a.csv -> s3://lake/Raw/Local/CSV/A/")
    assert ended.code == 3


@pytest.mark.parametrize("command", [("run",), ("plan", "--offline")])
def test_a_time_in_the_past_is_a_usage_error(told, command):
    """No request is made."""
    past = ("--lock-mode", "compliance", "--lock-until", "2022-05-02")
    ended, requests = told(None, *past, *command[1:], command=command[0])
    assert (ended.code, requests) == (2, [])
    assert "--lock-until: '2022-05-02' is not in the future" in ended.err


def test_a_plan_says_until_when_objects_would_be_locked(told):
    """A lock can't be taken back."""
    lock = ("--lock-mode", "compliance", "--lock-until", "2099-05-02", "--offline")
    ended, _ = told(None, *lock, command="plan")
    assert ended.code == 0
    assert "uploaded objects will be locked until 2099-05-02T00:00:00Z (compliance)\n" in ended.out


def test_a_bucket_without_transfer_acceleration_is_told_as_such(told):
    """With what to do about it."""
    words = "S3 Transfer Acceleration is not configured on this bucket"
    ended, _ = told(lambda request: error(400, "InvalidRequest", words))
    assert ended.code == 5
    assert "enable Transfer Acceleration on the bucket, or omit --endpoint-accelerate" in ended.err
