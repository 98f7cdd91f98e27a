"""The fast lane: the requests the client would send, and the client's word where it fails."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

import asyncload
from asyncload import errors
from asyncload.model.checksums import crc64nvme, crc64nvme_checksum, md5_checksum
from asyncload.model.values import ObjectKey
from asyncload.planning.plan import MIB
from asyncload.s3 import ObjectOptions, S3Options, open_store
from asyncload.store.protocol import ObjectInfo
from tests.support.loads import NOW, Recorder, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3

pytestmark = pytest.mark.lane

# What differs: the client counts its attempts, and tells how it retries.
CLIENTS_OWN = {"amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date"}
# Each run has an id of its own.
CLIENTS_OWN |= {"x-amz-meta-asyncload-run"}
# And each server has its own port, each client call its own features in the user agent.
CLIENTS_OWN |= {"host", "user-agent"}
CREATED = Answer(
    200,
    b'<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>u/1+=</UploadId>'
    b"</InitiateMultipartUploadResult>",
)


LOCKING = Answer(
    200,
    b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
    b"</ObjectLockConfiguration>",
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def accept_all(request):
    """A store that takes everything of its owner's, and encrypts as it is asked to."""
    if request.headers.get("x-amz-expected-bucket-owner") == "0" * 12:
        return error(403, "AccessDenied")
    answer = accept(request)
    asked = "x-amz-server-side-encryption"
    sealed = {name: text for name, text in request.headers.items() if name.startswith(asked)}
    return replace(answer, headers={**answer.headers, **sealed})


def accept(request):
    """The answer but for what protects the object."""
    if "object-lock" in request.query:
        return LOCKING
    if request.method == "GET":
        return EMPTY_LISTING
    if request.method == "HEAD":
        return Answer(404)
    if request.method == "POST" and "uploads" in request.query:
        return CREATED
    if request.method == "POST":
        checksum = request.headers["x-amz-checksum-crc64nvme"]
        body = (
            '<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>"e-3"</ETag>'
            f"<ChecksumCRC64NVME>{checksum}</ChecksumCRC64NVME></CompleteMultipartUploadResult>"
        )
        return Answer(200, body.encode())
    return put_accepted(request)


async def load(volume, url, **options):
    settings = asyncload.Settings(
        volume=volume, bucket="lake", endpoint_url=url, **{"manifest": False} | options
    )
    recorder = Recorder()
    report = await asyncload.load(settings, observer=recorder, now=NOW)
    return report, recorder


def described(requests):
    """Return what matters of the requests that carry bytes, in an order of their own."""
    return sorted(
        (
            request.path,
            sorted(request.query.items()),
            sorted((n, v) for n, v in request.headers.items() if n not in CLIENTS_OWN),
            request.body,
        )
        for request in requests
        if request.method == "PUT"
    )


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
async def test_lane_and_client_send_the_same_requests(volume, unsigned, overwrite):
    """Paths, queries, headers and bodies, for names of all kinds and for parts."""
    write_files(volume, {f"names/{n}.csv": n.encode() for n in ("a b", "50%", "#1", "é", "x~'()")})
    write_files(volume, {"large.csv": bytes(17 * MIB)})
    sent = []
    for fast_lane in (True, False):
        with scripted_s3(accept_all) as (url, requests):
            report, _ = await load(
                volume,
                url,
                fast_lane=fast_lane,
                unsigned_payload=unsigned,
                overwrite=overwrite,
            )
            assert report.exit_code == 0
            sent.append(described(requests))
            signed = {r.headers["x-amz-content-sha256"] for r in requests if r.method == "PUT"}
            assert (signed == {"UNSIGNED-PAYLOAD"}) is unsigned
    assert len(sent[0]) == 8
    assert sent[0] == sent[1]


STORED = {
    "storage_class": "STANDARD_IA",
    "sse": "aws:kms",
    "sse_kms_key_id": "arn:aws:kms:eu-west-1:123456789012:key/k",
    "tags": {"team": "lake + co", "é": "1+1"},
    "metadata": {"owner": "me"},
    "acl": "bucket-owner-full-control",
    "expected_bucket_owner": "123456789012",
    "request_payer": True,
    "lock_mode": "compliance",
    "lock_until": "7y",
}
STORED_HEADERS = {
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:123456789012:key/k",
    "x-amz-tagging": "team=lake+%2B+co&%C3%A9=1%2B1",
    "x-amz-meta-owner": "me",
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2029-05-03T00:00:00Z",
}
OWNER = {"x-amz-expected-bucket-owner": "123456789012"}
PAYER = {"x-amz-request-payer": "requester"}


async def test_lane_and_client_store_objects_as_they_are_asked_to(volume):
    """Class, encryption, tags, metadata, ACL, lock; each request names owner and payer."""
    write_files(volume, {"a.csv": b"1", "l.csv": bytes(17 * MIB)})
    sent = []
    for fast_lane in (True, False):
        with scripted_s3(accept_all) as (url, requests):
            report, _ = await load(volume, url, fast_lane=fast_lane, **STORED)
        assert report.exit_code == 0
        sent.append(described(requests))
        # One of them asks for another owner's bucket, which must be refused.
        others = [request for request in requests if not request.headers.items() >= OWNER.items()]
        assert [r.headers["x-amz-expected-bucket-owner"] for r in others] == ["0" * 12]
        free = [request for request in requests if not request.headers.items() >= PAYER.items()]
        assert [[*request.query] for request in free] == [["object-lock"]]
        opened = [r for r in requests if r.method == "PUT" and "partNumber" not in r.query]
        opened += [r for r in requests if r.method == "POST" and "uploads" in r.query]
        assert len(opened) == 2
        for request in opened:
            assert request.headers.items() >= STORED_HEADERS.items()
        parts = [r for r in requests if "partNumber" in r.query]
        assert len(parts) == 3
        for part in parts:
            assert not part.headers.keys() & STORED_HEADERS.keys()
    assert sent[0] == sent[1]


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize("checksum", ["crc32", "md5"])
async def test_lane_and_client_send_the_checksum_that_is_asked_for(volume, checksum, fast_lane):
    """And no other: a store that knows only MD5 is sent only MD5."""
    write_files(volume, {"a.csv": b"123456789"})

    def answer(request):
        if request.method != "PUT":
            return accept_all(request)
        crc = request.headers.get("x-amz-checksum-crc32", "")
        named = {"x-amz-checksum-crc32": crc} if crc else {}
        etag = '"25f9e794323b453885f5181f1b624d0b"'
        return Answer(200, b"", {"ETag": etag} | named)

    with scripted_s3(answer) as (url, requests):
        _, recorder = await load(volume, url, fast_lane=fast_lane, checksum=checksum)
    assert recorder.outcomes["a.csv"].checksum.algorithm == checksum.upper()
    (put,) = [request for request in requests if request.method == "PUT"]
    sums = {
        name: value
        for name, value in put.headers.items()
        if name.startswith("x-amz-checksum") or name == "content-md5"
    }
    assert (
        sums
        == {
            "crc32": {"x-amz-checksum-crc32": "y/Q5Jg=="},
            "md5": {"content-md5": "JfnnlDI7RTiF9RgfG2JNCw=="},
        }[checksum]
    )


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
async def test_lane_and_client_store_records_and_markers_alike(content_type):
    """Each of its own content type, without the class, tags and metadata of CSVs."""
    info = ObjectInfo(content_type, {"x": "1"}, bookkeeping=True)
    stored = ObjectOptions(
        storage_class="STANDARD_IA",
        sse="AES256",
        acl="bucket-owner-full-control",
        tags={"team": "lake"},
        metadata={"owner": "me"},
    )
    sent = []
    for fast_lane in (True, False):
        with scripted_s3(accept_all) as (url, requests):
            options = S3Options(
                "lake", connections=1, endpoint_url=url, fast_lane=fast_lane, objects=stored
            )
            async with open_store(options) as store:
                body, checksum = b"{}", crc64nvme_checksum(crc64nvme(b"{}"))
                await store.put(ObjectKey("k"), body, checksum, create_only=False, info=info)
        (request,) = requests
        assert (BY_CLIENT in request.headers) is not fast_lane
        sent.append(described(requests))
        names = request.headers.keys()
        assert not names & {"x-amz-storage-class", "x-amz-tagging", "x-amz-meta-owner"}
        assert request.headers["x-amz-acl"] == "bucket-owner-full-control"
    assert sent[0] == sent[1]


async def test_the_manifest_is_stored_where_it_can_be_read(volume):
    """Encrypted as the data is, but in no storage class that must be restored first."""
    write_files(volume, {"a.csv": b"1"})
    with scripted_s3(accept_all) as (url, requests):
        await load(volume, url, manifest=True, **STORED)
    (manifest,) = [r for r in requests if r.method == "PUT" and "/_asyncload/" in r.path]
    assert manifest.headers["content-type"] == "application/json"
    assert manifest.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert "x-amz-storage-class" not in manifest.headers
    assert "x-amz-tagging" not in manifest.headers
    assert not [name for name in manifest.headers if name.startswith("x-amz-object-lock")]
    assert "x-amz-meta-owner" not in manifest.headers


async def test_the_lane_is_used_unless_turned_off(volume):
    """Its requests are known by what the client adds to its own."""
    write_files(volume, {"a.csv": b"1", "l.csv": bytes(17 * MIB)})
    for fast_lane in (True, False):
        with scripted_s3(accept_all) as (url, requests):
            await load(volume, url, fast_lane=fast_lane)
        by_client = ["amz-sdk-request" in r.headers for r in requests if r.method == "PUT"]
        assert by_client == [not fast_lane] * 4


BY_CLIENT = "amz-sdk-request"

DATED = {"Last-Modified": "Mon, 02 May 2022 12:00:00 GMT"}
FULL = DATED | {
    "ETag": '"e4d909c290d0fb1ca068ffaddf22cbd0"',
    "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
    "x-amz-checksum-type": "FULL_OBJECT",
    "x-amz-storage-class": "GLACIER",
    "x-amz-meta-Owner": "me",
}
DESCRIBED = {
    "whole": Answer(200, b"123", FULL),
    "plain": Answer(200, b"", {"ETag": '"e-2"', "Last-Modified": "2022-05-02T12:00:00Z"}),
    "locked": Answer(
        200,
        b"1",
        FULL
        | {
            "x-amz-object-lock-mode": "GOVERNANCE",
            "x-amz-object-lock-retain-until-date": "2033-05-02T00:00:00.000Z",
        },
    ),
    "locked oddly": Answer(200, b"1", FULL | {"x-amz-object-lock-retain-until-date": "soon"}),
    "of parts": Answer(200, b"1", {**FULL, "x-amz-checksum-type": "COMPOSITE"}),
    "other sums": Answer(200, b"1", {"x-amz-checksum-crc32c": "AAAAAA=="}),
    "undated": Answer(200, b"1", {**FULL, "Last-Modified": "yesterday"}),
    "no sum": Answer(200, b"1", {"x-amz-checksum-crc32": "none"}),
    "partial": Answer(206, b"1", FULL),
    "no length": Answer(raw=b'HTTP/1.1 200 OK\r\nETag: "1"\r\n\r\n'),
    "none": Answer(404),
    "no longer": Answer(410),
    "unchanged": Answer(304),
    "denied": Answer(403, headers={"x-amz-request-id": "REQ1"}),
    "elsewhere": Answer(301, headers={"x-amz-bucket-region": "eu-north-1", "Location": "/"}),
    "not allowed": Answer(405),
    "busy": Answer(503, headers={"Retry-After": "7"}),
    "broken": Answer(500),
    "proxy": Answer(407),
}


@pytest.mark.parametrize("answer", DESCRIBED.values(), ids=DESCRIBED)
@pytest.mark.parametrize("options", [{}, {"expected_bucket_owner": "123456789012", "payer": True}])
async def test_lane_and_client_ask_for_an_object_alike_and_read_the_same(answer, options):
    """The same HEAD, and the same object, nothing or error with the same words."""
    results, sent = [], []
    for fast_lane in (True, False):
        with scripted_s3(lambda request: answer) as (url, requests):
            opened = S3Options(
                "lake", connections=1, endpoint_url=url, fast_lane=fast_lane, **options
            )
            async with open_store(opened) as store:
                try:
                    result = await store.head(ObjectKey("Raw/a b+é.csv"))
                except errors.StoreError as error:
                    told = error.message.replace(url, "URL"), error.hint, error.code, error.status
                    result = type(error), *told, error.request_id, error.retry_after
        results.append(result)
        (request,) = requests
        assert (BY_CLIENT in request.headers) is not fast_lane
        assert (request.headers.items() >= (OWNER | PAYER).items()) is bool(options)
        headers = {name: text for name, text in request.headers.items() if name not in CLIENTS_OWN}
        sent.append((request.method, request.path, request.query, headers))
    assert results[0] == results[1]
    assert sent[0] == sent[1]
    assert sent[0][0] == "HEAD"


async def test_a_store_that_refuses_the_checksum_mode_is_asked_without():
    """By the lane as by the client; what it then describes is taken."""
    with scripted_s3(
        lambda request: (
            Answer(400) if "x-amz-checksum-mode" in request.headers else Answer(200, b"1", FULL)
        )
    ) as (url, requests):
        for fast_lane in (True, False):
            options = S3Options("lake", connections=1, endpoint_url=url, fast_lane=fast_lane)
            async with open_store(options) as store:
                assert (await store.head(ObjectKey("k"))).size == 1
                assert (await store.head(ObjectKey("k"))).size == 1
    modes = ["x-amz-checksum-mode" in request.headers for request in requests]
    assert modes == [True, False, False] * 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "files", [{f"{n}.csv": b"1" for n in range(4)}, {"l.csv": bytes(30 * MIB)}], ids=["put", "part"]
)
async def test_a_store_that_has_too_much_to_do_is_asked_once_at_a_time(volume, status, files):
    """By the lane alone: the client is not asked what the lane was told."""
    write_files(volume, files)
    puts = []

    def script(request):
        if request.method != "PUT":
            return accept_all(request)
        puts.append(request)
        busy = error(status, "SlowDown", **{"x-amz-request-id": "REQ7"})
        return busy if len(puts) <= 2 else accept_all(request)

    with scripted_s3(script) as (url, _):
        report, _ = await load(volume, url, concurrency=1, memory=16 * MIB)
    assert report.exit_code == 0
    assert len(puts) == 6
    assert not any(BY_CLIENT in put.headers for put in puts)


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_the_error_of_a_throttled_put_repeats_the_stores_message(fast_lane):
    """Its code, the request's id, and how long it asks to wait."""
    answer = error(503, "SlowDown", **{"Retry-After": "7"})
    options, checksum = S3Options("lake", connections=1), crc64nvme_checksum(crc64nvme(b""))
    with scripted_s3(lambda request: answer) as (url, _):
        async with open_store(options._replace(endpoint_url=url, fast_lane=fast_lane)) as store:
            with pytest.raises(errors.Throttled) as caught:
                await store.put(ObjectKey("k"), b"", checksum, create_only=True)
    told = caught.value
    assert (told.code, told.status, told.request_id) == ("SlowDown", 503, "REQ1")
    assert told.retry_after == 7.0


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_success_without_an_etag_is_an_error(volume, fast_lane):
    """An answer that proves nothing lets the object be asked for; there is none."""
    write_files(volume, {"a.csv": b"1"})

    def script(request):
        return Answer(200) if request.method == "PUT" else accept_all(request)

    with scripted_s3(script) as (url, _):
        _, recorder = await load(volume, url, fast_lane=fast_lane)
    assert isinstance(recorder.outcomes["a.csv"].error, errors.NotVerified)


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_reset_connection_is_tried_again(volume, fast_lane):
    """The bytes in memory are sent once more."""
    write_files(volume, {"a.csv": b"1"})
    puts = []

    def script(request):
        if request.method == "PUT":
            puts.append(request)
            if len(puts) <= 1:
                raise ConnectionResetError
        return accept_all(request)

    with scripted_s3(script) as (url, _):
        report, _ = await load(volume, url, fast_lane=fast_lane)
    assert report.exit_code == 0
    assert [put.body for put in puts] == [b"1", b"1"]


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_silence_meets_the_deadline(volume, fast_lane, monkeypatch):
    """A server that takes the put and never answers is left, and asked again."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.setattr("asyncload.s3.requests._ANSWER_SECONDS", 0.3)
    puts, silence = [], threading.Event()

    def script(request):
        if request.method == "PUT":
            puts.append(request)
            if len(puts) == 1:
                silence.wait(20)
        return accept_all(request)

    with scripted_s3(script) as (url, _):
        report, _ = await load(volume, url, fast_lane=fast_lane)
        silence.set()
    assert report.exit_code == 0
    assert len(puts) == 2


@pytest.mark.fault("H6")
@pytest.mark.parametrize(("bucket", "lane"), [("lake", True), ("lake--use1-az4--x-s3", False)])
async def test_buckets_that_sign_otherwise_have_no_lane(bucket, lane):
    """Directory buckets have sessions of their own: the client knows them."""
    from asyncload.s3.auth.clock import SigningClock
    from asyncload.s3.opening import S3Options, _open

    async with _open(S3Options(bucket, connections=1), SigningClock()) as (_, opened, _):
        assert (opened is not None) is lane


@pytest.mark.parametrize(
    ("options", "base_url", "region"),
    [
        ({}, "https://lake.s3.eu-west-1.amazonaws.com/", "eu-west-1"),
        ({"region": "sa-east-1"}, "https://lake.s3.sa-east-1.amazonaws.com/", "sa-east-1"),
        ({"endpoint_url": "http://[::1]:8333"}, "http://[::1]:8333/lake/", "eu-west-1"),
        ({"endpoint_url": "https://s3.example.com"}, "https://s3.example.com/lake/", "eu-west-1"),
        ({"accelerate": True}, "https://lake.s3-accelerate.amazonaws.com/", "eu-west-1"),
        ({"bucket": "my.lake"}, "https://s3.eu-west-1.amazonaws.com/my.lake/", "eu-west-1"),
        (
            {"bucket": "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"},
            "https://ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
    ],
)
async def test_the_lane_leads_where_the_client_does(options, base_url, region):
    """Path and virtual-host style, custom endpoints, regions, access points."""
    from asyncload.s3.fast.lane import find_put_pattern
    from asyncload.s3.opening import S3Options, open_client

    options = S3Options(**{"bucket": "lake", "connections": 1} | options)
    async with open_client(options) as client:
        pattern = await find_put_pattern(client, options.bucket)
        assert (pattern.base_url, pattern.region) == (base_url, region)


async def test_the_accelerated_endpoint_is_that_of_the_network(monkeypatch):
    """With dual stack if the AWS configuration asks for it; messages name it, too."""
    from asyncload.s3.opening import open_client, open_endpoint
    from asyncload.s3.requests import endpoint_of

    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    options = S3Options("lake", connections=1, accelerate=True, addressing_style="virtual")
    url = "https://lake.s3-accelerate.dualstack.amazonaws.com"
    async with open_endpoint(options) as endpoint:
        assert (endpoint.url, endpoint.region) == (url, "eu-west-1")
    async with open_client(options) as client:
        assert endpoint_of(client, options) == url


@pytest.mark.parametrize(
    ("options", "message", "hinted"),
    [
        ({}, "Access Denied", True),
        ({"payer": True}, "Access Denied", False),
        ({"endpoint_url": "http://127.0.0.1:9"}, "Access Denied", False),
        ({}, "You are not authorized to perform: s3:PutObject on resource", False),
    ],
)
async def test_a_denial_by_aws_may_mean_that_the_requester_has_to_pay(options, message, hinted):
    """Unless it names the permission: its answer is the same for a bucket of another account."""
    from botocore.exceptions import ClientError

    from asyncload.s3.auth.clock import SigningClock
    from asyncload.s3.opening import open_client
    from asyncload.s3.requests import Requests

    async def deny():
        described = {"Error": {"Code": "AccessDenied", "Message": message}}
        raise ClientError(described | {"ResponseMetadata": {"HTTPStatusCode": 403}}, "PutObject")

    options = S3Options("lake", connections=1, **options)
    async with open_client(options) as client:
        requests = Requests(client, options, SigningClock())
        with pytest.raises(errors.AccessDenied) as caught:
            await requests.make("PutObject", {"Key": "k"}, deny)
    assert ("if its requester pays, use --request-payer" in caught.value.hint) is hinted


async def test_a_signature_that_is_not_plain_version_4_has_no_lane():
    """Multi-region access points sign with version 4A."""
    from asyncload.s3.fast.lane import find_put_pattern
    from asyncload.s3.opening import S3Options, open_client

    arn = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap"
    async with open_client(S3Options("lake", connections=1)) as client:
        assert await find_put_pattern(client, arn) is None


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that no authority has signed."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("by_option", [True, False])
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_over_tls_a_trusted_bundle_is_asked_for_and_payloads_are_unsigned(
    volume, certificate, fast_lane, by_option, monkeypatch
):
    """`AWS_CA_BUNDLE` and `--ca-bundle` count for lane and client; without one nothing is sent."""
    write_files(volume, {"a.csv": b"1"})
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with scripted_s3(accept_all, tls=context) as (url, requests):
        with pytest.raises(errors.EndpointRefused) as caught:
            await load(volume, url, fast_lane=fast_lane)
        assert "--ca-bundle" in caught.value.hint
        assert requests == []
        if by_option:
            report, _ = await load(volume, url, fast_lane=fast_lane, ca_bundle=cert)
        else:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(cert))
            report, _ = await load(volume, url, fast_lane=fast_lane)
    assert report.exit_code == 0
    (put,) = [r for r in requests if r.method == "PUT"]
    assert put.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert ("amz-sdk-request" in put.headers) is not fast_lane


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_proxy_is_used_by_lane_and_client(volume, fast_lane, monkeypatch):
    """`HTTP_PROXY` counts for both."""
    write_files(volume, {"a.csv": b"1"})
    with scripted_s3(accept_all) as (proxy, requests):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        report, _ = await load(volume, "http://store.invalid", fast_lane=fast_lane, allow_http=True)
    assert report.exit_code == 0
    assert {r.headers["host"] for r in requests} == {"store.invalid"}


PROCESS = """import datetime, json, pathlib, sys
if not pathlib.Path(sys.argv[1]).exists():
    sys.exit("the session is over")
soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
print(json.dumps({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "s",
                  "Expiration": soon.isoformat()}))
"""


@pytest.mark.fault("H7")
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_credentials_that_can_not_be_refreshed_are_an_error(fast_lane, monkeypatch, tmp_path):
    """By the lane as by the client; nothing is sent without them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    session, program, config = (tmp_path / name for name in ("session", "program.py", "config"))
    session.touch()
    program.write_text(PROCESS)
    config.write_text(f"[default]\ncredential_process = {sys.executable} -IS {program} {session}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    options = S3Options("lake", connections=1, fast_lane=fast_lane)
    with scripted_s3(accept_all) as (url, requests):
        async with open_store(options._replace(endpoint_url=url)) as store:
            session.unlink()
            with pytest.raises(errors.CredentialsMissing, match="the session is over"):
                await store.put(ObjectKey("k"), b"", md5_checksum(b""), create_only=True)
    assert requests == []


@pytest.mark.fault("H6")
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_proxy_is_known_when_the_lane_is_opened(fast_lane, monkeypatch):
    """There is none behind it; without a proxy before the store there is one."""
    from asyncload.s3.auth.clock import SigningClock
    from asyncload.s3.opening import _open

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "store.example")
    for host, expected in (("elsewhere.example", False), ("store.example", fast_lane)):
        options = S3Options("lake", connections=1, fast_lane=fast_lane, allow_http=True)
        options = options._replace(endpoint_url=f"http://{host}")
        async with _open(options, SigningClock()) as (_, lane, _):
            assert (lane is not None) is expected
