"""P11 to P13 of the catalogue: the processes of one run, and what their ends do to it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress

import pytest

from asyncload import DeadlineReached, Report, Settings
from asyncload import load as load_in_library
from asyncload.aio.deadline import Deadline
from asyncload.model.values import PartSent
from tests.faults.proxy import Fault
from tests.support.loads import write_files
from tests.support.processes import below, parents, wait_for_end, workers_of
from tests.support.program import Ended
from tests.support.scripted_s3 import EMPTY_LISTING, error, put_accepted, scripted_s3

SMALL = 60
MOMENTS = ("before", "after")


class KillsWorkers:
    """Kills a worker of a run when its n-th put or part arrives, or was done; or at each of them.

    Of the requests that one process makes: the others wait meanwhile for no one.
    """

    def __init__(self, number, moment="before", *, again=False):
        self.number = number
        self.moment = moment
        self.again = again
        self.process = None
        self.killed = []
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, call):
        if call.operation not in ("PutObject", "UploadPart") or "_asyncload" in call.key:
            return None
        with self._lock:
            self._seen += 1
            if self._seen < self.number or (self.killed and not self.again):
                return None
            self.killed.append(None)
        return Fault(**{self.moment: self._kill})

    def _kill(self):
        # The first time there must be one; later the run may be about to end.
        workers = workers_of(self.process.pid, 0 if self.again else 1)
        for worker in workers[:1]:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


@pytest.fixture
def volume_of_both(volume, large_body):
    """Small files, and two that are sent in parts."""
    write_files(volume, {f"s{n % 3}/{n:02}.csv": b"id|name\n%d|x\n" % n for n in range(SMALL)})
    write_files(volume, {"l.csv": large_body, "m.csv": large_body[::-1]})
    return volume


def load(lake, spawn, killer, *options, **started):
    """Run the program with workers; returns how it ended, and the proxy before the store."""
    proxy = lake.proxy(killer)
    killer.process = spawn(*lake.arguments(proxy.url, "--processes", 2, *options), **started)
    out, err = killer.process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return lake.look(Ended(killer.process.returncode, out, err), proxy)


def check_whole(landed, volume):
    """All files are there, each with one outcome, and none was harmed."""
    assert landed.code == 0, landed.ended.err
    assert landed.objects == {path.name: path.read_bytes() for path in volume.rglob("*.csv")}
    paths = [record["path"] for record in landed.records if record["type"] == "file"]
    assert sorted(paths) == sorted(str(p.relative_to(volume)) for p in volume.rglob("*.csv"))
    assert set(landed.statuses.values()) <= {"uploaded", "unchanged"}
    assert landed.proxy.oracle.violations == []


@pytest.mark.fault("P11")
@pytest.mark.parametrize("number", [1, 2, 9, 33, 50])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_worker_loses_nothing(lake, spawn, volume_of_both, manifests, number, moment):
    """Another one loads the rest, finds what is there, and resumes; the run says what happened."""
    killer = KillsWorkers(number, moment)
    landed = load(lake, spawn, killer, *manifests)
    check_whole(landed, volume_of_both)
    (warning,) = landed.summary["warnings"]
    assert "was killed by SIGKILL" in warning["message"]
    # An upload that was not recorded by then may stay open; the run tells it.
    told = Counter(left["key"].rsplit("/", 1)[-1] for left in landed.summary["left_open"])
    still_open = Counter(landed.open_uploads)
    assert told <= still_open
    # But not one whose id died with the worker: its file then goes by a second upload.
    creates = Counter(
        call.key.rsplit("/", 1)[-1]
        for call in landed.proxy.calls
        if call.operation == "CreateMultipartUpload"
    )
    for name, count in (still_open - told).items():
        assert (count, creates[name]) == (1, 2)
    assert landed.summary["processes"] == 2


@pytest.mark.fault("P11")
def test_an_upload_that_can_not_be_resumed_is_told(lake, spawn, volume_of_both):
    """Without records its owner is unknown: another run may be sending it."""
    landed = load(lake, spawn, KillsWorkersAtParts(), "--no-manifest")
    check_whole(landed, volume_of_both)
    told = [left["key"].rsplit("/", 1)[-1] for left in landed.summary["left_open"]]
    assert told == landed.open_uploads
    assert len(told) == 1


class KillsWorkersAtParts(KillsWorkers):
    """Kills a worker when parts of both large files have arrived: one of them is its own."""

    def __init__(self):
        super().__init__(1)
        self._keys = set()

    def __call__(self, call):
        if call.operation != "UploadPart" or self.killed:
            return None
        self._keys.add(call.key)
        if len(self._keys) < 2:
            return None
        self.killed.append(None)
        return Fault(before=self._kill)


@pytest.mark.fault("P12")
def test_workers_that_are_killed_again_and_again_end_the_run(lake, spawn, volume_of_both):
    """With a clear error, not in a loop; what landed stays."""
    landed = load(lake, spawn, KillsWorkers(1, again=True))
    assert landed.code == 5
    assert landed.error["kind"] == "WorkersLost"
    assert "was killed by SIGKILL, as did 2 others" in landed.error["message"]
    assert "--processes 1" in landed.error["hint"]
    assert set(landed.objects) <= {path.name for path in volume_of_both.rglob("*.csv")}


class HoldsRecords(KillsWorkers):
    """Kills a worker when both large files are being recorded; their records arrive after it.

    They arrive when the parts of a lost upload are listed: another process is to resume it.
    """

    def __init__(self):
        super().__init__(1)
        self._held = []
        self._lists_parts = threading.Event()

    def __call__(self, call):
        if call.operation == "ListParts":
            self._lists_parts.set()
        if call.operation != "PutObject" or "/uploads/" not in call.key:
            return None
        with self._lock:
            self._held.append(call.key)
            is_last = len(self._held) == 2
        return Fault(before=self._kill if is_last else None, until=self._lists_parts.is_set)


@pytest.mark.fault("P11")
def test_an_upload_whose_record_arrives_late_is_not_told(lake, spawn, volume_of_both, manifests):
    """What a worker had sent last may be stored after it was lost: the run looks at its end."""
    landed = load(lake, spawn, HoldsRecords(), *manifests)
    check_whole(landed, volume_of_both)
    assert len(landed.summary["warnings"]) == 1
    assert landed.summary["left_open"] == []


class StallsParts:
    """A store that takes small files and lets no part come to an end."""

    def __init__(self, parts):
        self.reached = threading.Event()
        self._parts = parts
        self._keys = set()

    def __call__(self, call):
        if call.operation != "UploadPart":
            return None
        self._keys.add(call.key)
        if len(self._keys) == self._parts:
            self.reached.set()
        return Fault(cut_request=0, how="stall")


@pytest.fixture
def stalled(lake, spawn, volume_of_both):
    """A run whose two processes are each in the parts of a large file."""
    store = StallsParts(2)
    proxy = lake.proxy(store)
    process = spawn(*lake.arguments(proxy.url, "--processes", 2), start_new_session=True)
    assert store.reached.wait(60)
    return process, proxy


@pytest.mark.fault("P1", "P3", "P11")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_ends_the_run_as_one(lake, stalled, signum):
    """As a terminal sends it: uploads of both are aborted, and one summary says what happened."""
    process, proxy = stalled
    family = below(process.pid)
    assert len(family) == 2
    os.killpg(process.pid, signum)
    out, err = process.communicate(timeout=60)
    landed = lake.look(Ended(process.returncode, out, err), proxy)
    assert landed.code == 128 + signum
    assert "Traceback" not in err
    assert landed.open_uploads == []
    assert landed.summary["error"]["message"] == f"interrupted by {signum.name}"
    assert landed.summary["left_open"] == []
    wait_for_end(family)


@pytest.mark.fault("P13")
def test_workers_of_a_killed_run_end(stalled):
    """They neither wait nor send anything more."""
    process, _ = stalled
    family = below(process.pid)
    assert len(family) == 2
    process.kill()
    process.communicate(timeout=60)
    wait_for_end(family)


@pytest.mark.fault("P11")
def test_a_run_whose_fork_server_was_killed_is_not_affected(lake, spawn, volume_of_both):
    """Its workers need it no more."""

    class KillsServer(KillsWorkers):
        def _kill(self):
            (worker,) = workers_of(self.process.pid)
            os.kill(parents()[worker], signal.SIGKILL)

    landed = load(lake, spawn, KillsServer(1))
    check_whole(landed, volume_of_both)


@pytest.mark.fault("P11")
def test_a_worker_that_is_killed_after_the_fork_server(lake, spawn, volume_of_both):
    """Nothing is known about its end, and no other can be started: its files are loaded here."""

    class KillsBoth(KillsWorkers):
        def _kill(self):
            (worker,) = workers_of(self.process.pid)
            for pid in (parents()[worker], worker):
                os.kill(pid, signal.SIGKILL)

    landed = load(lake, spawn, KillsBoth(1))
    check_whole(landed, volume_of_both)
    lost, alone = (warning["message"] for warning in landed.summary["warnings"])
    assert "has ended unexpectedly: its unfinished files" in lost
    assert "no worker process can be started in its place" in alone


@pytest.mark.fault("P11")
def test_a_program_that_was_started_without_sigchld(lake, spawn, volume_of_both):
    """As by one that ignores it: the run ends as it should, and the status of workers is known."""
    killer = KillsWorkers(9)
    landed = load(
        lake, spawn, killer, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    )
    check_whole(landed, volume_of_both)
    (warning,) = landed.summary["warnings"]
    assert "was killed by SIGKILL" in warning["message"]


# Runs asyncload in a system that allows only so many forks of one process.
FEW_FORKS = """import errno, os, sys
left, fork = int(sys.argv[1]), os.fork

def limited():
    global left
    if not left:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    left -= 1
    return fork()

os.fork = limited
del sys.argv[1:5]
from asyncload.cli import main
main()
"""


@pytest.mark.parametrize(
    ("forks", "processes", "warned"), [(0, 2, []), (1, 1, ["only 1 of 2 processes can be started"])]
)
def test_processes_that_can_not_be_forked(lake, spawn, volume_of_both, forks, processes, warned):
    """Workers are new interpreters if this process can't be copied; a copy may have none."""
    prefix = [sys.executable, "-c", FEW_FORKS, str(forks)]
    landed = load(lake, spawn, KillsWorkers(10**9), prefix=prefix)
    check_whole(landed, volume_of_both)
    assert landed.summary["processes"] == processes
    said = [warning["message"] for warning in landed.summary["warnings"]]
    assert [message.split(": ")[0] for message in said] == warned


class KeepsFirstParts:
    """A store that takes the first part of a file once two uploads are recorded, and no other.

    So an upload whose first part was acknowledged was recorded before.
    """

    def __init__(self):
        self._recorded = set()

    def __call__(self, call):
        if call.operation == "PutObject" and "/uploads/" in call.key:
            return Fault(after=lambda: self._recorded.add(call.key))
        # Not those that probe the store.
        if call.operation != "UploadPart" or "_asyncload" in call.key:
            return None
        if call.part > 1:
            return Fault(cut_request=0, how="stall")
        return Fault(until=lambda: len(self._recorded) == 2)


@pytest.mark.fault("T2")
async def test_the_deadline_ends_the_uploads_of_all_processes(lake, volume_of_both, monkeypatch):
    """Each leaves its upload open, with the parts it has, for the next run to resume."""
    deadlines, parts = [], set()

    class Known(Deadline):
        def __init__(self, seconds=None):
            super().__init__(seconds)
            deadlines.append(self)

    def observe(event):
        if isinstance(event, PartSent):
            parts.add(event.path)
            if len(parts) == 2:
                # The time is over now.
                deadlines[0]._timeout.reschedule(0)

    monkeypatch.setattr("asyncload.operations.run.Deadline", Known)
    settings = Settings(
        volume=volume_of_both,
        bucket=lake.server.bucket,
        endpoint_url=lake.proxy(KeepsFirstParts()).url,
        layer=lake.layer,
        manifest_prefix=f"_asyncload-{lake.layer}",
        deadline=600,
        processes=2,
    )
    report = Report()
    with pytest.raises(DeadlineReached):
        await load_in_library(settings, observer=observe, report=report)
    left = [key.rsplit("/", 1)[-1] for key in lake.server.open_uploads(f"{lake.layer}/")]
    assert sorted(left) == ["l.csv", "m.csv"]
    assert [each.reason for each in report.left_open] == ["the next run resumes it"] * 2


@pytest.fixture
def keys(monkeypatch):
    """Credentials for a store that checks none."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def run_against(answer, spawn, volume, *options):
    """Run the program with workers against a scripted store."""
    with scripted_s3(answer) as (url, requests):
        command = ["run", volume, "--bucket", "lake", "--endpoint-url", url, "--json"]
        process = spawn(*command, "--processes", 2, "--no-manifest", *options)
        out, err = process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return process.returncode, out, err, requests


def test_a_refusal_in_a_worker_ends_the_run(volume, spawn, keys):
    """The worker's first file is denied: the exit code is that of a run in one process."""
    write_files(volume, {f"a/{n:03}.csv": b"%d" % n for n in range(40)})

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "PUT" and request.path.endswith("/000.csv"):
            return error(403, "AccessDenied")
        return put_accepted(request)

    code, out, err, _ = run_against(answer, spawn, volume)
    assert code == 5
    assert '"kind":"AccessDenied"' in out
    assert "000.csv" in err


PROCESS = """import json, os, pathlib, sys, time
log = pathlib.Path(sys.argv[1])
with log.open("a") as lines:
    lines.write("asked\\n")
count = len(log.read_text().splitlines())
if count > int(os.environ.get("ANSWERS", 9)):
    sys.exit("the login has expired")
print(json.dumps({"Version": 1, "AccessKeyId": f"AKIA{count}", "SecretAccessKey": "s",
                  "SessionToken": f"token{count}", "Expiration": "2099-01-01T00:00:00Z"}))
"""


@pytest.fixture
def asking(tmp_path, monkeypatch):
    """Credentials from a program, which may ask a person; its log has a line for each call."""
    program, log, config = (tmp_path / name for name in ("program.py", "log", "config"))
    program.write_text(PROCESS)
    config.write_text(f"[default]\ncredential_process = {sys.executable} {program} {log}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    return log


@pytest.mark.fault("D6")
def test_one_process_asks_for_credentials_and_lends_them(volume, spawn, asking):
    """A person is asked once for a run, however many processes it has."""
    write_files(volume, {f"a/{n:03}.csv": b"%d" % n for n in range(40)})

    def answer(request):
        return EMPTY_LISTING if request.method == "GET" else put_accepted(request)

    code, _, err, requests = run_against(answer, spawn, volume)
    assert code == 0, err
    assert asking.read_text() == "asked\n"
    assert {r.headers["x-amz-security-token"] for r in requests} == {"token1"}


@pytest.mark.fault("D6")
def test_credentials_that_expire_in_a_worker_are_renewed_once(volume, spawn, asking):
    """By the process that asks for them: the worker gets what that has, or makes it ask."""
    write_files(volume, {f"a/{n:03}.csv": b"%d" % n for n in range(40)})

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.headers["x-amz-security-token"] == "token1":
            return error(400, "ExpiredToken")
        return put_accepted(request)

    code, out, err, requests = run_against(answer, spawn, volume)
    assert code == 0, err + out
    assert asking.read_text() == "asked\n" * 2
    sent = [r for r in requests if r.method == "PUT"]
    assert {r.headers["x-amz-security-token"] for r in sent} == {"token1", "token2"}


@pytest.mark.fault("D6")
def test_credentials_that_expire_in_a_worker_and_can_not_be_renewed(
    volume, spawn, asking, monkeypatch
):
    """The error of the process that asks for them is that of the worker, and of the run."""
    monkeypatch.setenv("ANSWERS", "1")
    write_files(volume, {f"a/{n:03}.csv": b"%d" % n for n in range(40)})

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        # The worker's first file.
        if request.path.endswith("/000.csv"):
            return error(400, "ExpiredToken")
        return put_accepted(request)

    code, out, err, requests = run_against(answer, spawn, volume)
    assert code == 5, err + out
    assert '"kind":"CredentialsMissing"' in out
    assert "the login has expired" in err
    assert asking.read_text() == "asked\n" * 2
    assert sum(request.path.endswith("/000.csv") for request in requests) == 1
