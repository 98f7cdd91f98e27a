"""P1 to P10 of the catalogue: how a process may end, and what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from datetime import UTC, datetime

import pytest

import asyncload as library
from tests.faults.lake import fail_always
from tests.faults.proxy import Fault, clock_off_by
from tests.support.loads import Recorder, write_files
from tests.support.program import Ended


class StalledParts:
    """Lets small files land and no part come to an end."""

    def __init__(self, *, abort_too=False):
        self.reached = threading.Event()
        self.aborting = threading.Event()
        self.abort_too = abort_too

    def __call__(self, call):
        if call.operation == "UploadPart":
            return Fault(before=self.reached.set, cut_request=0, how="stall")
        if call.operation == "AbortMultipartUpload":
            stall = "stall" if self.abort_too else "reset"
            cut = 0 if self.abort_too else None
            return Fault(before=self.aborting.set, cut_request=cut, how=stall)
        return None


@pytest.fixture
def start(lake, spawn, volume, large_body):
    """Start the program; returns it once a part is under way and the small file landed."""
    write_files(volume, {"a.csv": b"id|name\n1|a\n", "l.csv": large_body})

    def begin(stalled):
        proxy = lake.proxy(stalled)
        process = spawn(*lake.arguments(proxy.url))
        assert stalled.reached.wait(60)
        while not lake.server.objects(lake.layer):
            time.sleep(0.02)
        time.sleep(0.2)
        return process, proxy

    return begin


def end(lake, process, proxy, seconds):
    """Wait for the end; returns exit code and what was left."""
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err
    ended = lake.look(Ended(process.returncode, out, err), proxy)
    assert list(ended.objects) == ["a.csv"]
    return ended


SIGNALS = [
    pytest.param(signal.SIGINT, 130, id="p1-sigint"),
    pytest.param(signal.SIGTERM, 143, id="p3-sigterm"),
]


@pytest.mark.fault("P1", "P3")
@pytest.mark.parametrize(("signum", "code"), SIGNALS)
def test_a_signal_ends_the_run_and_leaves_nothing_open(lake, start, signum, code):
    """No new work, the upload is aborted, the summary says what landed."""
    process, proxy = start(StalledParts())
    calls = len(proxy.calls)
    process.send_signal(signum)
    ended = end(lake, process, proxy, 60)
    assert ended.code == code
    assert ended.open_uploads == []
    assert ended.summary["uploaded"] == 1
    assert [call.operation for call in proxy.calls[calls:]] == ["AbortMultipartUpload"]


@pytest.mark.fault("P2")
@pytest.mark.parametrize(("signum", "code"), SIGNALS)
def test_a_second_signal_leaves_at_once(lake, start, signum, code):
    """Even where the abort hangs."""
    stalled = StalledParts(abort_too=True)
    process, _ = start(stalled)
    process.send_signal(signum)
    assert stalled.aborting.wait(60)
    process.send_signal(signum)
    out, _ = process.communicate(timeout=60)
    # The end of the abort is not waited for.
    assert process.returncode == code
    *_, summary = map(json.loads, out.splitlines())
    assert summary["error"]["message"].endswith(", before the clean-up had ended")


@pytest.mark.fault("P6")
def test_docker_stop_finds_the_run_gone_before_its_ten_seconds_are_over(lake, start):
    """SIGTERM, where not even the abort is answered: what is left open is told."""
    process, proxy = start(StalledParts(abort_too=True))
    process.terminate()
    ended = end(lake, process, proxy, 9)
    assert ended.code == 143
    assert ended.open_uploads == ["l.csv"]
    assert [upload["key"].endswith("l.csv") for upload in ended.summary["left_open"]] == [True]


@pytest.mark.fault("P7")
@pytest.mark.parametrize("seconds", [1200, -1200], ids=["slow", "fast"])
def test_a_clock_off_by_twenty_minutes_is_reported(lake, volume, seconds, lane):
    """If correcting it does not help: at most one more try, and a message on the clock."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(20)})
    always = clock_off_by(seconds, tolerated=-1)
    landed = lake.load(always, lane=lane)
    assert landed.code == 5
    assert landed.error["code"] == "RequestTimeTooSkewed"
    assert "clock" in landed.error["hint"]
    assert len(landed.proxy.calls) <= 2


@pytest.mark.fault("P7")
@pytest.mark.parametrize("seconds", [1200, -1200], ids=["slow", "fast"])
def test_a_clock_off_by_twenty_minutes_is_corrected(forgiving_lake, volume, seconds, lane):
    """The server's Date says what time it is: one corrected attempt, and all files land."""
    write_files(volume, {"a.csv": b"1"})
    landed = forgiving_lake.load(clock_off_by(seconds), lane=lane)
    assert landed.code == 0


@pytest.mark.fault("P8")
def test_a_closed_standard_output_makes_no_traceback(lake, volume, spawn):
    """The reader went away: the run uploads everything, and does not end as a success."""
    write_files(volume, {f"{n:03}.csv": b"%d" % n for n in range(300)})
    proxy = lake.proxy()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        os.close(reading)
        process = spawn(*lake.arguments(proxy.url), stdout=pipe)
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "Exception" not in err
    assert (
        "error: the JSON report on standard output is incomplete: the reader closed the pipe" in err
    )
    assert (process.returncode, len(lake.server.objects(lake.layer))) == (3, 300)


@pytest.mark.fault("P9")
def test_two_runs_at_once_do_no_harm(lake, volume, large_body, spawn):
    """One writes, the other finds the same bytes; together each object is written once."""
    write_files(volume, {"a.csv": b"1", "l.csv": large_body})
    write_files(volume, {f"d/{n:03}.csv": b"%d" % n for n in range(60)})
    proxy = lake.proxy(lambda call: Fault(delay=0.01))
    runs = [spawn(*lake.arguments(proxy.url)) for _ in range(2)]
    # Both to their end, before anything is looked at.
    words = [process.communicate(timeout=60) for process in runs]
    ended = []
    for process, (out, err) in zip(runs, words, strict=True):
        assert process.returncode == 0, err
        ended.append(lake.look(Ended(0, out, err), proxy))
        lake.check_promises(ended[-1])
    assert len(ended[0].objects) == 62
    by_status = {path: sorted(run.statuses[path] for run in ended) for path in ended[0].statuses}
    # Both may have resumed the same upload, and found it completed by either.
    assert by_status.pop("l.csv") in (["unchanged", "uploaded"], ["uploaded", "uploaded"])
    assert all(pair == ["unchanged", "uploaded"] for pair in by_status.values())


@pytest.mark.fault("P10")
def test_a_run_over_midnight_has_one_date(lake, volume, lane):
    """The date is taken once, at its start."""
    write_files(volume, {f"{n:03}.csv": b"%d" % n for n in range(40)})
    proxy = lake.proxy(fail_always("PutObject", Fault(delay=0.05)))
    settings = library.Settings(
        volume=volume,
        bucket=lake.server.bucket,
        endpoint_url=proxy.url,
        layer=lake.layer,
        concurrency=4,
        fast_lane=lane,
    )
    just_before = datetime(2022, 5, 2, 23, 59, 59, 900_000, tzinfo=UTC)
    recorder = Recorder()
    report = asyncio.run(library.load(settings, observer=recorder, now=just_before))
    assert report.exit_code == 0
    assert {key.split("/")[4:7] == ["2022", "05", "02"] for key in lake.server.objects(lake.layer)}
    dates = {"/".join(outcome.key.split("/")[4:7]) for outcome in recorder.outcomes.values()}
    assert dates == {"2022/05/02"}
