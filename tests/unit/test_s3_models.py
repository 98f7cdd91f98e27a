"""botocore's models, read quickly: the same data, the same clients, less done."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import aioboto3
import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from asyncload.s3 import S3Options, open_client
from asyncload.s3.hooks.models import QuickFiles, read_time, use_quick_models
from tests.support.quick_libraries import read_model


@pytest.fixture(autouse=True)
def _models_are_read(monkeypatch):
    """By the program's own code, and not shared with other tests."""
    monkeypatch.setattr(QuickFiles, "load_file", read_model)


@pytest.fixture
def quick():
    """A session's loader."""
    session = AioSession()
    use_quick_models(session)
    return session.get_component("data_loader")


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_data_equals_botocores(quick, name):
    """In the same order, from the same place."""
    data, path = quick.load_data_with_path(name)
    expected, expected_path = Loader().load_data_with_path(name)
    assert json.dumps(data) == json.dumps(expected)
    assert path == expected_path
    assert quick.is_builtin_path(path)


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "sso-oidc"])
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
def test_models_equal_botocores(quick, service, kind):
    """Of the store, and of those that credentials may come from."""
    expected = Loader().load_service_model(service, kind)
    assert json.dumps(quick.load_service_model(service, kind)) == json.dumps(expected)


def test_all_services_are_known(quick):
    """A listing of their names is complete."""
    services = quick.list_available_services("service-2")
    expected = Loader().list_available_services("service-2")
    assert list(services) == expected
    assert len(services) == len(expected)
    assert "s3" in services
    assert "s4" not in services


def test_an_unknown_service_is_refused_in_botocores_words(quick):
    """It names those there are."""
    with pytest.raises(UnknownServiceError, match=r"'s4'.*sts"):
        quick.load_service_model("s4", "service-2")
    with pytest.raises(DataNotFoundError):
        quick.load_data("no-such-data")


@pytest.mark.parametrize(("suffix", "write"), [(".json", bytes), (".json.gz", gzip.compress)])
def test_models_of_the_users_own_are_found(tmp_path, monkeypatch, suffix, write):
    """`AWS_DATA_PATH` counts, and comes first."""
    model = {"metadata": {"serviceId": "Mine"}}
    for name in ("mine/2020-01-01/service-2", "endpoints"):
        file = tmp_path / f"{name}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(write(json.dumps(model).encode()))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    session = AioSession()
    use_quick_models(session)
    loader = session.get_component("data_loader")
    assert loader.load_service_model("mine", "service-2") == model
    data, path = loader.load_data_with_path("endpoints")
    assert data == model
    assert not loader.is_builtin_path(path)


async def test_the_client_is_the_one_that_aioboto3_would_make(monkeypatch):
    """The same operations, endpoint and configuration."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with (
        open_client(S3Options("lake", connections=1, region="eu-west-1")) as client,
        aioboto3.Session(region_name="eu-west-1").client("s3") as expected,
    ):
        model, expected_model = client.meta.service_model, expected.meta.service_model
        assert model.operation_names == expected_model.operation_names
        assert model.metadata == expected_model.metadata
        assert client.meta.endpoint_url == expected.meta.endpoint_url
        assert client.meta.method_to_api_mapping == expected.meta.method_to_api_mapping


async def test_few_folders_are_looked_into(monkeypatch):
    """botocore has four hundred."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    listed = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path=".": listed.append(path) or listdir(path))
    async with open_client(S3Options("lake", connections=1, region="eu-west-1")):
        pass
    assert {os.path.basename(path) for path in listed} == {"s3"}  # noqa: PTH119  # botocore's str


def test_opening_a_store_imports_no_file_transfers():
    """aioboto3 would add upload methods to the client: with s3transfer and cryptography."""
    code = (
        "import asyncio, sys\n"
        "from asyncload.s3 import S3Options, open_store\n"
        "async def main():\n"
        "    options = S3Options('lake', connections=1, endpoint_url='http://127.0.0.1:9')\n"
        "    async with open_store(options):\n"
        "        pass\n"
        "asyncio.run(main())\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    environment = os.environ | {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    loaded = set(done.stdout.split())
    assert "aioboto3" in loaded
    assert not loaded & {"s3transfer", "cryptography"}


@pytest.mark.parametrize("text", ["", "never", "9999999999999999999999999"])
def test_a_time_that_is_none_is_a_value_error(text):
    """Also where botocore's own reader raises a RuntimeError."""
    with pytest.raises(ValueError, match=r"."):
        read_time(text)


def test_a_time_of_any_usual_form_is_read():
    """As S3's documents and headers have it."""
    expected = datetime(2022, 5, 2, 12, tzinfo=UTC)
    assert read_time("2022-05-02T12:00:00.000Z") == expected
    assert read_time("Mon, 02 May 2022 12:00:00 GMT") == expected
