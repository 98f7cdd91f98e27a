"""Signals that ask for the end: a clean end, a summary, the right exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from asyncload.aio.shielding import StrayCancellation
from asyncload.cli.ending import Ending
from asyncload.cli.interruption import (
    SIGNALS,
    Signalled,
    exit_on_signals,
    hold_signals,
    ignore_signals,
)
from asyncload.cli.signals import run_interruptible
from asyncload.errors import Interrupted
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines, check_manifest


@pytest.fixture(autouse=True)
def _handlers():
    """The handlers of pytest, again after each test."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    yield
    exit_on_signals()
    for signum, handler in before.items():
        signal.signal(signum, handler)


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


@pytest.fixture(params=["text", "json"])
def output(request, monkeypatch):
    """The output of the runs."""
    monkeypatch.setenv("ASYNCLOAD_JSON", str(request.param == "json"))
    return request.param


def test_the_second_signal_ends_a_run_at_once(output, stalled):
    """Even if the clean-up hangs; a message and a summary are written nevertheless."""
    process, store, _ = stalled
    store.abort_hangs = True
    os.kill(process.pid, signal.SIGINT)
    assert store.aborted.wait(60)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    # The end of the clean-up is not waited for.
    assert process.returncode == 143
    assert "error: interrupted by SIGTERM, before the clean-up had ended\n" in err
    assert "multipart uploads may be left open" in err
    if output == "text":
        assert out == ""
    else:
        *files, summary = check_lines(out)
        assert [file["path"] for file in files] == ["small.csv"]
        assert (summary["exit_code"], summary["uploaded"], summary["not_reached"]) == (143, 1, 1)
        assert summary["error"]["message"].startswith("interrupted by SIGTERM")


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

    with pytest.raises(StrayCancellation, match="nothing requested it"):
        run_interruptible(cancelled())


@pytest.mark.parametrize(("signum", "code"), ENDS)
def test_outside_of_a_run_a_signal_just_exits(signum, code):
    """With the code that says which."""
    exit_on_signals()
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signum)
    assert ended.value.code == code


def test_a_signal_before_the_loop_runs_ends_what_runs_in_it():
    """One that arrives between the imports and the first step of a run must not get lost."""
    exit_on_signals()
    hold_signals()
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="interrupted by SIGTERM"):
        run_interruptible(asyncio.sleep(60))


def test_a_signal_after_the_summary_changes_nothing():
    """Its exit code is that of the process."""
    exit_on_signals()
    ignore_signals()
    signal.raise_signal(signal.SIGINT)


class Interrupts:
    """An output for machines during whose end a signal arrives."""

    def end(self, end):
        signal.raise_signal(signal.SIGINT)

    def close(self, seconds):
        raise AssertionError


def test_a_signal_at_the_end_of_a_command_is_in_its_summary(capsys):
    """The command had succeeded, but its exit code says that it was interrupted."""
    exit_on_signals()
    with pytest.raises(Signalled), Ending("run", bucket="lake", json=True) as ending:
        ending.outlets = [Interrupts()]
    (summary,) = check_lines(capsys.readouterr().out)
    assert (summary["exit_code"], summary["error"]["kind"]) == (130, "Interrupted")


def test_a_signal_before_the_run_ends_the_program(volume, spawn):
    """While it starts, too: as process 1 of a container nothing else would."""
    process = spawn("run", volume, "--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    time.sleep(0.15)
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGTERM, 143)
    assert "Traceback" not in err


def run_script(script, *arguments):
    """Run a script that may use the program; return exit code, standard output and error."""
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=False,
        capture_output=True,
        timeout=60,
        text=True,
    )
    return ended.returncode, ended.stdout, ended.stderr


RAISING = """
import signal, sys, importlib.abc
from asyncload.cli import main

class Raising(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{module}":
            for signum in {signals}:
                signal.raise_signal(signum)

sys.meta_path.insert(0, Raising())
main()
"""


@pytest.mark.fault("I27")
@pytest.mark.parametrize("module", ["asyncload.cli.program", "asyncload.operations.load"])
@pytest.mark.parametrize("asked", ["text", "json"])
def test_a_signal_during_imports_ends_the_program_as_any_other(module, asked):
    """From the first module on that the commands need: a message, a summary, an exit code."""
    options = ("--json", "--log-format", "json") if asked == "json" else ()
    code, out, err = run_script(
        RAISING.format(module=module, signals=[int(signal.SIGTERM)]),
        *("run", "/nowhere", "--bucket", "lake", *options),
    )
    assert code == 143
    if asked == "json":
        (summary,) = check_lines(out)
        assert (summary["command"], summary["exit_code"]) == ("run", 143)
        assert summary["error"]["message"] == "interrupted by SIGTERM"
        # After the end of the command, if it had begun.
        assert "interrupted by SIGTERM" in json.loads(err.splitlines()[-1])["message"]
    else:
        assert out == ""
        assert err.startswith("error: interrupted by SIGTERM\n  hint: ")


@pytest.mark.fault("I27")
@pytest.mark.parametrize(
    ("module", "signals", "code", "message"),
    [
        ("asyncload.cli.interruption", ["SIGINT"], 130, "interrupted by SIGINT"),
        ("asyncload.cli.program", ["SIGINT", "SIGTERM"], 143, "interrupted by SIGTERM"),
        (
            "asyncload.operations.load",
            ["SIGINT", "SIGTERM"],
            143,
            "interrupted by SIGTERM, before the clean-up had ended",
        ),
    ],
)
def test_signals_while_the_program_starts_have_a_message(module, signals, code, message):
    """Also those that arrive before it handles signals, and several."""
    script = RAISING.format(module=module, signals=[int(signal.Signals[name]) for name in signals])
    ended, out, err = run_script(script, "run", "/nowhere", "--bucket", "lake")
    assert (ended, out, err.splitlines()[0]) == (code, "", f"error: {message}")


EXITS = """
import atexit, os, signal
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
from asyncload.cli.interruption import exit_on_signals, exit_with
exit_on_signals()
{waits}
exit_with(3)
"""
WAITS = """
import threading, time
def wait():
    while threading.main_thread().is_alive():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
threading.Thread(target=wait).start()
"""


@pytest.mark.parametrize("waits", ["", WAITS], ids=["atexit", "thread"])
def test_a_signal_at_the_interpreters_end_keeps_the_exit_code(waits):
    """It is that of the summary, which is written; and nothing more is waited for."""
    assert run_script(EXITS.format(waits=waits)) == (3, "", "")


END_AT_ONCE = """
import signal, sys, time
from asyncload.cli.interruption import end_at_once
from asyncload.cli import program, streams

sys.argv = ["asyncload", "run", "--json"]
streams.guard_standard_streams()
program.prepare_last_words({words}, streams.hurry_standard_streams)
guard = streams.guard_of(sys.stdout)
guard.busy = True
end_at_once(signal.SIGINT)
print("the write ends", flush=True)
time.sleep(60)
"""


def test_a_second_signal_during_a_write_waits_for_its_end():
    """Otherwise the summary would be lost, or stand in the middle of a line."""
    code, out, err = run_script(END_AT_ONCE.format(words="program._end_at_once"))
    first, summary = out.splitlines()
    assert (code, first) == (130, "the write ends")
    assert check_lines(summary)[0]["exit_code"] == 130
    assert err.startswith("error: interrupted by SIGINT")


def test_a_process_ends_without_last_words_if_they_are_impossible():
    """After one and a half seconds."""
    assert run_script(END_AT_ONCE.format(words="lambda _: 1 / 0"))[0] == 130
