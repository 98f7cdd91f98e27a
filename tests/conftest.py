"""Servers and volumes that tests of several folders use."""

from __future__ import annotations

import gc
import os
import uuid

import hypothesis
import pytest

from tests.support import ceph as ceph_cluster
from tests.support import servers
from tests.support.browser import headless_chromium
from tests.support.measuring import is_measured, stop_measuring
from tests.support.observed import take_misfits
from tests.support.quick_libraries import quicken
from tests.support.rights import without_rights
from tests.support.selection import (
    mark_repetitions,
    mark_slow,
    repeat_by_client,
    repeated_in_vain,
)

# A busy machine must not make a test fail.
hypothesis.settings.register_profile("asyncload", deadline=None)
hypothesis.settings.load_profile("asyncload")


def pytest_addoption(parser):
    parser.addoption(
        "--no-fast-lane", action="store_true", help="send everything through the generic client"
    )
    parser.addoption(
        "--fault",
        action="append",
        default=[],
        metavar="ID",
        help="run only the tests of this fault of tests/faults/catalogue (can be given again)",
    )


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    """Some tests are run by the fast lane and by the generic client."""
    if not metafunc.config.getoption("--no-fast-lane"):
        repeat_by_client(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark what is slow or for the night; with --fault, keep the tests with one of its ids.

    Those that coverage does not measure come last. Repetitions by the client stay if they tell
    something new.
    """
    items.sort(key=is_measured, reverse=True)
    mark_repetitions(items)
    mark_slow(items)
    others = {*repeated_in_vain(items)}
    if wanted := {*config.getoption("--fault")}:
        others |= {item for item in items if not wanted & faults_of(item)}
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=[*others])


def faults_of(item):
    """The ids of the faults that a test shows."""
    return {name for mark in item.iter_markers("fault") for name in mark.args}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Measure no longer, once this process has come to tests that are not measured."""
    if not is_measured(item):
        stop_measuring()


def pytest_collection_finish(session):
    """Spare the collector what imports and collection made: it stays to the end.

    It runs less often, which saves a twentieth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(3_000, 10, 10)


def pytest_sessionfinish(session):
    """Collect once: pytest does so five times at its end, over all that imports made, too."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _libraries_start_quickly(tmp_path_factory):
    """A client is made in a few milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch, tmp_path_factory.mktemp("libraries"))
        yield


@pytest.fixture(autouse=True)
def _records_fit():
    """All records that the test has read or stored are as the schemas describe them."""
    yield
    assert take_misfits() == []


@pytest.fixture(autouse=True)
def _lane(request, _no_settings_of_the_machine, monkeypatch):
    """Without a fast lane, there is none in this process, nor in those it starts."""
    if request.config.getoption("--no-fast-lane") or not getattr(request, "param", True):
        monkeypatch.setenv("ASYNCLOAD_FAST_LANE", "0")

        async def no_lane(*arguments):
            return None

        monkeypatch.setattr("asyncload.s3.opening._open_lane", no_lane)


@pytest.fixture(autouse=True)
def _files_outlive_patches(request):
    """The test's folder is removed last, by functions of `os` that are no longer patched."""
    if "tmp_path" in request.fixturenames:
        request.getfixturevalue("tmp_path")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(_files_outlive_patches, monkeypatch):
    """Tests see none of the user's AWS and asyncload settings, nor a metadata service."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "ASYNCLOAD_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(scope="session")
def moto():
    """A moto server with a bucket."""
    with servers.moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs():
    """A SeaweedFS with a bucket."""
    with servers.seaweedfs() as server:
        yield server


@pytest.fixture(scope="session")
def rclone():
    """An `rclone serve s3` with a bucket: it takes what it is sent, and checks nothing."""
    with servers.rclone_s3() as server:
        yield server


@pytest.fixture(scope="session")
def ceph():
    """Ceph's RADOS Gateway with a bucket."""
    if missing := ceph_cluster.missing_packages():
        can_not = pytest.fail if os.environ.get("CI") else pytest.skip
        can_not(f"not installed: {' '.join(missing)}; `make ceph` installs them on Debian")
    with ceph_cluster.ceph_s3() as server:
        yield server


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    with headless_chromium() as browser:
        yield browser


SERVERS = [
    pytest.param("moto", marks=pytest.mark.moto),
    pytest.param("seaweedfs", marks=pytest.mark.seaweedfs),
]


@pytest.fixture(params=SERVERS)
def s3(request, monkeypatch):
    """Each server in turn, with the environment set so that the AWS chain finds it."""
    server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def layer():
    """A first key segment of the test's own: servers are shared."""
    return f"Raw-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def volume(tmp_path):
    """An empty folder for CSVs."""
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def unprivileged(volume, monkeypatch):
    """A context with no more rights on files than an ordinary user has, be the tests run by root.

    The volume is the working folder, because the folders above it may be closed to others.
    """
    monkeypatch.chdir(volume)
    yield without_rights
    for entry in volume.rglob("*"):
        if not entry.is_symlink():
            entry.chmod(0o700)
