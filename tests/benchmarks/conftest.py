"""A null server that keeps digests, and clients for it."""

from __future__ import annotations

from contextlib import ExitStack

import boto3
import pytest
from botocore.config import Config

from benchmarks import servers
from tests.support.processes import uncovered


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One null server for a module's tests."""
    folder, conditions = tmp_path_factory.mktemp("server"), servers.Conditions(digests=True)
    with ExitStack() as stack:
        with uncovered():
            server = stack.enter_context(servers.null_server(folder, conditions))
        yield server


@pytest.fixture
def server(shared_server):
    """A null server that remembers nothing yet."""
    shared_server.reset()
    return shared_server


@pytest.fixture
def client(server):
    """boto3's client for it."""
    return client_for(server)


def client_for(server, **options):
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.credentials["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


@pytest.fixture(name="client_for")
def _client_for():
    return client_for
