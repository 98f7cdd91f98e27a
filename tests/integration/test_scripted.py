"""What asyncload makes of answers that real servers on loopback don't give."""

from __future__ import annotations

import asyncio
import socket

import pytest
from botocore import exceptions as boto
from botocore.credentials import Credentials

import asyncload
from asyncload import errors
from asyncload.model.values import ObjectKey
from asyncload.s3 import S3Options, open_store
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.translate import Asked, translate
from tests.support.loads import AT_ONCE, NOW, Recorder, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-canary")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


async def load_against(answer, volume, **options):
    """Load a volume into a scripted server; returns report, recorder and requests."""
    write_files(volume, {"a.csv": b"1|2\n"})
    recorder = Recorder()
    with scripted_s3(answer) as (url, requests):
        settings = asyncload.Settings(
            volume=volume, bucket="lake", endpoint_url=url, **{"manifest": False} | options
        )
        report = await asyncload.load(settings, observer=recorder, now=NOW)
    return report, recorder, requests


def listing_then(answer):
    """Answer the preflight well, and all else with `answer`."""

    def script(request):
        listing = "list-type" in request.query
        listing = listing or ("uploads" in request.query and request.method == "GET")
        return EMPTY_LISTING if listing else answer(request)

    return script


@pytest.mark.parametrize(
    ("answer", "kind", "hint"),
    [
        (error(403, "InvalidAccessKeyId"), errors.CredentialsRejected, "access key"),
        (error(403, "SignatureDoesNotMatch"), errors.CredentialsRejected, "secret"),
        (error(400, "ExpiredToken"), errors.CredentialsRejected, "session token"),
        (error(403, "RequestTimeTooSkewed"), errors.CredentialsRejected, "clock"),
        (error(400, "AuthorizationHeaderMalformed"), errors.CredentialsRejected, "access key"),
        (
            error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-west-1</Region>"),
            errors.WrongRegion,
            "--region eu-west-1",
        ),
        (
            error(301, "PermanentRedirect", **{"x-amz-bucket-region": "sa-east-1"}),
            errors.WrongRegion,
            "--region sa-east-1",
        ),
        (error(301, "PermanentRedirect"), errors.WrongRegion, "--region"),
        (error(404, "NoSuchBucket"), errors.BucketNotFound, "--bucket"),
        (error(501, "NotImplemented"), errors.EndpointRefused, "ListObjectsV2"),
        (Answer(307, b"", {"Location": "http://127.0.0.1:9/"}), errors.EndpointRefused, "redirect"),
    ],
)
async def test_a_wrong_set_up_ends_in_one_error_that_names_the_next_step(
    volume, answer, kind, hint
):
    """The preflight's answer decides; no file is tried."""
    with pytest.raises(kind, match="lake") as caught:
        await load_against(lambda request: answer, volume)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 5


async def test_a_redirect_is_not_followed(volume):
    """Neither body nor session token reach another host."""
    with scripted_s3(lambda request: Answer()) as (other, elsewhere):
        with pytest.raises(errors.EndpointRefused):
            await load_against(
                listing_then(lambda request: Answer(307, b"", {"Location": f"{other}/lake/x"})),
                volume,
            )
        assert elsewhere == []


async def test_a_bucket_that_can_not_be_listed_is_loaded(volume):
    """Credentials that may put need not be allowed to list."""

    def answer(request):
        return error(403, "AccessDenied") if request.method == "GET" else put_accepted(request)

    report, _, _ = await load_against(answer, volume)
    assert report.exit_code == 0


async def test_a_denied_put_stops_the_run_and_names_the_permission(volume):
    """One message for the run, with the missing action and the request id."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(300)})
    with pytest.raises(errors.AccessDenied, match=r"PutObject.*AccessDenied.*REQ1") as caught:
        await load_against(
            listing_then(lambda request: error(403, "AccessDenied")), volume, concurrency=2
        )
    assert "s3:PutObject" in caught.value.hint
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "passing",
    [
        error(503, "SlowDown"),
        error(500, "InternalError"),
        error(429, "TooManyRequests"),
        error(400, "RequestTimeout"),
        error(400, "BadDigest"),
        error(409, "ConditionalRequestConflict"),
        Answer(502, b"<html>bad gateway</html>"),
    ],
)
async def test_a_fault_that_passes_costs_a_retry_and_nothing_else(volume, passing):
    """The same bytes are sent again, with a new signature."""
    puts = []

    def answer(request):
        if request.method == "HEAD":
            return put_accepted(request)
        puts.append(request)
        return passing if len(puts) == 1 else put_accepted(request)

    report, _, _ = await load_against(listing_then(answer), volume)
    assert report.exit_code == 0
    assert {put.body for put in puts} == {b"1|2\n"}


@pytest.mark.parametrize(
    ("answer", "kind", "seconds"),
    [
        (error(503, "SlowDown", **{"Retry-After": "7"}), errors.Throttled, 7.0),
        (error(429, "TooManyRequests"), errors.Throttled, None),
        (error(503, "ServiceUnavailable"), errors.Throttled, None),
        (error(400, "RequestTimeout"), errors.Throttled, None),
        (Answer(503, b"<html>proxy</html>", {"Retry-After": "120"}), errors.Throttled, 120.0),
        (error(500, "InternalError", **{"Retry-After": "1"}), errors.ServerError, 1.0),
        (error(409, "ConditionalRequestConflict"), errors.WriteConflict, None),
    ],
)
async def test_the_error_says_what_to_do_about_a_request(answer, kind, seconds):
    """Whether there are too many, and how long the store asks to wait."""
    with scripted_s3(lambda request: answer) as (url, _):
        options = S3Options("lake", connections=1, endpoint_url=url)
        async with open_store(options) as store:
            with pytest.raises(errors.StoreError) as caught:
                await store.create_multipart(ObjectKey("k"))
    assert (type(caught.value), caught.value.retry_after) == (kind, seconds)


async def test_a_rejected_request_fails_its_file_with_the_stores_words(volume):
    """Code, message and request id are told."""
    _, recorder, requests = await load_against(
        listing_then(lambda request: error(400, "InvalidTag", "not like this")), volume
    )
    failure = recorder.outcomes["a.csv"].error
    assert isinstance(failure, errors.RequestRejected)
    assert "InvalidTag: not like this (request id REQ1)" in str(failure)
    assert len([request for request in requests if request.method == "PUT"]) == 1


async def test_an_answer_that_makes_no_sense_fails_the_file_only(volume):
    """A 4xx that is not an S3 error document is still reported."""
    _, recorder, _ = await load_against(
        listing_then(lambda request: Answer(418, b"teapot")), volume
    )
    assert "HTTP 418" in str(recorder.outcomes["a.csv"].error)


async def test_codes_of_tomorrow_are_understood_by_their_status(volume):
    """403 refuses in the store's own words, 412 says that the key is taken."""
    with pytest.raises(errors.StoreRefused, match="NewlyInvented: as the test wants it") as caught:
        await load_against(listing_then(lambda request: error(403, "NewlyInvented")), volume)
    assert "s3:PutObject" not in caught.value.hint

    def taken(request):
        return Answer(404) if request.method == "HEAD" else error(412, "NewlyInvented")

    _, recorder, _ = await load_against(listing_then(taken), volume)
    assert isinstance(recorder.outcomes["a.csv"].error, errors.ObjectConflict)


async def test_a_head_that_is_rejected_says_nothing(volume):
    """Neither "there" nor "not there": the conditional put goes out, and its answer counts."""

    def answer(request):
        return Answer(400) if request.method == "HEAD" else put_accepted(request)

    _, recorder, requests = await load_against(listing_then(answer), volume)
    assert recorder.statuses == {"a.csv": "uploaded"}
    assert [r.headers["if-none-match"] for r in requests if r.method == "PUT"] == ["*"]


async def test_a_part_without_an_etag_is_sent_again(volume, monkeypatch):
    """Complete needs the ETag; without one the part does not count."""
    from tests.integration.test_lane import accept_all

    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: AT_ONCE)
    write_files(volume, {"l.csv": bytes(17 * 1024 * 1024)})
    parts = []

    def answer(request):
        if "partNumber" in request.query:
            parts.append(request)
            if len(parts) <= 2:
                return Answer(200)
        return accept_all(request)

    _, recorder, _ = await load_against(answer, volume, concurrency=1)
    assert recorder.statuses["l.csv"] == "uploaded"
    assert len(parts) == 5


async def test_every_put_is_conditional_checksummed_and_expects_nothing(volume):
    """The headers of the one request that a small file costs."""
    _, _, requests = await load_against(listing_then(put_accepted), volume)
    (put,) = [request for request in requests if request.method == "PUT"]
    assert put.headers["if-none-match"] == "*"
    assert put.headers["content-type"] == "text/csv"
    assert len(put.headers["x-amz-checksum-crc64nvme"]) == 12
    assert "expect" not in put.headers
    assert "transfer-encoding" not in put.headers
    assert "asyncload/" in put.headers["user-agent"]


async def test_an_endpoint_that_can_not_be_reached_is_unavailable(volume, monkeypatch):
    """With the endpoint in the message."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    settings = asyncload.Settings(volume=volume, bucket="lake", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(errors.StoreUnavailable, match=r"127\.0\.0\.1:9") as caught:
        await asyncload.load(settings, now=NOW)
    assert caught.value.exit_code == 6


@pytest.mark.fault("N7")
async def test_a_name_that_is_not_known_is_unavailable(volume, monkeypatch):
    """After having been looked up again."""
    asked = []

    def unknown(host, *arguments, **options):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    settings = asyncload.Settings(
        volume=volume, bucket="lake", endpoint_url="https://store.invalid"
    )
    with pytest.raises(errors.StoreUnavailable, match=r"store\.invalid.*Name or service") as ended:
        await asyncload.load(settings, now=NOW)
    assert ended.value.exit_code == 6
    assert asked == ["store.invalid"] * AT_ONCE.attempts


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.ReadTimeoutError(endpoint_url="https://h", error=TimeoutError()), errors.TimedOut),
        (boto.ConnectTimeoutError(endpoint_url="https://h", error="slow"), errors.TimedOut),
        (boto.EndpointConnectionError(endpoint_url="https://h"), errors.StoreUnavailable),
        (boto.ConnectionClosedError(endpoint_url="https://h"), errors.StoreUnavailable),
    ],
)
def test_only_timeouts_count_as_overload(error, kind):
    """A connection that is refused or breaks does not."""
    asked = Asked("PutObject", "lake", "https://h")
    assert type(translate(error, asked, SigningClock())) is kind


def test_the_hint_for_an_outage_fits_a_store_that_answered_before():
    """Its address is right; a mistyped one never answers."""
    asked, clock = Asked("PutObject", "lake", "https://h"), SigningClock()
    error = boto.EndpointConnectionError(endpoint_url="https://h")
    assert translate(error, asked, clock).hint.startswith("check --endpoint-url")
    clock.record_credentials(Credentials("key", "secret").get_frozen_credentials())
    clock.accepted()
    assert translate(error, asked, clock).hint.startswith("the store answered before: run again")


def test_errors_that_are_each_others_cause_are_translated():
    """A chain of causes can be a ring, and must not be followed for ever."""
    first, second = boto.EndpointConnectionError(endpoint_url="https://h"), OSError("broken")
    first.__cause__, second.__context__ = second, first
    error = translate(first, Asked("PutObject", "lake", "https://h"), SigningClock())
    assert type(error) is errors.StoreUnavailable


async def test_a_server_that_never_answers_meets_its_deadline(volume, monkeypatch):
    """aiohttp would wait for ever on a server that stops reading."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    monkeypatch.setattr("asyncload.s3.requests._ANSWER_SECONDS", 0.05)
    held = []

    async def hold(reader, writer):
        held.append(writer)
        await asyncio.Event().wait()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    write_files(volume, {"a.csv": b"1"})
    settings = asyncload.Settings(
        volume=volume, bucket="lake", endpoint_url=f"http://127.0.0.1:{port}"
    )
    try:
        with pytest.raises(errors.StoreUnavailable, match="within 0 s"):
            await asyncload.load(settings, now=NOW)
    finally:
        server.close()
        for writer in held:
            writer.close()


@pytest.mark.parametrize("missing", ["all", "secret"])
async def test_missing_credentials_fail_before_anything_is_sent(volume, monkeypatch, missing):
    """None or half of them: exit code 5 and where to set them."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if missing == "all":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SESSION_TOKEN")
    with pytest.raises(errors.CredentialsMissing) as caught:
        await load_against(lambda request: EMPTY_LISTING, volume)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


async def test_an_unknown_profile_is_a_usage_error(volume):
    """`--profile` names what the AWS configuration holds."""
    with pytest.raises(errors.UsageError, match="no-such-profile"):
        await load_against(lambda request: EMPTY_LISTING, volume, profile="no-such-profile")


async def test_a_region_that_can_not_be_is_a_usage_error(volume):
    """Region names are host names' parts."""
    with pytest.raises(errors.UsageError, match="--region"):
        await load_against(lambda request: EMPTY_LISTING, volume, region="not a region!")
