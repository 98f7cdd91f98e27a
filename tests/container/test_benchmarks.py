"""The image that the published benchmarks are made with."""

from __future__ import annotations

import uuid

import pytest

from tests.container.docker_cli import docker, docker_building


@pytest.fixture
def benchmarks(engine):
    """The image as `make bench-image` makes it."""
    image = f"asyncload-bench-test:{uuid.uuid4().hex[:12]}"
    file = ("--file", "benchmarks/Dockerfile")
    docker_building("build", "--quiet", *file, "--tag", image, ".", timeout=540)
    yield image
    docker("image", "rm", "--force", image)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workload", ["pair", "large-tls"])
def test_asyncload_and_a_peer_are_verified_and_timed(benchmarks, workload):
    """Cut off from any network, as the servers are inside."""
    tools = ("--tool", "asyncload", "--tool", "s5cmd")
    run = docker(
        *("run", "--rm", "--network", "none", benchmarks),
        *("--quick", "--only", workload, "--runs", "1", *tools),
        timeout=300,
    )
    rows = [line for line in run.stdout.splitlines() if line.startswith("| ")]
    assert any(row.startswith("| **asyncload** |") for row in rows)
    assert any(row.startswith("| s5cmd |") for row in rows)
    assert "Verified before: asyncload, s5cmd" in run.stdout
    assert "Not measured" not in run.stdout
