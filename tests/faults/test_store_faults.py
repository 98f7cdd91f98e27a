"""Kind G of the catalogue: stores that are not AWS, and what they answer."""

from __future__ import annotations

import socket
import uuid
from types import SimpleNamespace

import pytest

from asyncload import errors
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.translate import Asked, translate_answer
from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, Reply, proxy_before, s3_error
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING

NGINX_413 = Reply(
    413,
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n</html>\r\n",
    {"content-type": "text/html", "server": "nginx/1.24.0"},
)


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "SecondLevelDomainForbidden",
            "The bucket must be addressed using OSS third level domain.",
        ),
        (
            "PathStyleDomainForbidden",
            "The bucket must be addressed using COS virtual-styled domain.",
        ),
    ],
)
def test_a_store_that_forbids_path_style_is_reported_with_the_option(
    lake, volume, code, message, lane
):
    """In the store's words, at once, and without a word of s3:PutObject."""
    write_files(volume, {"a.csv": b"1"})
    forbidden = Fault(reply=s3_error(403, code, message))
    landed = lake.load(fail_always({"ListObjectsV2", "PutObject"}, forbidden), lane=lane)
    assert (landed.code, landed.error["code"]) == (5, code)
    assert message in landed.error["message"]
    assert "--addressing-style virtual" in landed.error["hint"]
    assert landed.proxy.count("PutObject") == 0


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    "answer",
    [
        s3_error(501, "NotImplemented", "not implemented", "<Header>If-None-Match</Header>"),
        s3_error(400, "InvalidArgument", "Unsupported header 'if-none-match' received."),
        s3_error(400, "InvalidRequest", extra="<ArgumentName>If-None-Match</ArgumentName>"),
    ],
    ids=["501", "message", "argument"],
)
def test_a_store_without_if_none_match_ends_the_run_and_says_what_to_do(lake, volume, answer, lane):
    """Each further put would be refused alike."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(50)})
    refused = fail_always("PutObject", Fault(reply=answer))
    landed = lake.load(refused, "--concurrency", 2, lane=lane)
    assert landed.code == 5
    assert "if-none-match" in landed.error["hint"].lower()
    assert "--overwrite" in landed.error["hint"]
    assert landed.proxy.count("PutObject") <= 4


@pytest.mark.fault("G2")
@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("QuotaExceeded", "quota"),
        ("NewlyInvented", "the store's documentation"),
        ("AccessForbidden", "permit s3:PutObject"),
    ],
)
def test_an_unknown_refusal_keeps_its_own_words(lake, volume, code, hint, lane):
    """403 says no; why, the code says, and only a denial is told as a lacking permission."""
    write_files(volume, {"a.csv": b"1"})
    refused = fail_always("PutObject", Fault(reply=s3_error(403, code, "in its own words")))
    landed = lake.load(refused, lane=lane)
    assert (landed.code, landed.error["code"]) == (5, code)
    assert f"{code}: in its own words" in landed.error["message"]
    assert hint in landed.error["hint"]


@pytest.mark.fault("G4")
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_a_body_that_is_too_large_for_a_proxy_is_reported_with_what_to_raise(
    lake, small_and_large, operation, lane
):
    """nginx answers 413 in HTML: the hint names its setting, and the others land."""
    landed = lake.load(fail_always(operation, Fault(reply=NGINX_413)), lane=lane)
    path, other = ("a.csv", "l.csv") if operation == "PutObject" else ("l.csv", "a.csv")
    assert (landed.code, landed.statuses) == (3, {path: "failed", other: "uploaded"})
    assert "HTTP 413" in landed.files[path]["error"]["message"]
    assert "client_max_body_size" in landed.files[path]["error"]["hint"]


def answered(status, code=None, **described):
    """An answer as botocore's parser gives it, to a put of the key `Raw/a.csv`."""
    document = {"Code": code or str(status), **described}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    asked = Asked("PutObject", "lake", "https://store", "Raw/a.csv", conditional=True)
    return translate_answer(
        {"Error": document, "ResponseMetadata": metadata}, asked, SigningClock()
    )


@pytest.mark.fault("G4")
def test_every_answer_that_is_an_error_says_what_to_do():
    """With any status or code; the message names bucket, operation and key."""
    codes = ("EntityTooLarge", "InternalError", "InvalidArgument", "InvalidPart", "InvalidRequest")
    codes += ("InvalidStorageClass", "KMS.NotFoundException", "KeyTooLongError", "NoSuchUpload")
    codes += ("PreconditionFailed", "SlowDown")
    for status in range(300, 600):
        for code in (None, "", *codes):
            error = answered(status, code)
            assert error.hint, (status, code)
            assert "bucket 'lake': PutObject of 'Raw/a.csv'" in error.message


@pytest.mark.fault("G4")
@pytest.mark.parametrize(
    ("header", "option"),
    [
        ("x-amz-acl", "--acl"),
        ("x-amz-checksum-crc64nvme", "--checksum auto"),
        ("x-amz-sdk-checksum-algorithm", "--checksum md5"),
        ("x-amz-meta-mtime", "--metadata"),
        ("x-amz-server-side-encryption", "--sse"),
        ("x-amz-storage-class", "--storage-class"),
        ("x-amz-tagging", "--tag"),
        ("x-amz-expected-bucket-owner", "--expected-bucket-owner"),
    ],
)
def test_a_header_that_a_store_refuses_is_reported_with_its_option(header, option):
    """Wherever the store names it: as 501's header, as an argument, or in a sentence."""
    for error in (
        answered(501, "NotImplemented", Header=header),
        answered(400, "InvalidArgument", ArgumentName=header),
        answered(400, "InvalidArgument", Message=f"Unsupported header '{header}' received."),
    ):
        assert error.header == header
        assert option in error.hint
    wrong = answered(400, "InvalidRequest", Message=f"Value for {header} header is invalid.")
    assert wrong.header == ""


@pytest.mark.fault("G4")
@pytest.mark.parametrize("status", [501, 505])
def test_what_a_store_does_not_offer_is_not_asked_for_again(status):
    """These statuses are not transient."""
    assert isinstance(answered(status), errors.EndpointRefused)


CHECKSUM_HEADERS = ("x-amz-checksum-", "x-amz-sdk-checksum-")
B2 = "Unsupported header '{}' received for this API call."


def refused_header(call):
    """The first header of a request that a store without S3's checksums objects to."""
    return next((name for name in call.head.fields if name.startswith(CHECKSUM_HEADERS)), None)


def refuses_checksums(answer):
    """Behave as a store that takes no checksum but a Content-MD5, and says so by `answer`."""

    def decide(call):
        header = refused_header(call)
        return None if header is None else Fault(reply=answer(header))

    return decide


REFUSALS = {
    "b2": lambda header: s3_error(400, "InvalidArgument", B2.format(header)),
    "r2": lambda header: s3_error(501, "NotImplemented", extra=f"<Header>{header}</Header>"),
    "argument": lambda header: s3_error(
        400, "InvalidRequest", extra=f"<ArgumentName>{header}</ArgumentName>"
    ),
    "vague-400": lambda _: s3_error(400, "InvalidArgument", "Invalid argument."),
    "vague-501": lambda _: s3_error(501, "NotImplemented"),
    "html-400": lambda _: Reply(400, b"<html>Bad Request</html>"),
}


def carried(proxy):
    """Which of S3's checksum headers requests carried, refused ones included."""
    return [call.operation for call in proxy.calls if refused_header(call)]


@pytest.mark.fault("G1", "G3")
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_store_that_takes_no_checksums_gets_md5s_and_a_second_run_sends_nothing(
    forgiving_lake, small_and_large, volume, refusal, lane
):
    """Learned from the first answer for all kinds of requests, told once; MD5s are the proof."""
    lake = forgiving_lake
    write_files(volume, {f"many/{n}.csv": b"%d" % n for n in range(40)})
    decide = refuses_checksums(REFUSALS[refusal])
    landed = lake.load(decide, "--concurrency", 4, lane=lane)
    assert landed.code == 0, landed.ended.err
    assert set(landed.statuses.values()) == {"uploaded"}
    assert landed.summary["verified_by"] == {"MD5": 41, "MD5 of parts": 1}
    assert len(carried(landed.proxy)) <= 2 * 4
    (warning,) = landed.summary["warnings"]
    assert "refuses S3's checksums" in warning["message"]
    assert "MD5" in warning["message"]
    again = lake.load(decide, "--concurrency", 4, lane=lane)
    assert again.code == 0
    assert set(again.statuses.values()) == {"unchanged"}
    assert again.proxy.body_bytes["PutObject"] == again.proxy.body_bytes["UploadPart"] == 0
    assert len(carried(again.proxy)) <= 2
    assert len(again.summary["warnings"]) == 1


@pytest.mark.fault("G1")
def test_by_md5_no_request_ever_carries_another_checksum(forgiving_lake, small_and_large, lane):
    """Nor does HEAD ask for one; so nothing is refused, and nothing is told."""
    lake = forgiving_lake
    for expected in ("uploaded", "unchanged"):
        landed = lake.load(refuses_checksums(REFUSALS["b2"]), "--checksum", "md5", lane=lane)
        assert landed.code == 0, landed.ended.err
        assert set(landed.statuses.values()) == {expected}
        assert carried(landed.proxy) == []
        assert landed.summary["warnings"] == []


@pytest.mark.fault("G1", "G3")
@pytest.mark.parametrize("checksum", ["crc64nvme", "crc32"])
@pytest.mark.parametrize("refusal", ["b2", "r2", "vague-400"])
def test_a_checksum_that_is_insisted_on_and_refused_fails_with_the_way_out(
    lake, volume, checksum, refusal, lane
):
    """At the first answer that says so; no MD5 is taken in its place."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(9)})
    decide = refuses_checksums(REFUSALS[refusal])
    landed = lake.load(decide, "--checksum", checksum, "--concurrency", 2, lane=lane)
    assert landed.objects == {}
    vague = refusal.startswith("vague")
    assert landed.code == (3 if vague else 5)
    hint = landed.files["0.csv"]["error"]["hint"] if vague else landed.error["hint"]
    assert f"--checksum {checksum}: use --checksum auto or md5" in hint
    if not vague:
        assert landed.proxy.count("PutObject") <= 4


@pytest.mark.fault("G1")
def test_what_a_store_rejects_for_another_reason_does_not_cost_the_checksums(lake, volume, lane):
    """Repeated without them, it is rejected again: they are kept, and the others are uploaded."""
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(9)} | {"d/bad.csv": b"b"})

    def decide(call):
        bad = call.operation == "PutObject" and call.key.endswith("bad.csv")
        return Fault(reply=s3_error(400, "InvalidRequest", "not this name")) if bad else None

    landed = lake.load(decide, "--concurrency", 1, lane=lane)
    assert landed.code == 3
    assert landed.summary["verified_by"] == {"CRC64NVME": 9}
    assert landed.files["d/bad.csv"]["error"]["message"].count("not this name") == 1
    assert landed.summary["warnings"] == []
    assert landed.proxy.count("PutObject") <= 9 + 2


@pytest.mark.fault("G6")
def test_a_bucket_that_never_had_an_upload_is_loaded_and_cleaned(
    lake, small_and_large, volume, lane
):
    """`rclone serve s3` answers NoSuchUpload to the listing of uploads: there are none."""
    none = fail_always("ListMultipartUploads", Fault(reply=s3_error(404, "NoSuchUpload")))
    landed = lake.load(none, lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded", "l.csv": "uploaded"})
    options = ("--bucket", lake.server.bucket, "--layer", lake.layer)
    ended = lake.program("clean", *options, "--endpoint-url", landed.proxy.url)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("0 open uploads")


REFUSED_AT_ONCE = [
    ("ListObjectsV2", s3_error(400, "InvalidArgument")),
    ("ListObjectsV2", s3_error(404, "NoSuchUpload")),
    ("ListObjectsV2", s3_error(412, "PreconditionFailed")),
    ("ListMultipartUploads", s3_error(400, "InvalidPart")),
]
# `verify` lists no uploads.
REFUSED_COMMANDS = [
    (operation, answer, command)
    for operation, answer in REFUSED_AT_ONCE
    for command in ("run", "verify", "clean")
    if (operation, command) != ("ListMultipartUploads", "verify")
]


@pytest.mark.fault("G6")
@pytest.mark.parametrize(("operation", "answer", "command"), REFUSED_COMMANDS)
def test_no_command_that_ends_before_it_tried_anything_says_that_some_files_failed(
    lake, small_and_large, volume, operation, answer, command
):
    """3 is for files that failed, or differ: what the store refuses before ends with 5."""
    proxy = lake.proxy(fail_always(operation, Fault(reply=answer)))
    where = ("--bucket", lake.server.bucket, "--layer", lake.layer, "--endpoint-url", proxy.url)
    arguments = {"run": [volume, "--no-manifest"], "verify": [volume], "clean": []}[command]
    ended = lake.program(command, *arguments, *where)
    assert ended.code == 5, ended
    assert ended.err.count("error: ") == 1
    assert "  hint: " in ended.err
    assert proxy.count("PutObject") == 0


MISMATCH = Fault(reply=s3_error(403, "SignatureDoesNotMatch", "The signature does not match."))


@pytest.mark.fault("G9")
@pytest.mark.parametrize("path", ["many/a b.csv", "large/l l.csv"])
def test_a_key_whose_signature_is_computed_otherwise_fails_alone(
    lake, volume, large_body, path, lane
):
    """Others of the same credentials were accepted: they land, and the hint says what to try."""
    write_files(volume, {f"many/{n}.csv": b"%d" % n for n in range(9)})
    write_files(volume, {path: large_body if "large" in path else b"1"})

    def decide(call):
        puts = call.operation in ("PutObject", "CreateMultipartUpload")
        return MISMATCH if puts and " " in call.key else None

    landed = lake.load(decide, lane=lane)
    assert landed.code == 3
    failed = {name for name, status in landed.statuses.items() if status == "failed"}
    assert failed == {path}
    error = landed.files[path]["error"]
    assert error["code"] == "SignatureDoesNotMatch"
    assert landed.files[path]["key"] in error["message"]
    assert "rename the file" in error["hint"]


@pytest.mark.fault("G9")
def test_a_signature_that_never_matched_ends_the_run_and_names_the_key(lake, volume, lane):
    """Then the credentials are at fault: no other file is tried."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(50)})

    def decide(call):
        if call.operation == "PutObject":
            return MISMATCH
        return Fault(reply=s3_error(403, "AccessDenied"))

    landed = lake.load(decide, "--concurrency", 1, lane=lane)
    assert landed.code == 5
    assert landed.error["kind"] == "CredentialsRejected"
    assert f"of '{lake.layer}/Local/CSV/" in landed.error["message"]
    assert "secret" in landed.error["hint"]
    assert landed.proxy.count("PutObject") == 1


@pytest.mark.fault("G2")
@pytest.mark.parametrize("style", ["auto", "path", "virtual"])
def test_the_bucket_is_addressed_as_the_option_says(lake, volume, style, lane, monkeypatch):
    """In the path or in the host's name; `auto` is the path for an endpoint of one's own."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    port = proxy.url.rpartition(":")[2]
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        ours = str(host).endswith("store.localhost")
        return resolve("127.0.0.1" if ours else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answers = {"HEAD": Reply(404), "GET": Reply(200, EMPTY_LISTING.body)}
    proxy.decide = lambda call: Fault(reply=answers.get(call.head.method, Reply(200)))
    monkeypatch.setenv("ASYNCLOAD_ADDRESSING_STYLE", style)
    lake.program(*lake.arguments(f"http://store.localhost:{port}", "--allow-http", lane=lane))
    host = f"lake.store.localhost:{port}" if style == "virtual" else f"store.localhost:{port}"
    assert {call.head.fields["host"] for call in proxy.calls} == {host}
    (put,) = {call.head.target for call in proxy.calls if call.head.method == "PUT"}
    below = "" if style == "virtual" else "/lake"
    assert put == f"{below}/{lake.layer}/Local/CSV/A/2022/05/02/a.csv"


@pytest.mark.fault("G2")
@pytest.mark.parametrize("style", ["auto", "virtual"])
def test_an_address_of_numbers_has_the_bucket_in_its_path(lake, volume, style, lane):
    """No host has a name below it that is an address."""
    write_files(volume, {"a.csv": b"1"})
    landed = lake.load(None, "--addressing-style", style, lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})


@pytest.mark.fault("G2")
def test_an_addressing_style_that_is_not_known_is_a_usage_error(asyncload, volume):
    """With those that are."""
    ended = asyncload("run", volume, "--bucket", "lake", "--addressing-style", "dotted")
    assert ended.code == 2
    assert "--addressing-style: 'dotted'" in ended.err
    assert "auto, path, virtual" in ended.err


@pytest.mark.fault("G1")
def test_verify_learns_it_too_and_says_so(forgiving_lake, volume, lane):
    """From the answer to its first HEAD; the ETags are compared, and standard output is its own."""
    lake = forgiving_lake
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(9)})
    landed = lake.load(refuses_checksums(REFUSALS["b2"]), lane=lane)
    options = ("--bucket", lake.server.bucket, "--layer", lake.layer, "--date", "2022-05-02")
    ended = lake.program("verify", volume, *options, "--endpoint-url", landed.proxy.url)
    assert (ended.code, ended.out) == (0, "OK: 9 files match (9 by MD5)\n")
    assert ended.err.count("warning: the store refuses S3's checksums") == 1


@pytest.mark.fault("E4")
@pytest.mark.parametrize(
    "place", ["Code", "Message", "Header", "Region", "ArgumentName", "Details", "RequestId"]
)
@pytest.mark.parametrize("status", [400, 403, 501])
def test_no_word_of_an_answer_repeats_a_secret(place, status):
    """Wherever a store puts it: all of its texts go through one redaction."""
    secret = "a-secret-access-key-of-40-characters-abc"
    clock = SigningClock()
    clock.secrets.add(SimpleNamespace(secret_key=secret, token=None))
    document = {"Code": "NotImplemented" if place == "Header" else str(status), place: secret}
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": {"x-amz-bucket-region": secret},
        "RequestId": secret,
    }
    asked = Asked("PutObject", "lake", "https://store", "Raw/a.csv")
    error = translate_answer({"Error": document, "ResponseMetadata": metadata}, asked, clock)
    assert secret not in "".join(map(str, vars(error).values()))


@pytest.mark.rclone
@pytest.mark.fault("G6")
def test_rclone_takes_a_large_file_as_the_first_of_a_bucket(
    asyncload, volume, large_body, rclone, monkeypatch, lane
):
    """The real one: a bucket without uploads, loaded, run again and cleaned."""
    bucket = f"fresh-{uuid.uuid4().hex[:8]}"
    rclone.client().create_bucket(Bucket=bucket)
    for name, value in rclone.environment.items():
        monkeypatch.setenv(name, value)
    write_files(volume, {"large.csv": large_body, "a.csv": b"1"})
    where = ("--bucket", bucket, "--endpoint-url", rclone.endpoint_url)
    way = () if lane else ("--no-fast-lane",)
    assert asyncload("clean", *where).code == 0
    ended = asyncload("run", volume, *where, "--no-manifest", *way)
    assert ended.code == 0, ended
    assert ended.out.startswith("2 of 2 files are in the raw zone: 2 uploaded")
    ended = asyncload("run", volume, *where, "--no-manifest", *way)
    assert ended.code == 0, ended
    assert ended.out.startswith("2 of 2 files are in the raw zone: 2 unchanged")


@pytest.mark.fault("G12")
def test_a_manifest_is_written_to_a_store_that_refuses_checksums(forgiving_lake, volume, lane):
    """What is learned before applies to it, or it learns it itself."""
    lake = forgiving_lake
    write_files(volume, {"a.csv": b"1"})
    # Of the objects that are not files of the volume it must not judge.
    proxy = lake.stack.enter_context(
        proxy_before(lake.server.endpoint_url, refuses_checksums(REFUSALS["b2"]))
    )
    landed = lake.load(None, "--manifest", proxy=proxy, lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})
    assert landed.summary["manifest"]
    assert len(landed.summary["warnings"]) == 1


@pytest.mark.fault("G13")
@pytest.mark.parametrize("status", [400, 403])
def test_botocore_asks_no_store_for_another_region(lake, volume, status, lane):
    """An answer to HEAD that has no document is an answer: no HeadBucket, no second HEAD."""
    write_files(volume, {"a.csv": b"1"})
    odd = Fault(reply=Reply(status))
    landed = lake.load(fail_always("HeadObject", odd), "--checksum", "crc64nvme", lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})
    assert landed.proxy.count("HeadBucket") == 0
    assert landed.proxy.count("HeadObject") == 1
