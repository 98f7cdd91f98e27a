"""Eight containers with the variables of an Indexed Job load one volume, and one is killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncload.planning.keys import LAYOUTS, KeyLayout
from asyncload.planning.shards import Placement, Shard
from tests.container.conftest import let_all_read
from tests.container.docker_cli import docker, wait_until
from tests.container.test_load import HOST_NETWORK, settings_for
from tests.support.loads import NOW, write_files

pytestmark = [pytest.mark.docker, pytest.mark.nightly, pytest.mark.timeout(600)]

SHARDS = 8
KILLED = 2


@pytest.fixture
def exports(tmp_path, layer):
    """Small files, and for the shard that is killed one that takes minutes at its rate."""
    folder = tmp_path / "exports"
    write_files(folder, {f"{'abc'[n % 3]}/{n}.csv": f"{n}".encode() for n in range(60)})
    layout = KeyLayout(LAYOUTS["default"], layer, "Local", "CSV", NOW.date())
    shard = Placement(Shard(KILLED + 1, SHARDS), layout)
    names = (f"large/{n}.csv" for n in range(10_000))
    write_files(folder, {next(name for name in names if shard.holds(name)): bytes(16_000_000)})
    let_all_read(folder)
    return folder


@pytest.mark.seaweedfs
def test_eight_containers_of_which_one_is_killed(loader, seaweedfs, exports, layer):
    """One manifest of all shards, and `_SUCCESS` once, after the killed one was run again."""
    options = [*HOST_NETWORK, "-v", f"{exports}:/data:ro"]
    shared = settings_for(seaweedfs, layer, ASYNCLOAD_RUN=f"of-{layer}")
    of_run = shared | {"ASYNCLOAD_SHARD": f"auto/{SHARDS}", "ASYNCLOAD_SUCCESS_MARKER": "1"}

    def of_index(index, **more):
        return of_run | {"JOB_COMPLETION_INDEX": str(index), **more}

    slow = of_index(KILLED, ASYNCLOAD_LIMIT_RATE="64KiB")
    with loader.started(options=options, environment=slow) as (name, client):
        records = f"_asyncload/shards/of-{layer}/{KILLED + 1:05}/"
        wait_until(lambda: seaweedfs.objects(records) or client.poll() is not None, "it begins")
        docker("kill", name)
        client.communicate(timeout=60)
    ended = loader.run("report", options=HOST_NETWORK, environment=shared)
    assert (ended.returncode, "1 unfinished, 7 missing" in ended.stdout) == (3, True)

    def load(index):
        return loader.run(options=options, environment=of_index(index))

    with ThreadPoolExecutor(SHARDS) as threads:
        for ended in threads.map(load, range(SHARDS)):
            assert ended.returncode == 0, ended.stderr
    for _ in range(2):
        ended = loader.run("report", "--mark", options=HOST_NETWORK, environment=shared)
        assert ended.returncode == 0, ended.stderr
        assert "8 shards: 8 complete\n61 of 61 files are in the raw zone" in ended.stdout
    keys = list(seaweedfs.objects(f"{layer}/"))
    assert sum(key.endswith("/_SUCCESS") for key in keys) == 4
    assert sum(key.endswith(".csv") for key in keys) == 61
