"""Answers of servers: faults S1 to S22 of the catalogue."""

from __future__ import annotations

import os
import threading
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from asyncload.transfer import TransferPolicy
from tests.faults.lake import LEAST, fail_always, fail_first
from tests.faults.proxy import Fault, Reply, no_fault, s3_error
from tests.support.loads import write_files

ALL = {"ListObjectsV2", "HeadObject", "PutObject", "CreateMultipartUpload", "UploadPart"}
ALL |= {"CompleteMultipartUpload"}
LANDED = {"a.csv": "uploaded", "l.csv": "uploaded"}
HTML = b"<html><body>gateway</body></html>"
RESULT = '<?xml version="1.0"?><CompleteMultipartUploadResult>{}</CompleteMultipartUploadResult>'


def check_it_passes(lake, fault, lane, operations=ALL):
    """The first two requests for each thing meet the fault; all files land by the third."""
    landed = lake.load(fail_first(operations, fault, times=2), lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    faced = {call.identity for call in landed.proxy.calls if call.operation in operations}
    assert {operation for operation, _, _ in faced} >= operations - {"HeadObject"}
    for identity in faced:
        attempts = [call.attempt for call in landed.proxy.calls if call.identity == identity]
        assert attempts == [1, 2, 3]
    return landed


def check_told(landed, path, code):
    """A failure carries path, key, S3's code, the request's id and a reason."""
    record = landed.files[path]
    assert record["key"].endswith(path)
    assert record["error"]["code"] == code
    assert record["error"]["request_id"] == "CHAOS1"
    assert code in record["error"]["message"]


def check_only_large_failed(landed):
    assert landed.code == 3
    assert landed.statuses == {"a.csv": "uploaded", "l.csv": "failed"}
    assert list(landed.objects) == ["a.csv"]
    assert landed.open_uploads == []


@pytest.mark.fault("S1", "S2", "S3", "S4", "S5")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(s3_error(500, "InternalError"), id="s1"),
        pytest.param(Reply(502, HTML), id="s2-502"),
        pytest.param(Reply(504, HTML), id="s2-504"),
        pytest.param(s3_error(503, "SlowDown"), id="s3-slow-down"),
        pytest.param(s3_error(503, "ServiceUnavailable"), id="s3-unavailable"),
        pytest.param(s3_error(429, "TooManyRequests"), id="s4"),
        pytest.param(s3_error(400, "RequestTimeout"), id="s5"),
    ],
)
def test_an_error_that_passes_costs_retries_only(lake, small_and_large, answer, lane):
    """Every kind of request is repeated from the bytes in memory, and all files land."""
    # An answer to HEAD has no document: only its status says what it means.
    operations = ALL if answer.status != 400 else ALL - {"HeadObject"}
    landed = check_it_passes(lake, Fault(reply=answer), lane, operations)
    assert landed.proxy.body_bytes["PutObject"] == 3 * len(landed.objects["a.csv"])


@pytest.mark.fault("S1")
def test_an_error_that_does_not_pass_is_given_up_after_ten_tries(lake, volume, lane):
    """The file fails with S3's code and request id, and the others land."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})

    def decide(call):
        fails = call.operation == "PutObject" and call.key.endswith("a.csv")
        return Fault(reply=s3_error(500, "InternalError")) if fails else None

    landed = lake.load(decide, lane=lane)
    assert (landed.code, landed.statuses) == (3, {"a.csv": "failed", "b.csv": "uploaded"})
    check_told(landed, "a.csv", "InternalError")
    puts = [call for call in landed.proxy.calls if call.operation == "PutObject"]
    tries = [call for call in puts if call.key.endswith("a.csv")]
    assert len(tries) == 10


@pytest.mark.fault("S7")
def test_complete_answers_200_with_an_error_that_passes(lake, small_and_large, lane):
    """InternalError inside of a 200 is a 500 that came late: Complete is repeated."""
    late = Reply(200, s3_error(500, "InternalError").body)
    check_it_passes(lake, Fault(reply=late), lane, {"CompleteMultipartUpload"})


@pytest.mark.fault("S7")
def test_complete_answers_200_with_an_error_for_good(lake, small_and_large, lane):
    """AccessDenied inside of a 200 is this file's failure: aborted, and the others land."""
    late = Reply(200, s3_error(403, "AccessDenied").body)
    landed = lake.load(fail_always("CompleteMultipartUpload", Fault(reply=late)), lane=lane)
    check_only_large_failed(landed)
    assert landed.proxy.passed["AbortMultipartUpload"] == 1
    assert landed.proxy.count("CompleteMultipartUpload") == 1
    assert landed.files["l.csv"]["error"]["code"] == "AccessDenied"


@pytest.mark.fault("S8")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Reply(200), id="empty"),
        pytest.param(Reply(200, b"\0<garbled"), id="garbled"),
        pytest.param(Reply(200, RESULT.format("<Key>").encode()[:70]), id="cut"),
        pytest.param(Reply(200, RESULT.format("").encode()), id="no-etag"),
    ],
)
@pytest.mark.parametrize("operation", ["PutObject", "CompleteMultipartUpload"])
def test_a_success_that_says_nothing_is_looked_up(lake, small_and_large, operation, answer, lane):
    """The object is there: its description proves it, and the file counts as landed."""
    landed = lake.load(fail_first(operation, Fault(apply=True, reply=answer), times=9), lane=lane)
    assert landed.code == 0
    assert landed.statuses.keys() == LANDED.keys()
    assert landed.proxy.count("HeadObject") >= 1


@pytest.mark.fault("S8")
@pytest.mark.parametrize(
    "operation",
    [
        "PutObject",
        pytest.param(
            "CompleteMultipartUpload",
        ),
    ],
)
def test_an_empty_success_without_an_object_is_not_a_success(
    lake, small_and_large, operation, lane
):
    """An empty 200 without an object is a failure, never a landed file."""
    landed = lake.load(fail_always(operation, Fault(reply=Reply(200))), lane=lane)
    path = "a.csv" if operation == "PutObject" else "l.csv"
    assert (landed.code, landed.statuses) == (3, LANDED | {path: "failed"})
    assert path not in landed.objects


@pytest.mark.fault("S9")
@pytest.mark.parametrize("then", [404, 412])
def test_a_lost_reply_to_complete_is_a_success(lake, small_and_large, then, lane):
    """The repeated Complete finds no upload, or the key taken: the object is the file's."""
    codes = {404: "NoSuchUpload", 412: "PreconditionFailed"}
    faults = {1: Fault(cut_reply=0), 2: Fault(reply=s3_error(then, codes[then]))}

    def decide(call):
        return faults.get(call.attempt) if call.operation == "CompleteMultipartUpload" else None

    landed = lake.load(decide, lane=lane)
    assert landed.code == 0
    assert landed.statuses["l.csv"] == ("uploaded" if then == 404 else "unchanged")
    assert landed.proxy.count("CompleteMultipartUpload") == 2
    assert landed.proxy.body_bytes["UploadPart"] == len(landed.objects["l.csv"])


@pytest.mark.fault("S10")
def test_a_lost_reply_to_create_is_repeated(lake, small_and_large, lane):
    """The file takes a second upload; the first, whose id is unknown, stays empty."""
    landed = lake.load(
        fail_first("CreateMultipartUpload", Fault(cut_reply=0)), lane=lane, orphans=1
    )
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.open_uploads == ["l.csv"]


@pytest.mark.fault("S10")
def test_the_orphan_is_swept_by_the_next_run(lake, small_and_large, lane, monkeypatch):
    """Once it is older than the lease: until then it may be a live run's."""
    lake.load(fail_first("CreateMultipartUpload", Fault(cut_reply=0)), lane=lane, orphans=1)
    landed = lake.load(lane=lane, orphans=1)
    assert len(landed.open_uploads) == 1
    policy = partial(TransferPolicy, put_limit=LEAST, part_size=LEAST, lease=timedelta(seconds=-5))
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", policy)
    landed = lake.load(lane=lane)
    assert landed.open_uploads == []
    assert landed.summary["aborted_uploads"] == 1


@pytest.mark.fault("S11")
def test_a_part_of_an_upload_that_is_gone_begins_the_file_again(lake, small_and_large, lane):
    """Another program aborted it: all parts are sent once more, in a new upload."""
    gone = []

    def decide(call):
        if call.operation == "UploadPart" and call.upload_id not in gone[1:]:
            gone[:] = gone or [call.upload_id]
            if call.upload_id == gone[0]:
                return Fault(reply=s3_error(404, "NoSuchUpload"))
        return None

    landed = lake.load(decide, lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.count("CreateMultipartUpload") == 2


@pytest.mark.fault("S11")
def test_uploads_that_are_gone_again_fail_the_file(lake, small_and_large, lane):
    """A bucket whose uploads vanish takes no large file; the small one lands."""
    gone = Fault(reply=s3_error(404, "NoSuchUpload"))
    landed = lake.load(fail_always("UploadPart", gone), lane=lane)
    check_only_large_failed(landed)
    check_told(landed, "l.csv", "NoSuchUpload")
    assert landed.proxy.count("CreateMultipartUpload") <= 2


DAMAGED = ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"]


@pytest.fixture
def reads(monkeypatch, volume):
    """How often something was read of each file, by name."""
    read, counted, lock = os.preadv, Counter(), threading.Lock()

    def preadv(fd, buffers, offset, *flags):
        opened = os.fstat(fd)
        names = [p.name for p in volume.glob("*.csv") if os.path.samestat(opened, p.stat())]
        with lock:
            counted.update((name, offset) for name in names)
        return read(fd, buffers, offset, *flags)

    monkeypatch.setattr(os, "preadv", preadv)
    return counted


@pytest.mark.fault("S12")
@pytest.mark.parametrize("code", DAMAGED)
def test_damage_that_the_server_found_is_mended(lake, small_and_large, reads, code, lane):
    """File and part are read again before they are sent again, and all files land."""
    damaged = Fault(reply=s3_error(400, code))
    landed = check_it_passes(lake, damaged, lane, {"PutObject", "UploadPart"})
    assert reads["a.csv", 0] == 3
    assert [reads["l.csv", part * LEAST] for part in range(3)] == [3] * 3
    assert landed.proxy.oracle.violations == []


@pytest.mark.fault("S12")
@pytest.mark.parametrize("code", DAMAGED)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_damage_that_stays_fails_the_file_after_two_more_tries(
    lake, small_and_large, reads, operation, code, lane
):
    """Each of them with bytes that were read again; more tries would not help."""
    landed = lake.load(fail_always(operation, Fault(reply=s3_error(400, code))), lane=lane)
    path, other = ("a.csv", "l.csv") if operation == "PutObject" else ("l.csv", "a.csv")
    assert (landed.code, landed.statuses) == (3, {path: "failed", other: "uploaded"})
    check_told(landed, path, code)
    assert landed.open_uploads == []
    calls = [call for call in landed.proxy.calls if call.operation == operation]
    tries = Counter(call.identity for call in calls)
    assert max(tries.values()) == 3
    assert max(count for (name, _), count in reads.items() if name == path) == 3


@pytest.mark.fault("S12")
def test_what_is_read_again_is_the_file_as_it_is_then(lake, small_and_large, volume, lane):
    """Changed meanwhile, it is uploaded whole in its new version, by put or in new parts."""
    proxy = lake.proxy()
    damaged, changed = s3_error(400, "BadDigest"), set()

    def change(name):
        path = volume / name
        path.write_bytes(path.read_bytes().replace(b"1", b"7"))
        proxy.oracle.register(volume)

    def decide(call):
        name = call.key.rpartition("/")[2]
        if call.operation not in ("PutObject", "UploadPart") or name in changed:
            return None
        changed.add(name)
        return Fault(reply=damaged, before=lambda: change(name))

    proxy.decide = decide
    landed = lake.load(None, "--concurrency", 1, proxy=proxy, lane=lane)
    assert (landed.code, changed) == (0, {"a.csv", "l.csv"})
    assert landed.objects == {name: (volume / name).read_bytes() for name in changed}
    assert landed.objects["a.csv"] == b"id|name\n7|a\n"


@pytest.mark.fault("S12")
@pytest.mark.parametrize("code", DAMAGED)
def test_damage_that_complete_finds_starts_the_file_again(lake, small_and_large, code, lane):
    """Its parts don't make the whole: they are read and sent again, under another upload."""
    decide = fail_first("CompleteMultipartUpload", Fault(reply=s3_error(400, code)))
    landed = lake.load(decide, lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.count("CreateMultipartUpload") == 2
    assert landed.proxy.count("AbortMultipartUpload") == 1
    assert landed.proxy.count("UploadPart") == 6
    assert landed.open_uploads == []


@pytest.mark.fault("S13")
def test_an_incomplete_body_is_sent_again(lake, small_and_large, lane):
    """IncompleteBody is the network's fault."""
    fault = Fault(reply=s3_error(400, "IncompleteBody"))
    check_it_passes(lake, fault, lane, {"PutObject", "UploadPart"})


PARTS_WRONG = ["InvalidPart", "InvalidPartOrder", "EntityTooSmall"]


@pytest.mark.fault("S14")
@pytest.mark.parametrize("code", PARTS_WRONG)
def test_parts_that_complete_refuses_are_sent_again_once(lake, small_and_large, code, lane):
    """The file starts again in another upload; the first is aborted."""
    wrong = Fault(reply=s3_error(400, code))
    landed = lake.load(fail_first("CompleteMultipartUpload", wrong), lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.count("CreateMultipartUpload") == 2


@pytest.mark.fault("S14")
@pytest.mark.parametrize("code", PARTS_WRONG)
def test_parts_that_complete_refuses_again_fail_the_file(lake, small_and_large, code, lane):
    """Aborted and told; the small file lands."""
    wrong = Fault(reply=s3_error(400, code))
    landed = lake.load(fail_always("CompleteMultipartUpload", wrong), lane=lane)
    check_only_large_failed(landed)
    check_told(landed, "l.csv", code)
    assert landed.proxy.count("CreateMultipartUpload") <= 2


@pytest.mark.fault("S15")
@pytest.mark.parametrize(
    ("size", "says"),
    [(6 * 2**40, "5 TiB"), (2**42, "--memory"), (5 * 2**40, "--memory")],
    ids=["over-s3", "over-memory", "s3-limit"],
)
def test_a_file_that_no_upload_can_hold_fails_before_it_is_sent(lake, volume, size, says, lane):
    """Part 10,001 and EntityTooLarge can't happen: such a file costs no byte."""
    write_files(volume, {"a.csv": b"1", "l.csv": b""})
    proxy = lake.proxy()
    os.truncate(volume / "l.csv", size)
    landed = lake.load(proxy=proxy, lane=lane)
    check_only_large_failed(landed)
    error = landed.files["l.csv"]["error"]
    assert says in error["message"] + error["hint"]
    assert proxy.count("CreateMultipartUpload") == 0


@pytest.mark.fault("S15")
def test_a_server_with_a_lower_limit_fails_the_file(lake, small_and_large, lane):
    """EntityTooLarge is told as the store says it, once."""
    landed = lake.load(
        fail_always("UploadPart", Fault(reply=s3_error(400, "EntityTooLarge"))), lane=lane
    )
    check_only_large_failed(landed)
    check_told(landed, "l.csv", "EntityTooLarge")


@pytest.mark.fault("S16")
@pytest.mark.parametrize("path", ["a.csv", "l.csv"])
@pytest.mark.parametrize("same", [True, False], ids=["same-bytes", "other-bytes"])
def test_an_object_that_appears_meanwhile_is_compared(
    lake, small_and_large, volume, path, same, lane
):
    """The same bytes are success; different ones fail the file, and are not overwritten."""
    body = (volume / path).read_bytes()
    theirs = body if same else body[:-1] + b"!"

    def take():
        lake.server.client().put_object(
            Bucket="lake", Key=key, Body=theirs, ChecksumAlgorithm="CRC64NVME"
        )

    key = f"{lake.layer}/Local/CSV/{path[0].upper()}/2022/05/02/{path}"
    operation = "PutObject" if path == "a.csv" else "CompleteMultipartUpload"
    landed = lake.load(fail_first(operation, Fault(before=take)), lane=lane)
    expected = "unchanged" if same else "failed"
    assert landed.statuses == LANDED | {path: expected}
    assert landed.code == (0 if same else 3)
    assert landed.objects[path] == theirs


@pytest.mark.fault("S17")
def test_a_put_that_conflicts_is_repeated(lake, small_and_large, lane):
    """409 says that another conditional request is under way: the put is sent again."""
    conflict = Fault(reply=s3_error(409, "ConditionalRequestConflict"))
    check_it_passes(lake, conflict, lane, {"PutObject"})


@pytest.mark.fault("S17")
def test_a_complete_that_conflicts_begins_the_upload_again(lake, small_and_large, lane):
    """S3 wants a new upload with all of its parts."""
    used_up = set()

    def decide(call):
        if call.operation == "CompleteMultipartUpload" and (
            not used_up or call.upload_id in used_up
        ):
            used_up.add(call.upload_id)
            return Fault(reply=s3_error(409, "ConditionalRequestConflict"))
        return None

    landed = lake.load(decide, lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.count("CreateMultipartUpload") == 2
    assert landed.open_uploads == []


ELSEWHERE = [
    pytest.param(
        s3_error(301, "PermanentRedirect", x_amz_bucket_region="sa-east-1"), id="redirect"
    ),
    pytest.param(
        s3_error(400, "AuthorizationHeaderMalformed", extra="<Region>sa-east-1</Region>"),
        id="malformed",
    ),
]


@pytest.mark.fault("S18")
@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject"])
@pytest.mark.parametrize("answer", ELSEWHERE)
def test_a_bucket_in_another_region_ends_the_run_with_its_name(
    lake, volume, operation, answer, lane
):
    """One message that names the right region; nothing landed, and not every file was tried."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(100)})
    decide = fail_always(operation, Fault(reply=answer))
    landed = lake.load(decide, "--concurrency", 2, lane=lane)
    assert landed.code == 5
    assert "--region sa-east-1" in landed.error["hint"]
    assert landed.objects == {}
    assert landed.proxy.count("PutObject") <= 4


@pytest.mark.fault("S19")
@pytest.mark.parametrize(
    ("operation", "status"),
    [("ListObjectsV2", 307), ("UploadPart", 308)]
    + [("PutObject", status) for status in (301, 302, 303, 307, 308)],
)
def test_a_redirect_is_never_followed(lake, small_and_large, operation, status, lane):
    """Neither body nor session token reach the other host; the run ends."""
    other = lake.proxy()
    redirect = Reply(status, b"", {"location": f"{other.url}/lake/elsewhere"})
    landed = lake.load(fail_always(operation, Fault(reply=redirect)), lane=lane)
    assert landed.code == 5
    assert "redirect" in landed.error["hint"]
    assert other.calls == []


@pytest.mark.fault("S20")
def test_a_bucket_that_vanishes_ends_the_run(lake, volume, lane):
    """What landed stays, and the files to come are not tried one by one."""
    write_files(volume, {f"{n:03}.csv": b"%d" % n for n in range(200)})
    puts = []

    def decide(call):
        if call.operation == "PutObject":
            puts.append(call)
            if len(puts) > 20:
                return Fault(reply=s3_error(404, "NoSuchBucket"))
        return None

    landed = lake.load(decide, "--concurrency", 2, lane=lane)
    assert landed.code == 5
    assert landed.error["code"] == "NoSuchBucket"
    assert "--bucket" in landed.error["hint"]
    # Requests that were in flight when it ended may have been cut off.
    assert 18 <= len(landed.objects) <= 20
    assert len(puts) <= 24
    assert set(landed.statuses.values()) == {"uploaded"}


def other_checksum(reply):
    """The reply with another CRC64NVME than the one that was sent."""
    named = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}
    return Reply(reply.status, reply.body, dict(reply.headers) | named)


@pytest.mark.fault("S21")
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_a_returned_checksum_that_differs_fails_the_file(lake, small_and_large, operation, lane):
    """The store says by its own checksum that it holds something else."""
    landed = lake.load(fail_always(operation, Fault(rewrite=other_checksum)), lane=lane)
    path = "a.csv" if operation == "PutObject" else "l.csv"
    assert (landed.code, landed.statuses) == (3, LANDED | {path: "failed"})
    assert landed.files[path]["error"]["kind"] == "ChecksumMismatch"


@pytest.mark.fault("S21")
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_a_returned_checksum_that_differs_is_tried_once_more(
    lake, small_and_large, operation, lane
):
    """A second upload, or a look at the object, proves the bytes."""
    decide = fail_first(operation, Fault(rewrite=other_checksum))
    assert lake.load(decide, lane=lane).code == 0


@pytest.mark.fault("S22")
@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject", "CreateMultipartUpload"])
def test_a_store_that_lacks_a_feature_ends_the_run_and_names_it(
    lake, small_and_large, operation, lane
):
    """At the first request that needs it, with the header that is not implemented."""
    lacking = s3_error(
        501,
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
        extra="<Header>If-None-Match</Header>",
    )
    landed = lake.load(fail_always(operation, Fault(reply=lacking)), lane=lane)
    assert landed.code == 5
    assert landed.error["code"] == "NotImplemented"
    assert "If-None-Match" in landed.error["hint"]
    assert landed.open_uploads == []


def test_without_faults_each_file_takes_one_request(lake, small_and_large, lane):
    """What all of the above is compared with."""
    landed = lake.load(no_fault, lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.passed == {
        "ListObjectsV2": 1,
        "ListMultipartUploads": 1,
        "HeadObject": 2,
        "PutObject": 1,
        "CreateMultipartUpload": 1,
        "UploadPart": 3,
        "CompleteMultipartUpload": 1,
    }


@pytest.mark.fault("G11")
def test_a_store_that_is_full_ends_the_run(lake, volume, lane):
    """It answers 507 to every put: the run does not try each of 60 files for half a minute."""
    write_files(volume, {f"d/{n:02}.csv": b"%d" % n for n in range(60)})
    full = Fault(reply=s3_error(507, "XMinioStorageFull", "Storage backend is full."))
    landed = lake.load(fail_always("PutObject", full), "--concurrency", 4, lane=lane)
    assert landed.code == 6
    assert 10 <= landed.summary["failed"] <= 13
    assert "XMinioStorageFull" in landed.error["message"]
    assert "the store is full" in landed.error["hint"]
