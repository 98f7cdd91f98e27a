"""Tokens in AWS's Parameter Store and Secrets Manager, read through aioboto3 from moto server."""

from __future__ import annotations

import boto3
import pytest

from asyncload.errors import (
    AccessDenied,
    AsyncloadError,
    CredentialsMissing,
    StoreRefused,
    StoreUnavailable,
    UsageError,
)
from asyncload.s3 import S3Options, Secrets
from asyncload.s3.kept_secrets import read_secret
from tests.support.collecting import collect_from
from tests.support.memory_store import MemoryStore
from tests.support.scripted_s3 import Answer, scripted_s3
from tests.support.tmdb import TOKEN, Double, serving

OPTIONS = S3Options("lake", 1, region="us-east-1")


def client(server, service):
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def aws(moto, monkeypatch):
    """The AWS chain, with all services at the moto server."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint_url)
    return moto


@pytest.mark.moto
async def test_a_token_in_the_parameter_store(aws, layer):
    """It is decrypted, used for requests, and removed from texts."""
    name = f"/tmdb/{layer}"
    client(aws, "ssm").put_parameter(Name=name, Value=TOKEN, Type="SecureString")
    secrets = Secrets()
    assert await read_secret("ssm", name, OPTIONS, secrets) == TOKEN
    assert secrets.redact(f"token {TOKEN}") == "token ***"
    films = Double()
    films.add_films(1)
    with serving(films) as double:
        store = MemoryStore()
        report = await collect_from(
            double, store, title=["film"], token=f"ssm:{name}", region="us-east-1"
        )
    assert report.exit_code == 0
    assert double.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.moto
async def test_a_token_in_secrets_manager(aws, layer):
    """By its ARN, which names the region."""
    made = client(aws, "secretsmanager").create_secret(Name=f"tmdb-{layer}", SecretString=TOKEN)
    options = OPTIONS._replace(region=None)
    assert await read_secret("secretsmanager", made["ARN"], options, Secrets()) == TOKEN


@pytest.mark.moto
async def test_a_token_that_ends_in_a_newline_is_rejected(aws, layer):
    """As in a variable."""
    name = f"/tmdb/{layer}"
    client(aws, "ssm").put_parameter(Name=name, Value=f"{TOKEN}\n", Type="String")
    with serving() as double, pytest.raises(UsageError, match="ends in a newline"):
        await collect_from(double, MemoryStore(), title=["a"], token=f"ssm:{name}")


@pytest.mark.moto
@pytest.mark.parametrize("service", ["ssm", "secretsmanager"])
async def test_a_token_that_does_not_exist(aws, service):
    """The message names the place."""
    with pytest.raises(UsageError, match=f"the token is missing: {service}:/nothing"):
        await read_secret(service, "/nothing", OPTIONS, Secrets())


@pytest.mark.moto
async def test_a_secret_that_is_not_a_text(aws, layer):
    """Secrets may be binary."""
    name = f"binary-{layer}"
    client(aws, "secretsmanager").create_secret(Name=name, SecretBinary=b"\x00")
    with pytest.raises(UsageError, match=f"secretsmanager:{name} is not a text"):
        await read_secret("secretsmanager", name, OPTIONS, Secrets())


def refused(code, status=400, message="no"):
    body = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    return lambda request: Answer(status, body, {"Content-Type": "application/x-amz-json-1.1"})


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("AccessDeniedException", 400, AccessDenied, "permit ssm:GetParameter"),
        ("ThrottlingException", 400, StoreUnavailable, "ThrottlingException"),
        ("InternalServerError", 500, StoreUnavailable, "InternalServerError"),
        ("ValidationException", 400, StoreRefused, "ValidationException"),
    ],
)
async def test_what_a_refusal_means(code, status, kind, words, monkeypatch, moto):
    """Each has its exit code, and a hint on the permission."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    with scripted_s3(refused(code, status)) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(AsyncloadError) as caught:
            await read_secret("ssm", "/tmdb", OPTIONS, Secrets())
    assert type(caught.value) is kind
    assert words in caught.value.message + caught.value.hint


async def test_without_credentials_nothing_is_read(monkeypatch):
    """The message says so."""
    with pytest.raises(CredentialsMissing, match="ssm:/tmdb can't be read"):
        await read_secret("ssm", "/tmdb", OPTIONS, Secrets())


@pytest.mark.moto
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"region": None}, UsageError, "You must specify a region"),
        ({"profile": "nobody"}, UsageError, "--profile"),
    ],
)
async def test_options_that_can_not_be_used(moto, monkeypatch, options, kind, words):
    """Before any request."""
    for name, value in moto.environment.items():
        if name != "AWS_DEFAULT_REGION":
            monkeypatch.setenv(name, value)
    with pytest.raises(kind, match=words):
        await read_secret("ssm", "/tmdb", OPTIONS._replace(**options), Secrets())


@pytest.mark.moto
async def test_a_service_that_does_not_answer(moto, monkeypatch):
    """It is a matter of network or region."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="ssm:/tmdb can't be read"):
        await read_secret("ssm", "/tmdb", OPTIONS, Secrets())
