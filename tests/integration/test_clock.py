"""A clock that is off: what is signed goes by the store's time once that is known."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from email.utils import formatdate

import pytest

import asyncload
from asyncload import errors
from asyncload.model.checksums import crc64nvme, crc64nvme_checksum
from asyncload.model.values import ObjectKey
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.dialect import Dialect
from asyncload.s3.opening import S3Options, _open, open_store
from asyncload.s3.store import S3Store
from tests.integration.test_lane import accept_all
from tests.support.loads import AT_ONCE, NOW, Recorder, write_files
from tests.support.scripted_s3 import Answer, error, scripted_s3


@pytest.fixture
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def store_whose_clock_is(ahead, *, answer=accept_all, dated=True, believes=None):
    """Answer what is signed within 15 minutes of a time that is `ahead` seconds of ours.

    It shows that time, unless it is not `dated`; it goes by `believes` seconds ahead, if set.
    """
    believes = ahead if believes is None else believes

    def script(request):
        signed = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        age = time.time() + believes - signed.timestamp()
        date = formatdate(time.time() + ahead, usegmt=True) if dated else ""
        reply = answer(request)
        if abs(age) > 15 * 60:
            reply = error(403, "RequestTimeTooSkewed", "The difference is too large.")
        return Answer(reply.status, reply.body, {**reply.headers, "Date": date})

    return script


async def load(volume, url, recorder=None, **options):
    settings = asyncload.Settings(volume=volume, bucket="lake", endpoint_url=url, **options)
    return await asyncload.load(settings, observer=recorder, now=NOW)


@pytest.mark.fault("P7")
@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize("ahead", [1200, -1200, 86_400 * 400])
async def test_a_machine_with_a_wrong_clock_loads(volume, fast_lane, ahead, monkeypatch):
    """One request learns the store's time; lane and client sign by it from then on."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1", "l.csv": bytes(17 * 1024 * 1024)})
    with scripted_s3(store_whose_clock_is(ahead)) as (url, requests):
        report = await load(volume, url, fast_lane=fast_lane)
    assert report.exit_code == 0
    by_the_stores_clock = time.strftime("%Y%m%d", time.gmtime(time.time() + ahead))
    dates = [request.headers["x-amz-date"][:8] for request in requests]
    assert set(dates[1:]) <= {by_the_stores_clock, dates[1]}
    # List, list again, list uploads, two heads, put, create, three parts, complete, and the records
    # of upload and run.
    assert len(requests) == 13


@pytest.mark.fault("P7")
@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize(
    ("script", "hint", "attempts"),
    [
        (
            store_whose_clock_is(1200, believes=9000),
            "set the machine's clock: it is 20 min behind the store's",
            2,
        ),
        (
            store_whose_clock_is(0, believes=-9000),
            "set the machine's clock: it is ",
            1,
        ),
        (store_whose_clock_is(9000, dated=False), "set the machine's clock", 1),
    ],
    ids=["rejected again", "shows our time", "shows no time"],
)
async def test_a_time_that_stays_wrong_ends_the_run(volume, script, hint, attempts, monkeypatch):
    """After one corrected attempt, where the store shows a time to correct it by."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    with (
        scripted_s3(script) as (url, requests),
        pytest.raises(errors.CredentialsRejected, match="RequestTimeTooSkewed") as ended,
    ):
        await load(volume, url)
    assert ended.value.hint.startswith(hint)
    assert ended.value.exit_code == 5
    assert len(requests) == attempts


@pytest.mark.fault("P7", "H8")
@pytest.mark.usefixtures("_credentials")
async def test_a_clock_that_goes_wrong_midway_is_corrected_midway(volume):
    """Requests in flight meanwhile are signed again, too."""
    write_files(volume, {f"{n:02}.csv": b"1" for n in range(40)})
    served = []

    def script(request):
        served.append(request)
        return store_whose_clock_is(1200 if len(served) > 10 else 0)(request)

    recorder = Recorder()
    with scripted_s3(script) as (url, _):
        report = await load(volume, url, recorder, concurrency=8)
    assert report.exit_code == 0
    assert set(recorder.statuses.values()) == {"uploaded"}


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_real_store_accepts_requests_signed_at_a_corrected_time(s3, layer, fast_lane):
    """Within the quarter of an hour that it allows, every signature holds."""
    clock = SigningClock()
    clock.offset = 600.0
    options = S3Options("lake", connections=1, endpoint_url=s3.endpoint_url, fast_lane=fast_lane)
    async with _open(options, clock) as (client, lane, _):
        store = S3Store(client, options, lane, clock, Dialect("auto", print))
        await store.check_bucket(layer)
        key, body = ObjectKey(f"{layer}/a b.csv"), b"1|2\n"
        await store.put(key, body, crc64nvme_checksum(crc64nvme(body)), create_only=True)
        assert (await store.head(key)).size == len(body)
        assert clock.timestamp() > time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 300))


@pytest.mark.usefixtures("_credentials")
async def test_a_signature_of_another_kind_goes_by_the_machines_clock():
    """Directory buckets have a signer of their own, which is left as it is."""
    clock = SigningClock()
    clock.offset = 600.0
    async with _open(S3Options("lake", connections=1), clock) as (client, *_):
        signer = client._request_signer
        auth = await signer.get_auth_instance("s3", "eu-west-1", signature_version="v4")
        clocked = await signer.get_auth_instance("s3", "eu-west-1", signature_version="s3v4")
    assert type(auth) is not type(clocked)
    assert type(clocked).__name__ == "_ClockedAuth"


def answers_dated(ahead):
    """Answer a put as the path asks, at a time that is `ahead` of ours, where it is told."""

    def script(request):
        date = formatdate(time.time() + ahead, usegmt=True)
        reply = error(400, "InvalidRequest") if "refused" in request.path else accept_all(request)
        told = "" if "dateless" in request.path else date
        return Answer(reply.status, reply.body, {**reply.headers, "Date": told})

    return script


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize("name", ["taken.csv", "refused.csv"])
async def test_each_answer_updates_the_stores_time(fast_lane, name):
    """Errors too, by lane and client alike; one without a date changes nothing."""
    body = b"1|2\n"

    async def put(name):
        key, checksum = ObjectKey(f"Raw/{name}"), crc64nvme_checksum(crc64nvme(body))
        with suppress(errors.RequestRejected):
            await store.put(key, body, checksum, create_only=True)

    with scripted_s3(answers_dated(3 * 86_400)) as (url, requests):
        options = S3Options("lake", connections=1, endpoint_url=url, fast_lane=fast_lane)
        async with open_store(options) as store:
            assert store.clock_offset is None
            await put("dateless.csv")
            assert store.clock_offset is None
            await put(name)
            assert store.clock_offset == pytest.approx(3 * 86_400, abs=60)
            await put("dateless.csv")
            assert store.clock_offset == pytest.approx(3 * 86_400, abs=60)
    assert {request.method for request in requests} == {"PUT"}


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_an_endpoint_that_does_not_answer_leaves_the_time_unknown(fast_lane):
    """Nor does a connection that breaks."""
    options = S3Options(
        "lake", connections=1, endpoint_url="http://127.0.0.1:9", fast_lane=fast_lane
    )
    async with open_store(options) as store:
        with pytest.raises(errors.StoreUnavailable):
            await store.check_bucket("Raw/")
        assert store.clock_offset is None
