"""A run on a Dask cluster whose scheduler and workers are in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import zipfile
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from distributed import Scheduler, Worker

import asyncload
from asyncload.model.values import FileFinished
from asyncload.model.version import VERSION
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.operations.workers.cluster import (
    Expected,
    connected,
    difference,
    is_private,
    samples,
)
from asyncload.operations.workers.remote import Proof, see
from asyncload.operations.workers.wiring import as_seen_from_elsewhere
from asyncload.settings.run import layout_of
from tests.support.loads import NOW, Recorder, write_files
from tests.support.processes import below
from tests.support.servers import free_port

pytestmark = pytest.mark.moto


@asynccontextmanager
async def dask(workers):
    """Run a scheduler and workers in this event loop."""
    async with Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
        started = [Worker(scheduler.address, host="127.0.0.1", nthreads=1) for _ in range(workers)]
        await asyncio.gather(*started)
        try:
            yield scheduler, started
        finally:
            for worker in started:
                await worker.close()


@pytest.fixture
def settings(moto, monkeypatch, volume, layer):
    """Make settings of a load of 40 files into moto."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    write_files(volume, {f"a/{n:02}.csv": b"id\n%d\n" % n for n in range(40)})

    def make(address, **options):
        return asyncload.Settings(
            volume=volume,
            bucket=moto.bucket,
            endpoint_url=moto.endpoint_url,
            layer=layer,
            manifest=False,
            dask=address,
            **options,
        )

    return make


@pytest.fixture
def plan(settings):
    """The plan of such a load, as the run makes it."""

    async def make(made):
        made = as_seen_from_elsewhere(made)
        async with open_readers(made) as readers:
            return made, await scan_plan(made, layout_of(made, NOW), readers, Recorder(), NOW)

    return make


def landed(moto, layer):
    return len(moto.objects(f"{layer}/"))


async def test_all_workers_of_a_cluster_load(settings, moto, layer, monkeypatch):
    """Each has a process, beside this one, and hears that this one lives."""
    monkeypatch.setattr("asyncload.operations.workers.cluster._PING_SECONDS", 0.01)
    async with dask(2) as (scheduler, _):
        report = await asyncload.load(settings(scheduler.address), now=NOW)
        assert scheduler.extensions["queues"].queues == {}
    assert (report.exit_code, report.landed, report.processes) == (0, 40, 3)
    assert report.warnings == []
    assert landed(moto, layer) == 40


async def test_one_file_needs_no_other_process(settings, moto, layer, volume):
    """But all workers have to be usable."""
    async with dask(1) as (scheduler, _):
        report = await asyncload.load(settings(scheduler.address, include="00.csv"), now=NOW)
    assert (report.landed, report.processes) == (1, 1)


async def test_a_run_whose_scheduler_is_lost_goes_on_here(settings, moto, layer, monkeypatch):
    """The workers are lost with it, and others can't be started."""
    monkeypatch.setattr("asyncload.operations.workers.cluster._LIST_SECONDS", 0.5)
    closing = []

    def observe(event):
        if isinstance(event, FileFinished) and not closing:
            closing.append(asyncio.ensure_future(scheduler.close()))

    async with dask(2) as (scheduler, _):
        report = await asyncload.load(settings(scheduler.address), now=NOW, observer=observe)
        await closing[0]
    assert (report.exit_code, report.landed) == (0, 40)
    assert landed(moto, layer) == 40


# What ends a run before anything is sent


async def refused(settings, error=asyncload.ClusterUnusable):
    with pytest.raises(error) as caught:
        await asyncload.load(settings, now=NOW)
    return caught.value


async def test_a_scheduler_out_of_reach(settings, moto, layer, monkeypatch):
    monkeypatch.setattr("asyncload.operations.workers.cluster._CONNECT_SECONDS", 0.1)
    address = f"tcp://127.0.0.1:{free_port()}"
    error = await refused(settings(address))
    assert error.message.startswith(f"--dask: no scheduler can be reached at {address}: ")
    assert (error.exit_code, landed(moto, layer)) == (5, 0)


async def test_a_cluster_without_workers(settings, moto, layer):
    async with dask(0) as (scheduler, _):
        error = await refused(settings(scheduler.address))
    assert error.message == f"--dask: the scheduler {scheduler.address} has no workers"
    assert landed(moto, layer) == 0


async def test_workers_with_another_version(settings, moto, layer, monkeypatch):
    """Whether they tell it or have none at all."""
    where = "asyncload.operations.workers.remote"
    async with dask(1) as (scheduler, (worker,)):
        monkeypatch.setattr(f"{where}.VERSION", "0.0.1")
        error = await refused(settings(scheduler.address))
        here = f"--dask: this process has asyncload {VERSION}, and the worker {worker.address}"
        assert error.message == f"{here} has 0.0.1"
        assert f"'asyncload-s3[dask]=={VERSION}'" in error.hint

        def missing():
            raise ModuleNotFoundError("No module named 'asyncload'")

        # As if it could not be imported there.
        monkeypatch.setattr(f"{where}.version_here", missing)
        error = await refused(settings(scheduler.address))
        assert error.message == (
            f"{here} can't run it: ModuleNotFoundError: No module named 'asyncload'"
        )
    assert landed(moto, layer) == 0


async def test_a_cluster_that_does_not_answer(settings, monkeypatch):
    monkeypatch.setattr("asyncload.operations.workers.cluster._ANSWER_SECONDS", 0)
    async with dask(1) as (scheduler, _):
        error = await refused(settings(scheduler.address))
    assert f"the cluster of {scheduler.address} does not answer: no answer in time" in error.message


async def test_without_dask(settings, monkeypatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    error = await refused(settings("tcp://127.0.0.1:8786"), asyncload.UsageError)
    assert error.hint == (
        f"run {sys.executable} -m pip install 'asyncload-s3[dask]', and the same on all workers"
    )


HERE = Proof([(1, 2, 3)], "http://store in us-east-1")


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (HERE, None),
        (asyncload.UsageError("the volume /v does not exist"), "can't load the volume: the volume"),
        (MemoryError("none"), "can't load the volume: none"),
        (HERE._replace(store="https://s3"), "would send to https://s3, and this process to http:"),
        (HERE._replace(files=["gone"]), "sees another volume at v: a.csv: gone"),
        (HERE._replace(files=[(1, 2, 4)]), "sees another volume at v: a.csv: it has other bytes"),
    ],
)
def test_what_a_worker_must_see(seen, what):
    """The same files, and the same store."""
    expected = Expected(asyncload.Settings(volume="v", bucket="lake"), ["a.csv"], HERE)
    found = difference(expected, seen)
    if what is None:
        assert found is None
    else:
        assert found[0].startswith(what)


async def test_files_are_compared_by_content_and_time(settings):
    """Those that can't be read have an error; times count unless they are not trusted."""
    made = settings(None)
    first, missing = (await see(made, ["a/00.csv", "no.csv"])).files
    assert "No such file" in missing
    file = made.volume / "a/00.csv"
    os.utime(file, ns=(1, 1))
    untrusted = replace(made, trust=("size",))
    without_time, _ = (await see(untrusted, ["a/00.csv", "no.csv"])).files
    (with_time,) = (await see(made, ["a/00.csv"])).files
    assert (without_time, with_time) == ((first[0], 0, first[2]), (first[0], 1, first[2]))


async def test_members_are_compared_by_their_archives(settings, plan, volume):
    """Their names have no file of their own."""
    with zipfile.ZipFile(volume / "z.zip", "w") as archive:
        archive.writestr("m.csv", b"1")
    _, planned = await plan(settings(None, archives=True, include="m.csv"))
    assert samples(planned) == ["z.zip"]


# One worker process after the other


async def test_workers_are_used_once_and_new_ones_are_compared(settings, plan, monkeypatch):
    """One that is not like this process is not used."""
    monkeypatch.setattr("asyncload.operations.workers.cluster._REPLACEMENT_SECONDS", 0.05)
    made, planned = await plan(settings(None))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with dask(1) as (scheduler, (first,)), connected(scheduler.address) as cluster:
            assert await cluster.compare(made, planned) == 1
            started = await cluster.start(theirs)
            assert started.name == f"the process of the Dask worker {first.address}"
            assert started.may_borrow
            with pytest.raises(OSError, match="no other Dask worker is free"):
                await cluster.start(theirs)
            async with Worker(scheduler.address, host="127.0.0.1", nthreads=1) as second:
                other, again = socket.socketpair()
                with other, again:
                    placed = await cluster.start(again)
                assert second.address in placed.name
            async with Worker(scheduler.address, host="127.0.0.1", nthreads=1):
                monkeypatch.setattr("asyncload.operations.workers.remote.VERSION", "0.0.1")
                with pytest.raises(OSError, match=r"has 0\.0\.1"):
                    await cluster.start(theirs)
            await scheduler.close()
            monkeypatch.setattr("asyncload.operations.workers.cluster._LIST_SECONDS", 0.1)
            with pytest.raises(OSError, match="does not answer"):
                await cluster.start(theirs)


@asynccontextmanager
async def started_on_a_cluster(made, planned):
    """Start a process on the only worker of a cluster; yields it and the ids of what it runs."""
    others = below(os.getpid())
    async with dask(1) as (scheduler, _), connected(scheduler.address) as cluster:
        await cluster.compare(made, planned)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            started = await cluster.start(theirs)
            while not (pids := below(os.getpid()) - others):
                await asyncio.sleep(0.01)
            yield started, pids


async def test_a_process_that_is_killed_has_a_status(settings, plan):
    """One that its run has given up has none, and ends when it hears nothing more."""
    made, planned = await plan(settings(None))
    async with started_on_a_cluster(made, planned) as (started, pids):
        os.kill(pids.pop(), signal.SIGKILL)
        while (status := await started.status()) is None:
            pass
        assert status == -signal.SIGKILL


async def test_a_process_without_its_run_ends(settings, plan, monkeypatch):
    """Its Dask worker hears nothing more of the run, which was killed or has given it up.

    It is killed if it does not end by itself.
    """
    monkeypatch.setattr("asyncload.operations.workers.remote._SILENCE_SECONDS", 0.1)
    monkeypatch.setattr("asyncload.operations.workers.processes._ANSWER_SECONDS", 0.1)
    made, planned = await plan(settings(None))
    async with started_on_a_cluster(made, planned) as (started, pids):
        os.kill(min(pids), signal.SIGSTOP)
        started.kill()
        assert await started.status() is None
        while pids & below(os.getpid()):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("tls://10.0.0.7:8786", True),
        ("wss://dask.example.com:443", True),
        ("tcp://10.0.0.7:8786", False),
        ("ws://dask.example.com:80", False),
    ],
)
def test_credentials_go_where_nobody_else_can_read_them(address, private):
    """Elsewhere workers ask their own AWS chain."""
    assert is_private(address) is private


def test_paths_are_the_same_for_all_processes(monkeypatch, tmp_path):
    """A relative one is relative to the folder of this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").touch()
    made = asyncload.Settings(volume="v", bucket="s3://lake/p", ca_bundle="ca.pem")
    seen = as_seen_from_elsewhere(made)
    assert (seen.volume, seen.ca_bundle) == (tmp_path / "v", tmp_path / "ca.pem")
    assert replace(seen, volume=made.volume, ca_bundle=made.ca_bundle) == made
    assert as_seen_from_elsewhere(asyncload.Settings(volume="v", bucket="lake")).ca_bundle is None
