"""Signals that ask for the end: a clean end, a summary, the right exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from asyncload.aio.shielding import StrayCancellation
from asyncload.cli.signals import SIGNALS, exit_on_signals, run_interruptible
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, put_accepted, scripted_s3
from tests.support.vocabulary import check_manifest

CREATED = Answer(
    200,
    b'<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>u1</UploadId>'
    b"</InitiateMultipartUploadResult>",
)


class Stalls:
    """A store that takes small files and lets no part come to an end."""

    def __init__(self):
        self.part_reached = threading.Event()
        self.let_go = threading.Event()
        self.aborted = threading.Event()
        self.abort_hangs = False

    def __call__(self, request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "HEAD":
            return Answer(404)
        if request.method == "POST":
            return CREATED
        if request.method == "DELETE":
            self.aborted.set()
            if self.abort_hangs:
                self.let_go.wait(30)
            return Answer(204)
        if "partNumber" in request.query:
            self.part_reached.set()
            self.let_go.wait(30)
        return put_accepted(request)


@pytest.fixture
def stalled(volume, spawn, monkeypatch):
    """A run that has landed a small file and is stuck in the parts of a large one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    write_files(volume, {"small.csv": b"1", "large.csv": bytes(40 * 1024 * 1024)})
    store = Stalls()
    with scripted_s3(store) as (url, requests):
        process = spawn("run", volume, "--bucket", "lake", "--endpoint-url", url)
        assert store.part_reached.wait(60)
        while not any(r.path.endswith("small.csv") for r in requests):
            time.sleep(0.01)
        time.sleep(0.2)
        yield process, store, requests
        store.let_go.set()


ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGXCPU, 152)]


@pytest.mark.fault("C3", "I4")
@pytest.mark.parametrize(("signum", "code"), ENDS)
def test_the_first_signal_ends_a_run_cleanly(stalled, signum, code):
    """The upload is aborted, summary and record are written, the exit code says which.

    SIGHUP comes as the terminal is closed, SIGXCPU as a batch system's limit of CPU time is near.
    """
    process, store, requests = stalled
    os.kill(process.pid, signum)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert store.aborted.is_set()
    aborts = [n for n, request in enumerate(requests) if request.method == "DELETE"]
    # Beside the records of the runs are those of uploads.
    records = [n for n, request in enumerate(requests) if "/_asyncload/2" in request.path]
    assert aborts[0] < records[0]
    recorded = requests[records[0]]
    manifest = check_manifest(recorded.body)
    assert manifest["summary"]["exit_code"] == code
    assert manifest["summary"]["error"]["message"] == f"interrupted by {signum.name}"
    assert [entry["path"] for entry in manifest["files"]] == ["small.csv"]
    assert out.startswith("1 of 2 files are in the raw zone: 1 uploaded, 1 not reached")
    assert f"error: interrupted by {signum.name}\n  hint: uploaded files are kept" in err
    assert "Traceback" not in err


@pytest.mark.fault("C3")
@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(volume, spawn, monkeypatch, signum):
    """By `nohup`, or by a shell for background jobs: the run continues to its end."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    write_files(volume, {"a.csv": b"1"})
    reached, let_go = threading.Event(), threading.Event()

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "PUT":
            reached.set()
            let_go.wait(30)
        return put_accepted(request)

    ignoring = ("sh", "-c", f"trap '' {signum.name[3:]}; exec \"$@\"", "sh")
    with scripted_s3(answer) as (url, _):
        process = spawn("run", volume, "--bucket", "lake", "--endpoint-url", url, prefix=ignoring)
        assert reached.wait(60)
        for _ in range(2):
            os.kill(process.pid, signum)
        let_go.set()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("1 of 1 file is")


def test_the_second_signal_ends_a_run_at_once(stalled):
    """Even where the clean-up hangs."""
    process, store, _ = stalled
    store.abort_hangs = True
    os.kill(process.pid, signal.SIGTERM)
    assert store.aborted.wait(60)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    # Nothing is written any more: the end of the clean-up is not waited for.
    assert (process.returncode, out) == (143, "")


def test_a_clean_up_that_hangs_is_bounded(stalled):
    """After five seconds the run ends, and says what is left open."""
    process, store, _ = stalled
    store.abort_hangs = True
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "left open: multipart upload u1 of s3://lake/Raw/Local/CSV/Large/" in out


@pytest.mark.fault("C10")
def test_a_cancellation_that_no_signal_caused_is_a_bug():
    """The run must not end without a message, as if a user had interrupted it."""

    async def cancelled():
        raise asyncio.CancelledError

    before = {s: signal.getsignal(s) for s in SIGNALS}
    try:
        with pytest.raises(StrayCancellation, match="nothing requested it"):
            run_interruptible(cancelled())
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@pytest.mark.parametrize(("signum", "code"), ENDS)
def test_outside_of_a_run_a_signal_just_exits(signum, code):
    """With the code that says which."""
    before = {s: signal.getsignal(s) for s in SIGNALS}
    try:
        exit_on_signals()
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signum)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert ended.value.code == code


def test_a_signal_before_the_run_ends_the_program(volume, spawn):
    """While it starts, too: as process 1 of a container nothing else would."""
    process = spawn("run", volume, "--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    time.sleep(0.15)
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGTERM, 143)
    assert "Traceback" not in err


@pytest.mark.fault("I27")
@pytest.mark.parametrize(("signum", "code"), ENDS)
def test_a_signal_during_imports_ends_the_program_as_any_other(signum, code):
    """From the first module on that the commands need, and without a word."""
    script = f"""
import signal, sys, importlib.abc

class Raising(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "asyncload.cli.program":
            signal.raise_signal({int(signum)})

from asyncload.cli import main
sys.meta_path.insert(0, Raising())
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, b"", b"")
