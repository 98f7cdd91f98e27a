"""Loads by the container, into real servers on the host."""

from __future__ import annotations

import hashlib
import os
import time
from urllib.parse import urlsplit

import pytest

from tests.container.docker_cli import docker, wait_until
from tests.container.slow_link import slow_link

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# The servers listen on the host's loopback.
HOST_NETWORK = ("--network", "host")

LANDED = {
    "films.csv": "Films/2022/05/02/films.csv",
    "movies.csv": "Movies/2022/05/02/movies.csv",
    "people.csv": "People/2022/05/02/people.csv",
    "ratings/part-00000.csv": "Ratings/2022/05/02/part-00000.csv",
    "ratings/part-00001.csv": "Ratings/2022/05/02/part-00001.csv",
    "ratings/part-00002.CSV": "Ratings/2022/05/02/part-00002.CSV",
    "reviews/2022/resenhas em português.csv": ("Reviews/2022/05/02/2022/resenhas em português.csv"),
    "reviews/2022/reviews.csv": "Reviews/2022/05/02/2022/reviews.csv",
    "series.csv": "Series/2022/05/02/series.csv",
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def digests_of(folder, layer):
    """Return the SHA-256 that each key is to have once the sample volume has landed."""
    return {
        f"{layer}/Local/CSV/{key}": sha256((folder / path).read_bytes())
        for path, key in LANDED.items()
    }


def digests_in(server, layer):
    return {key: sha256(content) for key, content in server.objects(f"{layer}/").items()}


def settings_for(server, layer, **more):
    """Return the environment by which a container loads into a test's own layer."""
    return server.environment | {
        "ASYNCLOAD_BUCKET": server.bucket,
        "ASYNCLOAD_ENDPOINT_URL": server.endpoint_url,
        "ASYNCLOAD_LAYER": layer,
        "ASYNCLOAD_DATE": "2022-05-02",
        **more,
    }


@pytest.mark.seaweedfs
def test_a_read_only_volume_is_uploaded_whole(loader, seaweedfs, sample, layer):
    """The default command, told the rest by variables, lands each file as it is."""
    options = [*HOST_NETWORK, "-v", f"{sample}:/data:ro"]
    ended = loader.run(options=options, environment=settings_for(seaweedfs, layer))

    assert ended.returncode == 0, ended.stderr
    assert "9 of 9 files are in the raw zone: 9 uploaded" in ended.stdout
    assert digests_in(seaweedfs, layer) == digests_of(sample, layer)
    assert seaweedfs.open_uploads(layer) == []


@pytest.mark.seaweedfs
def test_a_container_with_little_memory_uploads_its_files(loader, seaweedfs, sample, layer):
    """All the limits that the documents recommend at once, also of memory and of processes."""
    limits = ("--memory", "256m", "--memory-swap", "256m", "--pids-limit", "64")
    options = [*HOST_NETWORK, *limits, "-v", f"{sample}:/data:ro"]
    environment = settings_for(seaweedfs, layer, ASYNCLOAD_MEMORY="64MiB")
    ended = loader.run(options=options, environment=environment)

    assert ended.returncode == 0, ended.stderr
    assert "9 of 9 files are in the raw zone: 9 uploaded" in ended.stdout
    assert digests_in(seaweedfs, layer) == digests_of(sample, layer)


@pytest.mark.fault("I1")
@pytest.mark.seaweedfs
def test_a_container_takes_the_memory_that_it_has(loader, seaweedfs, tmp_path, layer):
    """A file of several times its limit is uploaded without --memory."""
    (tmp_path / "big.csv").touch(0o644)
    os.truncate(tmp_path / "big.csv", 700 * 1024 * 1024)
    tmp_path.chmod(0o755)
    limits = ("--memory", "256m", "--memory-swap", "256m")
    options = [*HOST_NETWORK, *limits, "-v", f"{tmp_path}:/data:ro"]
    ended = loader.run(options=options, environment=settings_for(seaweedfs, layer))

    assert ended.returncode == 0, ended.stderr
    assert "1 of 1 file is in the raw zone: 1 uploaded" in ended.stdout


@pytest.mark.fault("I1")
@pytest.mark.seaweedfs
def test_a_container_refuses_memory_that_it_has_not(loader, seaweedfs, sample, layer):
    """Before anything is sent, in one sentence, with what fits."""
    limits = ("--memory", "256m", "--memory-swap", "256m")
    options = [*HOST_NETWORK, *limits, "-v", f"{sample}:/data:ro"]
    environment = settings_for(seaweedfs, layer, ASYNCLOAD_MEMORY="256MiB")
    ended = loader.run(options=options, environment=environment)

    assert ended.returncode == 2
    assert "the limit of this container leaves 146 MiB" in ended.stderr
    assert digests_in(seaweedfs, layer) == {}


@pytest.mark.seaweedfs
def test_options_work_as_variables_do(loader, seaweedfs, sample, layer):
    """What follows the image's name replaces the default command; options win over variables."""
    options = [*HOST_NETWORK, "-v", f"{sample}:/volume:ro"]
    environment = settings_for(seaweedfs, layer, ASYNCLOAD_DATE="1999-12-31")
    command = ["run", "/volume", "--date", "2022-05-02"]
    ended = loader.run(*command, options=options, environment=environment)

    assert ended.returncode == 0, ended.stderr
    assert digests_in(seaweedfs, layer) == digests_of(sample, layer)


@pytest.mark.seaweedfs
def test_a_second_container_changes_nothing(loader, seaweedfs, sample, layer):
    """The same volume on the same date is found unchanged by a container that knows nothing."""
    options = [*HOST_NETWORK, "-v", f"{sample}:/data:ro"]
    environment = settings_for(seaweedfs, layer)
    loader.run(options=options, environment=environment)
    ended = loader.run(options=options, environment=environment)

    assert ended.returncode == 0, ended.stderr
    assert "9 of 9 files are in the raw zone: 9 unchanged" in ended.stdout


@pytest.mark.moto
def test_credentials_come_from_a_mounted_aws_folder(loader, moto, sample, layer, tmp_path):
    """A profile of ~/.aws that assumes a role works: STS's part of botocore is there."""
    folder = tmp_path / "aws"
    folder.mkdir()
    (folder / "config").write_text(
        "[profile lake]\n"
        "role_arn = arn:aws:iam::123456789012:role/loader\n"
        "source_profile = people\n"
        "region = us-east-1\n"
    )
    credentials = folder / "credentials"
    credentials.write_text(
        "[people]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
    )
    # As `aws configure` leaves it: only its owner may read it, hence --user.
    credentials.chmod(0o600)
    options = [
        *HOST_NETWORK,
        *("--user", f"{os.getuid()}:{os.getgid()}"),
        *("-v", f"{folder}:/home/asyncload/.aws:ro"),
        *("-v", f"{sample}:/data:ro"),
    ]
    environment = {
        name: value
        for name, value in settings_for(moto, layer, ASYNCLOAD_PROFILE="lake").items()
        if not name.startswith("AWS_")
    }
    environment["AWS_ENDPOINT_URL_STS"] = moto.endpoint_url
    ended = loader.run(options=options, environment=environment)

    assert ended.returncode == 0, ended.stderr
    assert digests_in(moto, layer) == digests_of(sample, layer)


@pytest.mark.seaweedfs
@pytest.mark.parametrize(
    ("interrupt", "exit_code", "said"),
    [
        (("stop", "--time", "10"), 143, "SIGTERM"),
        (("kill", "--signal", "INT"), 130, "SIGINT"),
    ],
    ids=["docker stop", "SIGINT"],
)
def test_an_interrupted_container_leaves_nothing_open(
    loader, seaweedfs, film, layer, interrupt, exit_code, said
):
    """Ended in the middle of a multipart upload, it aborts that within Docker's 10 s."""
    address = urlsplit(seaweedfs.endpoint_url)
    with slow_link((address.hostname, address.port), pace=256 * 1024) as link:
        environment = settings_for(seaweedfs, layer, ASYNCLOAD_ENDPOINT_URL=link.endpoint_url)
        options = [*HOST_NETWORK, "-v", f"{film}:/data:ro"]
        with loader.started(options=options, environment=environment) as (name, client):
            wait_until(lambda: seaweedfs.open_uploads(layer), "a multipart upload is open")
            wait_until(lambda: link.forwarded > 1024 * 1024, "its parts are on their way")

            begun = time.monotonic()
            docker(*interrupt, name)
            _, errors = client.communicate(timeout=10)
            took = time.monotonic() - begun

            assert client.returncode == exit_code, errors
            assert f"interrupted by {said}" in errors
            assert took < 10
    assert seaweedfs.open_uploads(layer) == []
    assert seaweedfs.objects(f"{layer}/") == {}


@pytest.mark.seaweedfs
def test_a_run_is_resumed_after_a_docker_stop(loader, seaweedfs, film, layer):
    """What a stopped container left undone, the next one does."""
    address = urlsplit(seaweedfs.endpoint_url)
    options = [*HOST_NETWORK, "-v", f"{film}:/data:ro"]
    with slow_link((address.hostname, address.port), pace=256 * 1024) as link:
        environment = settings_for(seaweedfs, layer, ASYNCLOAD_ENDPOINT_URL=link.endpoint_url)
        with loader.started(options=options, environment=environment) as (name, client):
            wait_until(lambda: seaweedfs.open_uploads(layer), "a multipart upload is open")
            docker("stop", name)
            client.communicate(timeout=10)

    ended = loader.run(options=options, environment=settings_for(seaweedfs, layer))

    assert ended.returncode == 0, ended.stderr
    key = f"{layer}/Local/CSV/{LANDED['films.csv']}"
    assert digests_in(seaweedfs, layer) == {key: sha256((film / "films.csv").read_bytes())}
