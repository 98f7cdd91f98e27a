"""The image, built once for each process of tests, and a volume for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid

import pytest

from tests.container.docker_cli import ROOT, Loader, docker, docker_building


def need(present, what):
    """Skip where something is missing; in CI that is a failure."""
    if not present:
        reason = f"{what}; with CI set in the environment this is a failure"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def engine():
    """A Docker engine that answers."""
    need(shutil.which("docker"), "the docker command is not installed")
    answer = docker("version", "--format", "{{.Server.Version}}", check=False)
    need(answer.returncode == 0, f"no Docker engine answers: {answer.stderr.strip()}")


@pytest.fixture(scope="session")
def compose(engine):
    """Docker's compose plugin."""
    answer = docker("compose", "version", check=False)
    need(answer.returncode == 0, "Docker's compose plugin is not installed")


@pytest.fixture(scope="session")
def loader(engine):
    """The image as `docker build .` makes it."""
    image = f"asyncload-test:{uuid.uuid4().hex[:12]}"
    # One process builds, the others wait and find its layers in the cache.
    docker_building("build", "--quiet", "--tag", image, ".", timeout=540)
    yield Loader(image)
    docker("image", "rm", "--force", image)


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The sample volume, and a film CSV of 40 MiB, which goes in parts. Any user may read it."""
    folder = tmp_path_factory.mktemp("sample") / "data"
    shutil.copytree(ROOT / "data", folder)
    make_films(folder / "films.csv")
    let_all_read(folder)
    return folder


@pytest.fixture
def film(tmp_path):
    """A volume with one film CSV of 40 MiB, which goes in parts."""
    folder = tmp_path / "film"
    folder.mkdir()
    make_films(folder / "films.csv")
    let_all_read(folder)
    return folder


def make_films(path):
    """Make a film CSV of 40 MiB."""
    script = ROOT / "data" / "make_films.py"
    command = [sys.executable, script, path, "--size", "40MiB", "--seed", "7"]
    subprocess.run(command, check=True, capture_output=True)


def let_all_read(folder):
    """Make a tree readable for the container's user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
