"""The image variant of the AWS Lambda function, under Lambda's emulator."""

from __future__ import annotations

import uuid

import pytest

from tests.container.docker_cli import docker, docker_building
from tests.support.aws_lambda import Function, emulated, emulator, limits, serving
from tests.support.loads import write_files
from tests.support.servers import free_port

pytestmark = [pytest.mark.docker, pytest.mark.nightly, pytest.mark.timeout(600)]


@pytest.fixture
def image(engine):
    """The image as its Dockerfile says."""
    tag = f"asyncload-lambda-test:{uuid.uuid4().hex[:12]}"
    file = ("--file", "deploy/lambda/Dockerfile")
    docker_building("build", "--quiet", *file, "--tag", tag, ".", timeout=540)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.mark.moto
def test_it_loads_a_volume(image, moto, volume, layer, tmp_path):
    """Without a writable file system, as an unprivileged user."""
    write_files(volume, {"a.csv": b"1", "b/c.csv": b"2"})
    environment = moto.environment | limits(60, 512) | {"ASYNCLOAD_VOLUME": "/mnt/volume"}
    environment |= {"ASYNCLOAD_BUCKET": moto.bucket, "ASYNCLOAD_ENDPOINT_URL": moto.endpoint_url}
    name, interface = f"lambda-{uuid.uuid4().hex[:12]}", free_port()
    command = [
        *("docker", "run", "--rm", "--name", name, "--network", "host", "--read-only"),
        *("--volume", f"{emulator()}:/emulator:ro", "--volume", f"{volume}:/mnt/volume:ro"),
        *(word for pair in environment.items() for word in ("--env", "=".join(pair))),
        *("--entrypoint", "/emulator", image, *emulated("", interface, "python")[1:]),
    ]
    function = Function(interface, tmp_path / "log.txt")
    try:
        with serving(command, tmp_path / "log.txt"):
            summary = function.invoke({"command": "run", "date": "2022-05-02", "layer": layer})
    finally:
        docker("rm", "--force", name, check=False)
    assert (summary.get("exit_code"), summary.get("uploaded")) == (0, 2), summary
    assert sorted(moto.objects(f"{layer}/")) == [
        f"{layer}/Local/CSV/A/2022/05/02/a.csv",
        f"{layer}/Local/CSV/B/2022/05/02/c.csv",
    ]
