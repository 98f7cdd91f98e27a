"""Services that credentials come from, and that may not answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from contextlib import asynccontextmanager

import pytest

import asyncload
from asyncload import errors
from asyncload.s3 import opening as s3_client
from tests.support.loads import NOW, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3

ROLE = """
[profile lake]
role_arn = arn:aws:iam::123456789012:role/loader
source_profile = people
region = us-east-1
[profile people]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = secret
"""


@asynccontextmanager
async def silent_server():
    """A service that takes connections and never answers; yields its URL and how often it was."""
    held = []

    async def hold(reader, writer):
        held.append(writer)
        await asyncio.Event().wait()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", held
    finally:
        server.close()
        for writer in held:
            writer.close()


async def load(volume, url, **options):
    settings = asyncload.Settings(volume=volume, bucket="lake", endpoint_url=url, **options)
    return await asyncload.load(settings, now=NOW)


@pytest.mark.fault("K14")
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_metadata_service_out_of_reach_is_left(volume, fast_lane, monkeypatch):
    """After a try or two it is as if there were no credentials."""
    write_files(volume, {"a.csv": b"1"})
    async with silent_server() as (metadata, held):
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
        with (
            scripted_s3(lambda request: EMPTY_LISTING) as (url, requests),
            pytest.raises(errors.CredentialsMissing) as ended,
        ):
            await load(volume, url, region="us-east-1", fast_lane=fast_lane)
    assert ended.value.exit_code == 5
    assert requests == []
    assert 1 <= len(held) <= 4


@pytest.mark.fault("K14")
async def test_a_service_that_takes_too_long_for_credentials_is_left(volume, monkeypatch):
    """A container's, which botocore would ask again and again."""
    monkeypatch.setattr(s3_client, "_CREDENTIALS_SECONDS", 1.5)
    write_files(volume, {"a.csv": b"1"})
    async with silent_server() as (metadata, held):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/role")
        with (
            scripted_s3(lambda request: EMPTY_LISTING) as (url, requests),
            pytest.raises(errors.CredentialsMissing, match="no AWS credentials within") as ended,
        ):
            await load(volume, url, region="us-east-1")
    assert "the container's credentials endpoint" in ended.value.message
    assert requests == []
    assert len(held) == 1


@pytest.mark.fault("D8")
@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"])
async def test_a_library_takes_an_empty_variable_for_none(volume, name, monkeypatch):
    """Without a change of the environment, which is its user's."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.setenv(name, "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    def answer(request):
        return EMPTY_LISTING if request.method == "GET" else put_accepted(request)

    with scripted_s3(answer) as (url, _):
        report = await load(volume, url, region="us-east-1", manifest=False)
    assert report.exit_code == 0
    assert os.environ[name] == ""


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_role_that_can_not_be_assumed_fails_before_anything_is_sent(
    volume, fast_lane, monkeypatch, tmp_path
):
    """STS's refusal is not reported as the bucket's."""
    write_files(volume, {"a.csv": b"1"})
    config = tmp_path / "config"
    config.write_text(ROLE)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    denied = Answer(
        403,
        b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
        b"<Message>not you</Message></Error><RequestId>STS1</RequestId></ErrorResponse>",
    )
    with (
        scripted_s3(lambda request: denied) as (sts, asked),
        scripted_s3(lambda request: EMPTY_LISTING) as (url, requests),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        with pytest.raises(errors.StoreRefused, match="AssumeRole") as ended:
            await load(volume, url, profile="lake", fast_lane=fast_lane)
    assert ended.value.exit_code == 5
    assert requests == []
    assert asked


@pytest.mark.fault("K5")
@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_role_whose_session_was_revoked_is_assumed_again(
    volume, fast_lane, monkeypatch, tmp_path
):
    """botocore keeps a role's credentials for as long as they say: those are forgotten."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(5)})
    config = tmp_path / "config"
    config.write_text(ROLE)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assumed = []

    def assume(request):
        assumed.append(request)
        until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return Answer(
            200,
            "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
            f"<AccessKeyId>ASIA{len(assumed)}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>".encode(),
        )

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if "Credential=ASIA1/" in request.headers["authorization"]:
            return error(400, "ExpiredToken")
        return put_accepted(request)

    with scripted_s3(assume) as (sts, _), scripted_s3(answer) as (url, requests):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
        options = {"profile": "lake", "manifest": False, "fast_lane": fast_lane}
        report = await load(volume, url, **options)
    assert report.exit_code == 0
    assert len(assumed) == 2
    assert "Credential=ASIA2/" in requests[-1].headers["authorization"]
