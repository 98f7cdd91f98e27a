"""compose.yaml: the loader and a store to try it against."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from datetime import UTC, datetime

import pytest

from tests.container.docker_cli import docker, docker_building
from tests.support.servers import S3Server

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

UP = ("up", "--build", "--abort-on-container-exit", "--exit-code-from", "asyncload")

DEMO_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo-access-key",
    "AWS_SECRET_ACCESS_KEY": "demo-secret-key-not-for-production",
}


@pytest.fixture
def project(compose, sample):
    """Run `docker compose` in a project of the test's own, as a user with AWS keys."""
    name = f"asyncload-test-{uuid.uuid4().hex[:12]}"
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "users-own-key",
        "AWS_SECRET_ACCESS_KEY": "users-own-secret",
        "CSV_FOLDER": str(sample),
        # Any free one.
        "STORE_PORT": "0",
    }

    def run(*arguments, check=True, **more):
        options = ("compose", "--project-name", name, *arguments)
        command = docker_building if "--build" in arguments else docker
        return command(*options, timeout=600, check=check, **environment | more)

    yield run
    run("down", "--volumes", "--rmi", "local", "--timeout", "5")


def digests_today(sample):
    """Return the SHA-256 that each key is to have if the sample volume lands today."""
    today = datetime.now(UTC).strftime("%Y/%m/%d")
    digests = {}
    for path in sample.rglob("*.[cC][sS][vV]"):
        first, *below = path.relative_to(sample).parts
        dataset = first if below else path.stem
        key = "/".join([dataset.capitalize(), today, *(below or [first])])
        digests[f"Raw/Local/CSV/{key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def digests_in(project):
    """Return the SHA-256 of each object of the project's lake."""
    project("up", "--detach", "--wait", "store")
    address = project("port", "store", "8333").stdout.strip()
    store = S3Server("compose", f"http://{address}", DEMO_CREDENTIALS)
    return {
        key: hashlib.sha256(content).hexdigest() for key, content in store.objects("Raw/").items()
    }


def test_compose_up_loads_the_volume(project, sample):
    """One command builds, starts the store, loads, shows the lake, and ends as the loader does."""
    days = [digests_today(sample)]
    first = project(*UP)
    days.append(digests_today(sample))

    assert "9 of 9 files are in the raw zone: 9 uploaded" in first.stdout
    assert "── movies.csv  47.2 kB" in first.stdout
    # Only the loader is heard.
    assert "store-1  |" not in first.stdout + first.stderr
    # The lake outlives its store's container; a run over midnight may be of either day.
    assert digests_in(project) in days


def test_compose_up_ends_with_the_loaders_exit_code(project, tmp_path):
    """A folder without a CSV is exit code 4, of compose as of the loader."""
    tmp_path.chmod(0o755)

    assert project(*UP, check=False, CSV_FOLDER=str(tmp_path)).returncode == 4


def test_only_s3_is_published_and_only_on_loopback(project):
    """Nothing of the store can be reached from another machine."""
    services = json.loads(project("config", "--format", "json").stdout)["services"]
    published = [
        (port["host_ip"], port["target"])
        for service in services.values()
        for port in service.get("ports", ())
    ]

    assert published == [("127.0.0.1", 8333)]


def test_every_service_is_hardened(project):
    """Read-only roots, no capabilities, no new privileges, and CSVs mounted read-only."""
    services = json.loads(project("config", "--format", "json").stdout)["services"]

    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount["read_only"] for mount in services["asyncload"]["volumes"]] == [True]


def test_keys_of_the_users_environment_stay_out(project):
    """Credentials that are set for real work don't become the demo store's, nor the loader's."""
    services = json.loads(project("config", "--format", "json").stdout)["services"]

    for service in services.values():
        assert service["environment"].items() >= DEMO_CREDENTIALS.items()
        assert "users-own" not in str(service)
