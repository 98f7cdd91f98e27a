"""Missing, wrong and expired credentials and permissions: faults K1 to K14 of the catalogue."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, Oracle, s3_error
from tests.support.loads import write_files
from tests.support.scripted_s3 import Answer, scripted_s3

DENIED = Fault(reply=s3_error(403, "AccessDenied", "Access Denied"))


@pytest.fixture
def hundred(volume):
    """So many files that one error for each would be seen."""
    write_files(volume, {f"{n:03}.csv": b"%d" % n for n in range(100)})


def check_refused(landed, *, puts=0):
    """One message, exit 5, and no more than so many puts."""
    assert landed.code == 5
    assert landed.objects == {}
    assert landed.open_uploads == []
    assert landed.ended.err.count("error:") == 1
    assert landed.proxy.count("PutObject") <= puts
    return landed.error


@pytest.mark.fault("K1")
def test_without_credentials_nothing_is_sent(lake, hundred, lane, monkeypatch):
    """The message says how to give some."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    landed = lake.load(lane=lane)
    error = check_refused(landed)
    assert error["kind"] == "CredentialsMissing"
    assert "AWS_ACCESS_KEY_ID" in error["hint"]
    assert landed.proxy.calls == []


@pytest.mark.fault("K2", "K3")
@pytest.mark.parametrize(
    ("variable", "code"),
    [
        pytest.param("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId", id="c2"),
        pytest.param("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch", id="c3"),
    ],
)
def test_a_wrong_key_or_secret_is_reported_by_the_preflight(
    lake, hundred, variable, code, lane, monkeypatch
):
    """SeaweedFS checks signatures: one request, one message."""
    monkeypatch.setenv(variable, "wrong0123456789abcdef")
    landed = lake.load(lane=lane)
    error = check_refused(landed)
    assert (error["kind"], error["code"]) == ("CredentialsRejected", code)
    assert len(landed.proxy.calls) == 1


@pytest.mark.fault("K4")
def test_credentials_that_have_expired_are_reported_by_the_preflight(lake, hundred, lane):
    """One request, one message that names the session token."""
    landed = lake.load(
        fail_always("ListObjectsV2", Fault(reply=s3_error(400, "ExpiredToken"))), lane=lane
    )
    error = check_refused(landed)
    assert (error["kind"], error["code"]) == ("CredentialsRejected", "ExpiredToken")
    assert "session token" in error["hint"]
    assert len(landed.proxy.calls) == 1


@pytest.fixture
def refreshing(forgiving_lake, monkeypatch):
    """Credentials from a service: AKIA1 first, then AKIA2; `minutes` is how long the first say to
    be good for, the others are for an hour. Yields the service's requests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    state = {"minutes": 60}

    def answer(request):
        state["served"] = state.get("served", 0) + 1
        minutes = state["minutes"] if state["served"] == 1 else 60
        until = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        document = {
            "AccessKeyId": f"AKIA{min(state['served'], 2)}",
            "SecretAccessKey": "secret",
            "Token": "token-canary",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Answer(200, json.dumps(document).encode(), {"content-type": "application/json"})

    with scripted_s3(answer) as (url, _):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/credentials")
        yield state


def keys_of(landed, operation):
    """The access keys that requests of an operation were signed with, in order."""
    return [
        call.head.fields["authorization"].split("Credential=")[1].split("/")[0]
        for call in landed.proxy.calls
        if call.operation == operation
    ]


@pytest.mark.fault("K5")
def test_credentials_about_to_expire_are_refreshed_during_the_run(
    forgiving_lake, hundred, refreshing, lane
):
    """All files land; the later requests are signed with the new key."""
    refreshing["minutes"] = 5
    landed = forgiving_lake.load(lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 100)
    assert set(keys_of(landed, "PutObject")) == {"AKIA2"}
    assert refreshing["served"] == 2
    assert "token-canary" not in landed.ended.out + landed.ended.err


EXPIRED = Fault(reply=s3_error(400, "ExpiredToken"))


def revoke_first_key(*operations):
    """From the first request of these operations on, nothing is done for AKIA1."""
    revoked = []

    def decide(call):
        if call.operation in operations:
            revoked.append(call)
        signed = call.head.fields["authorization"]
        return EXPIRED if revoked and "Credential=AKIA1/" in signed else None

    return decide


@pytest.mark.fault("K5")
def test_credentials_that_expire_early_are_renewed_once_for_all_requests(
    forgiving_lake, hundred, refreshing, lane
):
    """Revoked before their time: requests signed with them are repeated once, with new ones."""
    landed = forgiving_lake.load(revoke_first_key("PutObject"), lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 100)
    assert refreshing["served"] == 2
    signed = keys_of(landed, "PutObject")
    # No more in vain than were under way at once, each by the lane and then by the client.
    assert 1 <= signed.count("AKIA1") <= 32 * (1 + lane)
    assert signed.count("AKIA2") == 100
    assert "token-canary" not in landed.ended.out + landed.ended.err


@pytest.mark.fault("K5")
@pytest.mark.parametrize(
    "operation",
    [
        "ListObjectsV2",
        "ListMultipartUploads",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ],
)
def test_credentials_that_expire_early_are_renewed_at_any_request(
    forgiving_lake, small_and_large, refreshing, operation, lane
):
    """Lists, parts and Complete as well as puts."""
    landed = forgiving_lake.load(revoke_first_key(operation), lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 2)
    assert refreshing["served"] == 2
    assert keys_of(landed, operation)[-1] == "AKIA2"
    assert landed.open_uploads == []


@pytest.mark.fault("K5")
def test_a_look_at_a_key_whose_answer_can_not_say_so_is_repeated_too(
    forgiving_lake, small_and_large, refreshing, lane
):
    """HEAD is answered with 400 and nothing else: a file that is there is not called a conflict."""
    forgiving_lake.load(lane=lane)
    refreshing["served"] = 0
    landed = forgiving_lake.load(revoke_first_key("HeadObject"), lane=lane)
    assert refreshing["served"] == 2
    assert (landed.code, set(landed.statuses.values())) == (0, {"unchanged"})


@pytest.mark.fault("K5")
def test_a_look_at_a_key_that_is_rejected_for_good_is_not_repeated(
    forgiving_lake, volume, refreshing, lane
):
    """The list that is asked for instead of it says nothing of credentials."""
    write_files(volume, {"a.csv": b"1"})
    rejected = fail_always("HeadObject", Fault(reply=s3_error(400, "BadRequest")))
    landed = forgiving_lake.load(rejected, lane=lane)
    assert (landed.code, refreshing["served"]) == (0, 1)
    # botocore itself asks twice, in case that the bucket is elsewhere.
    assert landed.proxy.count("HeadObject") <= 2


@pytest.mark.fault("K5")
def test_credentials_that_are_renewed_in_vain_end_the_run(
    forgiving_lake, hundred, refreshing, lane
):
    """The others are rejected, too: each request was repeated once at the most, and none again."""
    landed = forgiving_lake.load(fail_always("PutObject", EXPIRED), lane=lane)
    assert (landed.code, landed.objects) == (5, {})
    assert landed.error["code"] == "ExpiredToken"
    assert refreshing["served"] == 2
    assert landed.proxy.count("PutObject") <= 32 * (2 + lane)


@pytest.mark.fault("K6")
def test_static_credentials_that_expire_end_the_run_and_objects_stay(
    lake, hundred, volume, large_body, lane
):
    """Exit 5; what is done stays done, and the open upload is aborted if that is still allowed."""
    write_files(volume, {"l.csv": large_body})
    puts = []

    def decide(call):
        puts.append(call.operation == "PutObject")
        expired = sum(puts) > 30 and call.operation in ("PutObject", "UploadPart")
        return Fault(reply=s3_error(400, "ExpiredToken")) if expired else None

    landed = lake.load(decide, "--concurrency", 4, lane=lane)
    assert landed.code == 5
    assert landed.error["code"] == "ExpiredToken"
    uploaded = [path for path, status in landed.statuses.items() if status == "uploaded"]
    assert len(uploaded) >= 20
    assert set(landed.objects) >= set(uploaded)
    assert sum(puts) <= 40


@pytest.mark.fault("K7")
def test_the_wrong_region_ends_the_run_with_the_right_one(lake, hundred, lane):
    """One request, and the option to use."""
    answer = s3_error(
        400,
        "AuthorizationHeaderMalformed",
        "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        extra="<Region>eu-west-1</Region>",
    )
    landed = lake.load(lambda call: Fault(reply=answer), lane=lane)
    assert "--region eu-west-1" in check_refused(landed)["hint"]
    assert len(landed.proxy.calls) == 1


@pytest.mark.fault("K8")
def test_a_denied_put_ends_the_run_at_once(lake, hundred, lane):
    """Listing is allowed: the first put tells, not one message for each file."""
    landed = lake.load(fail_always("PutObject", DENIED), "--concurrency", 2, lane=lane)
    error = check_refused(landed, puts=4)
    assert error["kind"] == "AccessDenied"
    assert "s3:PutObject" in error["hint"]


@pytest.mark.fault("K9")
def test_if_only_puts_are_allowed_the_answer_to_the_put_counts(lake, small_and_large, lane):
    """Denied Head and List mean neither "there" nor "not there": files land by If-None-Match."""
    decide = fail_always({"HeadObject", "ListObjectsV2"}, DENIED)
    landed = lake.load(decide, lane=lane)
    assert landed.code == 0
    assert landed.statuses == {"a.csv": "uploaded", "l.csv": "uploaded"}


@pytest.mark.fault("K9")
def test_if_only_puts_are_allowed_an_existing_object_is_not_called_unchanged(
    lake, small_and_large, lane
):
    """The second run can't compare: it says so, and neither lies nor overwrites."""
    lake.load(lane=lane)
    landed = lake.load(fail_always({"HeadObject", "ListObjectsV2"}, DENIED), lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "failed", "l.csv": "failed"})
    for record in landed.files.values():
        assert record["error"]["kind"] == "ObjectConflict"
        assert "s3:GetObject" in record["error"]["hint"]


@pytest.mark.fault("K10")
def test_a_bucket_that_is_not_there_ends_the_run(lake, hundred, lane):
    """By the preflight, with the option to check."""
    landed = lake.load(None, "--bucket", "no-such-bucket", lane=lane)
    error = check_refused(landed)
    assert (error["kind"], error["code"]) == ("BucketNotFound", "NoSuchBucket")
    assert "--bucket" in error["hint"]


OWNER = "111122223333"


@pytest.mark.fault("K11")
def test_a_bucket_of_another_account_is_refused(lake, hundred, lane):
    """Every request says whose bucket it expects: the first put is refused, and ends the run."""
    proxy = lake.proxy(oracle=Oracle(owner="444455556666", owner_expected=True))
    ended = lake.program(*lake.arguments(proxy.url, "--expected-bucket-owner", OWNER, lane=lane))
    landed = lake.look(ended, proxy)
    assert landed.code == 5
    assert OWNER in landed.error["hint"]
    assert proxy.oracle.violations == []
    assert landed.objects == {}


@pytest.mark.fault("K11")
def test_the_owner_is_named_in_every_request(lake, small_and_large, lane):
    """By the lane as by the client; all files land where the owner is right."""
    proxy = lake.proxy(oracle=Oracle(owner=OWNER, owner_expected=True))
    options = ("--expected-bucket-owner", OWNER)
    ended = lake.program(*lake.arguments(proxy.url, *options, lane=lane))
    assert ended.code == 0
    assert proxy.oracle.violations == []


@pytest.mark.fault("K12")
@pytest.mark.parametrize("overwrite", [False, True])
def test_object_lock_is_served_checksums_always_deletions_never(
    lake, small_and_large, volume, large_body, overwrite, lane
):
    """A bucket with Object Lock demands a checksum and keeps every version: nothing else is
    asked of it, when landing, when meeting taken keys and when failing."""
    options = ["--overwrite"] if overwrite else []
    lake.load(None, *options, lane=lane)
    write_files(volume, {"a.csv": b"changed", "l.csv": large_body[::-1]})
    aborting = fail_always("CompleteMultipartUpload", Fault(reply=s3_error(400, "InvalidPart")))
    for decide in (None, aborting):
        landed = lake.load(decide, *options, lane=lane)
        operations = {call.operation for call in landed.proxy.calls}
        assert "DeleteObject" not in operations
        for call in landed.proxy.calls:
            if call.operation in ("PutObject", "UploadPart", "CompleteMultipartUpload"):
                assert "x-amz-checksum-crc64nvme" in call.head.fields or call.part
    assert landed.proxy.oracle.violations == []


@pytest.mark.fault("K13")
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload"])
def test_a_denied_kms_key_ends_the_run_with_the_action(lake, small_and_large, operation, lane):
    """The bucket's key wants kms:GenerateDataKey: s3:PutObject would not help."""
    message = (
        "User: arn:aws:sts::111122223333:assumed-role/loader/i is not authorized to perform: "
        "kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:111122223333:key/k"
    )
    denied = Fault(reply=s3_error(403, "AccessDenied", message))
    landed = lake.load(fail_always(operation, denied), lane=lane)
    assert landed.code == 5
    assert "permit kms:GenerateDataKey" in landed.error["hint"]


@pytest.mark.fault("K14")
@pytest.mark.parametrize("silent", [True, False], ids=["silent", "refusing"])
def test_a_metadata_service_out_of_reach_is_waited_for_a_while_only(
    lake, hundred, silent, lane, monkeypatch
):
    """It is asked a few times; then it is as if there were no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    stall = Fault(cut_request=0, how="stall" if silent else "reset")
    service = lake.proxy(lambda call: stall)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    landed = lake.load(lane=lane)
    assert check_refused(landed)["kind"] == "CredentialsMissing"
    assert 1 <= len(service.calls) <= 4
