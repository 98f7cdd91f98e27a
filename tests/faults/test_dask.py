"""A Dask cluster loads as the processes of one machine do, and its faults harm nothing."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.proxy import Fault
from tests.faults.test_worker_faults import StallsParts, check_whole
from tests.support.dask_cluster import dask_cluster
from tests.support.loads import write_files
from tests.support.processes import wait_for_end
from tests.support.program import Ended
from tests.support.vocabulary import check_manifest

SMALL = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, which know no credentials."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def volume_of_both(volume, large_body):
    """Small files, and one that is sent in parts."""
    write_files(volume, {f"s{n % 3}/{n:02}.csv": b"id|name\n%d|x\n" % n for n in range(SMALL)})
    write_files(volume, {"l.csv": large_body})
    return volume


class KillsAtPut:
    """Calls `kill` when the n-th put or part arrives; none comes through before workers run.

    By then each worker has files that it has not begun to send.
    """

    def __init__(self, cluster, number, kill, workers):
        self._cluster = cluster
        self._left = number
        self._kill = kill
        self._workers = workers
        self._are_running = False
        self._next = 0.0
        self._lock = threading.Lock()

    def __call__(self, call):
        if call.operation not in ("PutObject", "UploadPart") or "_asyncload" in call.key:
            return None
        with self._lock:
            self._left -= 1
            is_the_one = self._left == 0
        return Fault(until=partial(self._kill_once_all_run, is_the_one))

    def _kill_once_all_run(self, is_the_one):
        if not self._are_running and monotonic() > self._next:
            self._next = monotonic() + 0.05
            self._are_running = len(self._cluster.loading()) >= self._workers
        if self._are_running and is_the_one:
            self._kill()
        return self._are_running


def load(lake, spawn, cluster, decide=None, *options):
    """Run the program on a cluster; returns how it ended."""
    proxy = lake.proxy(*([decide] if decide else []))
    process = spawn(*lake.arguments(proxy.url, "--dask", cluster.address, *options))
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return lake.look(Ended(process.returncode, out, err), proxy)


def without_run(record):
    """A record of a file without what differs between two runs."""
    return {k: v for k, v in record.items() if k not in ("run_id", "finished", "seconds")}


def test_a_cluster_leaves_what_processes_do(lake, spawn, cluster, volume_of_both, manifests):
    """The same objects, records and manifest; the credentials are this process's."""
    found = []
    for options in (["--processes", 3], ["--dask", cluster.address]):
        proxy = lake.proxy()
        process = spawn(*lake.arguments(proxy.url, *options, "--overwrite", *manifests))
        out, err = process.communicate(timeout=100)
        landed = lake.look(Ended(process.returncode, out, err), proxy)
        check_whole(landed, volume_of_both)
        assert landed.summary["processes"] == 3
        (key,) = [k for k in lake.server.objects("_asyncload-") if landed.summary["run_id"] in k]
        manifest = check_manifest(lake.server.objects(key)[key])
        entries = {entry["path"]: without_run(entry) for entry in manifest["files"]}
        records = {path: without_run(record) for path, record in landed.files.items()}
        found.append((landed.by_key, records, entries))
        for each in landed.by_key:
            lake.server.client().delete_object(Bucket=lake.server.bucket, Key=each)
    assert found[0] == found[1]
    assert landed.open_uploads == []


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=pytest.mark.nightly) for n in (1, 2, 5, 9, 14)]
)
def test_a_killed_process_of_a_dask_worker_loses_nothing(
    lake, spawn, cluster, volume_of_both, number, manifests
):
    """Its Dask worker starts another one."""

    def kill():
        os.kill(cluster.loading()[0], signal.SIGKILL)

    killer = KillsAtPut(cluster, number, kill, 2)
    landed = load(lake, spawn, cluster, killer, *manifests)
    check_whole(landed, volume_of_both)
    (warning,) = landed.summary["warnings"]
    assert "was killed by SIGKILL: its unfinished files are loaded by another" in warning["message"]


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "number", [9, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 2, 5, 14))]
)
def test_a_killed_dask_worker_loses_nothing(
    lake, spawn, cluster, volume_of_both, number, manifests
):
    """The others, or this process, load its files; the run names it."""
    worker, address = cluster.start_worker()
    killer = KillsAtPut(cluster, number, worker.kill, 3)
    landed = load(lake, spawn, cluster, killer, *manifests)
    check_whole(landed, volume_of_both)
    said = [warning["message"] for warning in landed.summary["warnings"]]
    lost = f"the process of the Dask worker {address} has ended unexpectedly"
    assert said[0].startswith(lost)
    worker.wait()


@pytest.mark.nightly
@pytest.mark.fault("P3", "P17")
def test_a_signal_ends_the_processes_of_a_cluster_too(
    lake, spawn, cluster, volume_of_both, large_body
):
    """They abort their uploads, as those of one machine do."""
    write_files(volume_of_both, {"m.csv": large_body[::-1]})
    store = StallsParts(2)
    proxy = lake.proxy(store)
    process = spawn(*lake.arguments(proxy.url, "--dask", cluster.address))
    assert store.reached.wait(60)
    started = cluster.loading()
    assert started
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    landed = lake.look(Ended(process.returncode, out, err), proxy)
    assert landed.code == 128 + signal.SIGTERM
    assert "Traceback" not in err
    assert landed.open_uploads == []
    wait_for_end(started)


def test_a_worker_that_does_not_see_the_volume_is_refused(lake, spawn, cluster, volume):
    """Nothing is sent."""
    write_files(volume, {"a.csv": b"1"})
    # The one folder that is another one for each process.
    lake.volume = Path("/proc/self/cwd") / volume.name
    proxy = lake.proxy()
    process = spawn(*lake.arguments(proxy.url, "--dask", cluster.address), cwd=volume.parent)
    out, err = process.communicate(timeout=100)
    landed = lake.look(Ended(process.returncode, out, err), proxy)
    assert (landed.code, landed.objects) == (5, {})
    assert {call.operation for call in proxy.calls} == {"ListObjectsV2"}
    assert landed.error["kind"] == "ClusterUnusable"
    assert "the volume /proc/self/cwd/volume does not exist" in landed.error["message"]
