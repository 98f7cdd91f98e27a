"""Several processes load as one does: the same objects, records and manifest, however they end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest

import asyncload
from asyncload.model.values import FileFinished, ProcessesStarted
from asyncload.operations.requests import share_of
from asyncload.operations.workers.messages import (
    Ask,
    Channel,
    Credentials,
    End,
    Ended,
    News,
    Start,
)
from asyncload.operations.workers.processes import Interpreters
from asyncload.operations.workers.worker import WorkerBug
from asyncload.s3 import Lent
from asyncload.settings.run import Settings
from tests.support.loads import NOW, Recorder, write_files
from tests.support.processes import below, wait_for_end
from tests.support.program import spawn
from tests.support.vocabulary import check_lines, check_manifest

__all__ = ["spawn"]

DATE = "2022-05-02"
FILES = 240
MIB = 1024 * 1024


@pytest.fixture
def many(volume):
    """Small files in folders and at the top, an empty one, and two that are sent in parts."""
    write_files(volume, {f"d{n % 7}/{n:03}.csv": b"id|name\n%d|x\n" % n for n in range(FILES)})
    write_files(volume, {f"top{n}.csv": b"%d" % n * 50 for n in range(8)} | {"empty.csv": b""})
    for n in range(2):
        write_files(volume, {f"large{n}.csv": b"%15d\n" % n * (17 * MIB // 16)})
    return volume


def arguments(s3, volume, layer, *options):
    command = ["run", volume, "--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url]
    command += ["--layer", layer, "--date", DATE, "--json"]
    return [*command, "--manifest-prefix", f"_{layer}", *options]


def ended(process, timeout=100):
    out, err = process.communicate(timeout=timeout)
    assert "Traceback" not in err, err
    return process.returncode, check_lines(out), err


def by_path(entries):
    """Entries of files without what differs between two runs."""
    shared = ("run_id", "finished", "seconds")
    return {entry["path"]: {k: v for k, v in entry.items() if k not in shared} for entry in entries}


def files_of(records):
    return [record for record in records if record["type"] == "file"]


def manifest_of(s3, layer, run_id):
    key = f"_{layer}/{run_id}.json"
    return check_manifest(s3.objects(key)[key])


def test_two_processes_leave_what_one_does(s3, layer, many, spawn):
    """Objects, records and manifest are the same, and the summary but for its counts."""
    found = []
    for processes in (1, 2):
        run = spawn(*arguments(s3, many, layer, "--processes", processes, "--overwrite"))
        code, records, _ = ended(run)
        summary = records[-1]
        assert (code, summary["processes"]) == (0, processes)
        manifest = manifest_of(s3, layer, summary["run_id"])
        assert by_path(manifest["files"]) == {
            path: {k: v for k, v in entry.items() if k in manifest["files"][0]}
            for path, entry in by_path(files_of(records)).items()
        }
        totals = {
            name: summary[name]
            for name in ("files", "bytes", "uploaded", "verified_by", "failed", "excluded")
        }
        objects = s3.objects(f"{layer}/")
        bodies = {path.relative_to(many): path.read_bytes() for path in many.rglob("*.csv")}
        assert sorted(objects.values()) == sorted(bodies.values())
        found.append((objects, by_path(files_of(records)), totals))
        for key in objects:
            s3.client().delete_object(Bucket=s3.bucket, Key=key)
    assert found[0] == found[1]
    assert s3.open_uploads(f"{layer}/") == []


# In a program that uses the library, workers are new interpreters: it may have threads.


def settings(s3, layer, volume, **options):
    return asyncload.Settings(
        volume=volume,
        bucket=s3.bucket,
        endpoint_url=s3.endpoint_url,
        layer=layer,
        processes=2,
        manifest_prefix=f"_{layer}",
        **options,
    )


async def test_the_library_loads_in_processes_too(s3, layer, many):
    """With markers, whose removal and writing goes as in one process."""
    recorder = Recorder()
    first = await asyncload.load(
        settings(s3, layer, many, success_marker=True), observer=recorder, now=NOW
    )
    assert (first.exit_code, first.landed, first.processes) == (0, first.files, 2)
    assert ProcessesStarted(2) in recorder.events
    markers = [key for key in s3.objects(f"{layer}/") if key.endswith("/_SUCCESS")]
    assert len(markers) == 7 + 8 + 1 + 2
    # One file changes: its partition loses the marker, and gets none as the file fails.
    (many / "d3/003.csv").write_bytes(b"other bytes")
    again = await asyncload.load(settings(s3, layer, many, success_marker=True), now=NOW)
    assert (again.counts["unchanged"], again.counts["failed"]) == (first.files - 1, 1)
    left = [key for key in s3.objects(f"{layer}/") if key.endswith("/_SUCCESS")]
    assert set(markers) - set(left) == {f"{layer}/Local/CSV/D3/2022/05/02/_SUCCESS"}
    changed = await asyncload.load(
        settings(s3, layer, many, success_marker=True, overwrite=True, limit_rate="1GiB"), now=NOW
    )
    assert (changed.replaced, changed.exit_code) == (1, 0)


async def test_without_processes_to_be_had_one_loads(s3, layer, many, monkeypatch):
    """The run says so."""

    def refuse(*_, **__):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("subprocess.Popen", refuse)
    report = await asyncload.load(settings(s3, layer, many), now=NOW)
    assert (report.exit_code, report.landed, report.processes) == (0, report.files, 1)
    assert "only 1 of 2 processes can be started" in report.warnings[-1].message


async def test_the_files_of_a_lost_worker_are_loaded_here_if_no_other_can_be_started(
    s3, layer, many, monkeypatch
):
    """Killed at the first outcome: then it has a batch."""
    started, popen = [], subprocess.Popen

    def start_one(*arguments, **options):
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr("subprocess.Popen", start_one)

    def observe(event):
        if isinstance(event, FileFinished):
            started[0].kill()

    report = await asyncload.load(settings(s3, layer, many), observer=observe, now=NOW)
    assert (report.exit_code, report.landed) == (0, report.files)
    said = " / ".join(warning.message for warning in report.warnings)
    assert "was killed by SIGKILL" in said
    assert "no worker process can be started in its place" in said
    bodies = {path.name: path.read_bytes() for path in many.rglob("*.csv")}
    assert {k.rsplit("/", 1)[-1]: v for k, v in s3.objects(f"{layer}/").items()} == bodies


async def test_an_observer_that_fails_ends_the_workers_too(s3, layer, many):
    """At an outcome of a worker or of this process."""
    pids, others = [], below(os.getpid())

    def observe(event):
        if isinstance(event, FileFinished):
            pids.extend(below(os.getpid()) - others)
            raise KeyError("enough")

    with pytest.raises(asyncload.ObserverFailed, match="enough"):
        await asyncload.load(settings(s3, layer, many), observer=observe, now=NOW)
    wait_for_end(pids)
    assert s3.open_uploads(f"{layer}/") == []


async def test_a_worker_that_can_not_open_the_volume_ends_the_run(s3, layer, many, monkeypatch):
    """Its error is the run's, as that of this process would be."""
    popen = subprocess.Popen

    def start_elsewhere(*arguments, **options):
        return popen(*arguments, **options, cwd="/")

    monkeypatch.setattr("subprocess.Popen", start_elsewhere)
    monkeypatch.chdir(many)
    with pytest.raises(asyncload.UsageError, match="does not exist"):
        await asyncload.load(settings(s3, layer, Path("d1")), now=NOW)


async def test_a_bug_in_a_worker_is_raised_with_its_traceback(s3, layer, many, monkeypatch):
    """As one in this process would be."""
    monkeypatch.setattr(
        "asyncload.operations.workers.fleet.Start", lambda settings, *rest: Start(None, *rest)
    )
    with pytest.raises(WorkerBug, match="AttributeError") as caught:
        await asyncload.load(settings(s3, layer, many), now=NOW)
    assert "in _open" in caught.value.__notes__[0]


async def test_members_and_disposal_work_in_all_processes(s3, layer, many):
    """Members of archives are loaded by any; each loaded file, and the archive, is deleted once."""
    with zipfile.ZipFile(many / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(40):
            archive.writestr(f"m{n:02}.csv", b"member|%d\n" % n * 99)
    recorder = Recorder()
    options = {"archives": True, "then": "delete", "date": "mtime"}
    report = await asyncload.load(settings(s3, layer, many, **options), observer=recorder, now=NOW)
    assert (report.exit_code, report.landed, report.processes) == (0, report.files, 2)
    assert list(many.rglob("*.csv")) == []
    assert not (many / "films.zip").exists()
    finished = [event for event in recorder.events if isinstance(event, FileFinished)]
    disposed = Counter(event.source.status if event.source else None for event in finished)
    assert disposed == {"deleted": report.files - 40 + 1, None: 39}
    bodies = {key.rsplit("/", 1)[-1]: body for key, body in s3.objects(f"{layer}/").items()}
    assert bodies["m07.csv"] == b"member|7\n" * 99


async def test_no_process_starts_anything_new_after_the_deadline(s3, layer, many, monkeypatch):
    """What was begun ends; the run says that files are left."""
    # For this process it is reached at once, when the worker has its first batch.
    monkeypatch.setattr("asyncload.aio.deadline.NOTHING_NEW_SECONDS", 1000)
    report = asyncload.Report()
    with pytest.raises(asyncload.DeadlineReached):
        await asyncload.load(settings(s3, layer, many, deadline=600), report=report)
    assert 0 < report.landed < report.files
    assert report.counts["failed"] == 0
    assert s3.open_uploads(f"{layer}/") == []


# A worker process whose other end is this test


async def ended_with(child):
    """Its exit status, once it has ended."""
    while (status := await child.status()) is None:
        pass
    return status


async def test_a_worker_without_a_usable_socket_ends():
    """As one whose program fails in any other way: with status 1, and silently."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sock:
        child = await Interpreters().start(sock)
    assert await ended_with(child) == 1


async def test_a_worker_that_ends_ignores_what_comes_too_late(volume):
    """An answer to a question that it no longer waits for, and another order to end."""
    loop = asyncio.get_running_loop()
    received, lost = asyncio.Queue(), asyncio.Event()
    channel = Channel(received.put_nowait, lost.set)
    ours, theirs = socket.socketpair()
    with theirs:
        child = await Interpreters().start(theirs)
    await loop.create_unix_connection(lambda: channel, sock=ours)
    # They have expired: it asks before its first request.
    lent = Lent("AKIA1", "secret", "token", NOW)
    options = {"volume": volume, "bucket": "lake", "endpoint_url": "http://127.0.0.1:9"}
    start = Settings(**options, region="us-east-1")
    channel.send(Start(start, share_of(start, 1, 2), lent, None))
    while not isinstance(message := await received.get(), Ask):
        assert isinstance(message, News)
    assert message.used == "AKIA1"
    channel.send(End(now=True))
    while not isinstance(message := await received.get(), Ended):
        assert isinstance(message, News)
    assert message.error is None
    channel.send(Credentials(lent, None))
    channel.send(End(now=True))
    channel.close()
    await lost.wait()
    assert await ended_with(child) == 0
