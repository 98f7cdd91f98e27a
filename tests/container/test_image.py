"""What is in the image, and how it is run."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.container.docker_cli import ROOT, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

MB = 1_000_000


def config_of(loader):
    return json.loads(docker("image", "inspect", loader.image).stdout)[0]


def test_the_dockerfile_follows_hadolints_rules():
    """hadolint has nothing to say about the Dockerfile."""
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    command = [hadolint, ROOT / "Dockerfile"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_help_needs_neither_network_nor_volume(loader):
    """`--help` works in a container that is cut off from everything."""
    ended = loader.run("run", "--help", options=["--network", "none"])

    assert ended.returncode == 0
    assert "ASYNCLOAD_DATE" in ended.stdout


def test_the_default_command_is_run_data(loader):
    """Without a command the container loads /data, in exec form: asyncload gets the signals."""
    config = config_of(loader)["Config"]

    assert config["Entrypoint"] == ["asyncload"]
    assert config["Cmd"] == ["run", "/data"]


def test_a_missing_bucket_is_a_usage_error(loader, sample):
    """Without --bucket and ASYNCLOAD_BUCKET the container ends with 2 and names the option."""
    ended = loader.run(options=["--network", "none", "-v", f"{sample}:/data:ro"])

    assert ended.returncode == 2
    assert "--bucket" in ended.stderr


def test_a_forgotten_mount_is_a_usage_error(loader):
    """Without a volume there is no /data, and the message says to mount one."""
    ended = loader.run(options=["--network", "none"], environment={"ASYNCLOAD_BUCKET": "lake"})

    assert ended.returncode == 2
    assert "the volume /data does not exist" in ended.stderr
    assert "mount" in ended.stderr


def test_the_user_is_a_number_and_not_root(loader):
    """A cluster can check that the image is not root's, and the processes are not root."""
    assert config_of(loader)["Config"]["User"] == "65532:65532"
    assert loader.inside("id", "-u").strip() == "65532"


def test_any_user_id_can_run_it(loader):
    """An ID without entry in /etc/passwd and without home reads the volume that it may read."""
    options = ["--network", "none", "--user", "4242:4242", "-v", f"{ROOT / 'data'}:/data:ro"]
    ended = loader.run("run", "--bucket", "lake", "--dry-run", "--offline", options=options)

    assert ended.returncode == 0, ended.stderr
    assert "would upload 8 of 8 files" in ended.stdout


def test_a_container_writes_no_file(loader):
    """With a writable root, nothing is different after a run from what it was before."""
    name = f"{loader.image.replace(':', '-')}-diff"
    try:
        docker("run", "--name", name, "--network", "none", loader.image, "--help")
        assert docker("diff", name).stdout == ""
    finally:
        docker("rm", "--force", name)


def test_the_venv_holds_only_what_a_run_needs(loader):
    """No pip; of botocore's services those that hold data or secrets; all compiled."""
    program = """
import json, os, botocore, importlib.util, pathlib, sys
site = pathlib.Path(botocore.__file__).parents[1]
services = [path.name for path in (site / "botocore" / "data").iterdir() if path.is_dir()]
stale = [
    str(path)
    for path in site.rglob("*.py")
    if not os.path.exists(importlib.util.cache_from_source(path))
]
print(json.dumps({
    "pip": importlib.util.find_spec("pip") is not None,
    "services": sorted(services),
    "uncompiled": stale,
}))
"""
    found = json.loads(loader.inside("python", "-c", program))

    assert found == {
        "pip": False,
        "services": ["s3", "secretsmanager", "ssm", "sso", "sso-oidc", "sts"],
        "uncompiled": [],
    }


def test_the_image_stays_small(loader):
    """It weighs 188 MB with a base of 127 MB; what grows it by a tenth is to be noticed."""
    assert config_of(loader)["Size"] < 207 * MB


def test_the_labels_tell_what_it_is(loader):
    """The image carries OCI's labels for title, description and licence."""
    labels = config_of(loader)["Config"]["Labels"]

    assert labels["org.opencontainers.image.title"] == "asyncload"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert "CSV" in labels["org.opencontainers.image.description"]
