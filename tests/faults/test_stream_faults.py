"""Standard streams that are full, closed, gone or not read: the load continues."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from tests.support.loads import write_files

FILES = 24

STREAMS = {
    "2>&-": False,
    ">&-": True,
    ">&- 2>&-": True,
    "<&- >&- 2>&-": True,
    "2>/dev/full": False,
    ">/dev/full": True,
    ">/dev/full 2>/dev/full": True,
    ">/dev/full 2>&-": True,
}
"""Redirections of a shell, and whether they take standard output away."""


def redirected(redirection):
    """A prefix for a command that has its standard streams redirected by a shell."""
    return ("sh", "-c", f'exec "$@" {redirection}', "sh")


@pytest.fixture
def files(volume):
    """Some files, and links that are told of on standard error."""
    write_files(volume, {f"{n:02}.csv": b"%d" % n for n in range(FILES)})
    (volume / "left.csv").symlink_to("out")


def run(spawn, arguments, redirection=""):
    process = spawn(*arguments, prefix=redirected(redirection))
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


@pytest.mark.fault("F1")
@pytest.mark.parametrize("redirection", STREAMS)
def test_a_load_continues_if_its_output_fails(lake, files, spawn, redirection):
    """All files land, and the exit code is the load's."""
    proxy = lake.proxy()
    words = [word for word in lake.arguments(proxy.url) if word != "--json"]
    code, _, err = run(spawn, words, redirection)
    assert (code, len(lake.server.objects(lake.layer))) == (0, FILES), err
    assert proxy.oracle.violations == []


@pytest.mark.fault("F1")
@pytest.mark.parametrize("redirection", STREAMS)
def test_a_json_report_that_is_cut_short_is_never_a_success(lake, files, spawn, redirection):
    """All files land; the exit code is 3 where the program that reads would lack some records."""
    proxy = lake.proxy()
    code, out, err = run(spawn, lake.arguments(proxy.url), redirection)
    assert len(lake.server.objects(lake.layer)) == FILES
    assert code == (3 if STREAMS[redirection] else 0), err
    if not STREAMS[redirection]:
        assert json.loads(out.splitlines()[-1])["uploaded"] == FILES
    if redirection == ">/dev/full":
        assert err.endswith(
            "warning: standard output is incomplete: No space left on device\n"
            "error: the JSON report on standard output is incomplete: No space left on device\n"
            "  hint: the command itself succeeded; run it again for a complete report\n"
        )


@pytest.mark.fault("F1")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_a_failure_keeps_its_exit_code_if_no_message_can_be_written(
    lake, files, volume, spawn, redirection
):
    """Quiet prints only failures, to standard error: the exit code is still 3."""
    (volume / os.fsdecode(b"latin-\xe9.csv")).write_bytes(b"1")
    proxy = lake.proxy()
    words = [word for word in lake.arguments(proxy.url, "--quiet") if word != "--json"]
    assert run(spawn, words, redirection)[0] == 3
    assert len(lake.server.objects(lake.layer)) == FILES


@pytest.mark.fault("F1")
@pytest.mark.parametrize("redirection", ["2>&-", ">&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("run", "--no-such-option"), 2),
        (("run", "nowhere", "--bucket", "lake"), 2),
        (("run", ".", "--bucket", "lake", "--dry-run", "--offline"), 0),
    ],
    ids=["help", "version", "option", "volume", "plan"],
)
def test_a_command_that_sends_nothing_ends_as_ever(
    volume, files, spawn, monkeypatch, redirection, words, code
):
    """Help, version, usage errors of each kind, and a plan."""
    monkeypatch.chdir(volume)
    assert run(spawn, words, redirection)[0] == code


@pytest.mark.fault("F1")
@pytest.mark.parametrize("command", ["verify", "clean", "dry run"])
def test_other_commands_whose_records_are_cut_short_do_not_end_as_a_success(
    lake, files, volume, spawn, command
):
    """The words of the same commands may be cut short."""
    landed = lake.load()
    options = ["--bucket", lake.server.bucket, "--layer", lake.layer]
    options += ["--endpoint-url", landed.proxy.url]
    if command != "clean":
        options = [volume, *options, "--date", "2022-05-02"]
    words = ["run", *options, "--dry-run"] if command == "dry run" else [command, *options]
    for redirection in (">/dev/full", ">&-"):
        assert run(spawn, words, redirection)[0] == 0
        assert run(spawn, [*words, "--json"], redirection)[0] == 3


@pytest.mark.fault("F1")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_is_gone_costs_no_file(lake, files, spawn, stream):
    """Of either stream; a report for a program that went away is not a success."""
    proxy = lake.proxy()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        os.close(reading)
        process = spawn(*lake.arguments(proxy.url), **{stream: pipe})
        process.communicate(timeout=60)
    assert process.returncode == (3 if stream == "stdout" else 0)
    assert len(lake.server.objects(lake.layer)) == FILES


# As a library might do it; the second put's number would be a connection's, were it free.
WRITES_TO_DESCRIPTORS = """
import os, sys
from asyncload.cli import main

read = os.preadv

def preadv(fd, buffers, offset):
    for standard in (1, 2):
        os.write(standard, b"words of a library\\n")
    return read(fd, buffers, offset)

os.preadv = preadv
sys.argv = ["asyncload", *sys.argv[4:]]  # behind the interpreter, -m and asyncload
main()
"""


@pytest.mark.fault("F1")
def test_no_connection_and_no_file_takes_the_number_of_a_closed_stream(lake, files, spawn, lane):
    """What is written to descriptors 1 and 2 by their numbers goes nowhere."""
    proxy = lake.proxy()
    prefix = (*redirected("<&- >&- 2>&-"), sys.executable, "-c", WRITES_TO_DESCRIPTORS)
    process = spawn(*lake.arguments(proxy.url, lane=lane), prefix=prefix)
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert proxy.oracle.violations == []
    bodies = set(lake.server.objects(lake.layer).values())
    assert bodies == {b"%d" % n for n in range(FILES)}


@pytest.mark.fault("F11")
def test_a_descriptor_that_does_not_block_loses_no_line(lake, files, spawn):
    """As programs that share a pipe with us may set it: its reader is waited for."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    proxy = lake.proxy()
    process = spawn(*lake.arguments(proxy.url), stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        # Not before the pipe must be full.
        while len(lake.server.objects(lake.layer)) < FILES:
            assert process.poll() is None
        records = [json.loads(line) for line in pipe]
    assert process.wait(20) == 0
    assert len([record for record in records if record["type"] == "file"]) == FILES


@pytest.mark.fault("F12")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_reader_that_does_not_read_delays_no_signal(volume, spawn, signum):
    """The process is waiting for room in a pipe, and ends nevertheless."""
    write_files(volume, {f"{n:04}.csv": b"" for n in range(1_000)})
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    words = ("run", volume, "--bucket", "lake", "--dry-run", "--offline", "--json")
    process = spawn(*words, stdout=writing)
    os.close(writing)
    # Once there is something, much more is about to be written.
    os.read(reading, 1)
    process.send_signal(signum)
    assert process.wait(20) == 128 + signum
    os.close(reading)


def on_a_terminal(words, term, stdout):
    """Run the program with standard error on a terminal; return its exit code and what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncload", *map(str, words)],
        stdout=stdout,
        stderr=theirs,
        env=dict(os.environ, TERM=term, COLUMNS="80", CI=""),
    )
    os.close(theirs)
    shown = bytearray()

    def read():
        # A terminal that was closed is an error, not the end of the input.
        with suppress(OSError):
            while piece := os.read(ours, 65_536):
                shown.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(60)
    reader.join(10)
    os.close(ours)
    return code, shown.decode()


@pytest.mark.fault("F13")
def test_a_live_display_takes_no_record_of_a_report(lake, files, tmp_path):
    """Standard output goes to its file, though standard error is a terminal."""
    proxy = lake.proxy()
    with (tmp_path / "report.jsonl").open("w") as report:
        code, shown = on_a_terminal(lake.arguments(proxy.url), "xterm", report)
    lines = (tmp_path / "report.jsonl").read_text().splitlines()
    assert (code, len([line for line in lines if '"type":"file"' in line])) == (0, FILES)
    assert "\x1b" in shown
    assert '"type"' not in shown


@pytest.mark.fault("I7")
@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_can_not_move_its_cursor_gets_plain_lines(lake, files, term):
    """As in an editor's shell: it hears how far the run is, and sees no control characters."""
    proxy = lake.proxy()
    code, shown = on_a_terminal(lake.arguments(proxy.url), term, subprocess.DEVNULL)
    assert code == 0
    assert f"found {FILES} CSVs" in shown
    assert "\x1b" not in shown
