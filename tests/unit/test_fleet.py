"""The processes of a run before and after the load, and at its ends; workers are scripted."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from asyncload.aio.shielding import Grace
from asyncload.errors import (
    AccessDenied,
    CredentialsMissing,
    DeadlineReached,
    Interrupted,
    OutOfMemory,
)
from asyncload.model.values import FileFinished, ProcessesStarted, Skipped, Warned
from asyncload.operations.load import Workers, _load
from asyncload.operations.opening import open_readers
from asyncload.operations.requests import Counted
from asyncload.operations.running import begin_run
from asyncload.operations.workers.fleet import fleet_of
from asyncload.operations.workers.forking import Forking, has_one_thread
from asyncload.operations.workers.messages import (
    Ask,
    Channel,
    Credentials,
    End,
    Ended,
    Load,
    News,
    Start,
)
from asyncload.operations.workers.processes import ForkServer, LocalProcess
from asyncload.operations.workers.worker import Worker
from asyncload.settings.run import Settings
from tests.support.loads import AT_ONCE, NOW, Recorder, write_files
from tests.support.memory_store import MemoryStore

NO_PROCESS = 2**30
"""More than the system's highest id."""


class Peer(LocalProcess):
    """The other end of a worker's socket: keeps what it receives, and answers as a test says."""

    def __init__(self, answer, pid=NO_PROCESS):
        super().__init__(pid)
        self.received = []
        self.status_known = asyncio.Event()
        self.status_known.set()
        self.closed = asyncio.Event()
        self._answer = answer
        self._reported = set()
        self._channel = Channel(self._receive, self.closed.set)

    async def connect(self, sock):
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._channel, sock=sock)

    def _receive(self, message):
        self.received.append(message)
        self._answer(self, message)

    def say(self, message):
        self._channel.send(message)

    def leave(self):
        self._channel.close()

    async def status(self):
        await self.status_known.wait()

    def of(self, kind):
        """The messages of a kind."""
        return [message for message in self.received if isinstance(message, kind)]

    @property
    def batches(self):
        return [load.batch.unpack() for load in self.of(Load)]

    @property
    def paths(self):
        """The paths of all files it was given."""
        return {upload.source.path for batch in self.batches for upload in batch.uploads}

    def finish(self):
        """Report the files of all batches that it has as skipped."""
        batches = [batch for batch in self.batches if batch.number not in self._reported]
        self._reported |= {batch.number for batch in batches}
        places = [(batch, n) for batch in batches for n in range(len(batch.uploads))]
        finished = [(batch.number, n, skipped(batch.uploads[n])) for batch, n in places]
        self.say(News(finished, [], [batch.number for batch in batches], Counted()))


def skipped(upload):
    outcome = Skipped(upload.source.path, upload.key, upload.source.size, "as the test says")
    return FileFinished(outcome, upload.partition, upload.dataset, 0.1, upload.source.size)


class Peers:
    """Starts a peer for each answer; None refuses to start one."""

    on_other_machines = False

    def __init__(self, *answers):
        self.started = []
        self._answers = list(answers)

    async def start(self, sock):
        answer = self._answers.pop(0)
        if answer is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        peer = Peer(answer)
        await peer.connect(sock.dup())
        self.started.append(peer)
        return peer

    async def all_closed(self):
        for peer in self.started:
            await peer.closed.wait()


def obedient(peer, message):
    """End when told to."""
    if isinstance(message, End):
        peer.say(Ended(None))


def leaves_at_start(peer, message):
    peer.leave()


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def lend_nothing(used):
    return None


def make_run(volume, recorder, processes, grace=None):
    settings = Settings(volume=volume, bucket="lake", manifest=False, processes=processes)
    run = begin_run(settings, recorder, NOW, Interrupted)
    if grace is not None:
        run.policy = replace(run.policy, grace=grace)
    return run


def warnings(recorder):
    return [event.message for event in recorder.events if isinstance(event, Warned)]


async def test_nothing_is_sent_once_a_channel_is_closed(caplog):
    """Others may end in the same turn of the loop, and each end resizes the shares of the rest."""
    ours, theirs = socket.socketpair()
    lost = asyncio.Event()
    channel = Channel(print, lost.set)
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
        channel.send(End(now=False))
        sent = theirs.recv(1024)
        channel.close()
        for _ in range(10):
            channel.send(End(now=False))
        await lost.wait()
        channel.send(End(now=False))
        assert sent
        assert not theirs.recv(1024)
    assert caplog.messages == []


# Before the load: workers start while the bucket is listed


@pytest.mark.fault("P11")
async def test_a_worker_that_is_lost_before_the_load_is_replaced(volume):
    """By one that waits for work, as the first did."""
    recorder, peers = Recorder(), Peers(leaves_at_start, obedient)
    async with fleet_of(make_run(volume, recorder, 2), peers, lend_nothing, 2):
        await until(lambda: len(peers.started) == 2 and peers.started[1].received)
    await peers.all_closed()
    (first, _), second = warnings(recorder)[0].split(": "), peers.started[1]
    assert first == f"the worker process {NO_PROCESS} has ended unexpectedly"
    assert [type(message) for message in second.received] == [Start, End]


@pytest.mark.fault("P11")
async def test_a_worker_that_is_lost_before_the_load_may_be_the_last_one(volume):
    """If no other can be started; then nothing is left to wait for at the end."""
    recorder, peers = Recorder(), Peers(leaves_at_start, None)
    async with fleet_of(make_run(volume, recorder, 2), peers, lend_nothing, 2):
        await until(lambda: len(warnings(recorder)) == 2)
    await peers.all_closed()
    assert ProcessesStarted(2) in recorder.events
    assert warnings(recorder)[1] == (
        f"no worker process can be started in its place: {os.strerror(errno.EAGAIN)}"
    )


@pytest.mark.fault("D6")
async def test_what_workers_say_and_ask_before_the_load(volume):
    """The same warning of several is emitted once; credentials that can't be renewed are an error.

    It is sent to the worker, whose request fails by it.
    """
    warned = Warned("the store is slow", "wait")

    def answer(peer, message):
        if isinstance(message, Start):
            peer.say(News([], [warned], [], Counted()))
            peer.say(Ask("AKIA1"))
        obedient(peer, message)

    async def lend(used):
        if used:
            raise CredentialsMissing(f"{used} can't be renewed", hint="log in")

    recorder, peers = Recorder(), Peers(answer, answer)
    async with fleet_of(make_run(volume, recorder, 3), peers, lend, 3):
        await until(lambda: all(peer.of(Credentials) for peer in peers.started))
    await peers.all_closed()
    assert warnings(recorder) == ["the store is slow"]
    for peer in peers.started:
        ((lent, error),) = peer.of(Credentials)
        assert lent is None
        assert (type(error), error.message) == (CredentialsMissing, "AKIA1 can't be renewed")


# The end


@pytest.mark.fault("P1")
async def test_a_worker_that_does_not_end_within_the_grace_is_killed(volume):
    """It may hang in a system call."""
    peers = Peers(lambda peer, message: None)
    run = make_run(volume, Recorder(), 2, Grace(0.01, minimum=0.01))
    with subprocess.Popen(["sleep", "600"]) as process:
        async with fleet_of(run, peers, lend_nothing, 2):
            # Of a process that does not listen.
            peers.started[0].pid = process.pid
        assert process.wait() == -signal.SIGKILL
    await peers.all_closed()


@pytest.mark.fault("P11")
async def test_a_worker_that_is_lost_at_the_end_is_not_replaced(volume):
    """The run ends as soon as the others have, and says nothing of it."""
    gate = []

    def lost(peer, message):
        peer.status_known.clear()
        gate.append(peer.status_known)
        peer.leave()

    def other(peer, message):
        if isinstance(message, End):
            gate[0].set()
            peer.say(Ended(None))

    recorder, peers = Recorder(), Peers(lost, other)
    run = make_run(volume, recorder, 3)
    async with fleet_of(run, peers, lend_nothing, 3) as fleet:
        await until(lambda: any(member.lost for member in fleet._members.values()))
    await peers.all_closed()
    assert len(peers.started) == 2
    assert warnings(recorder) == []


async def test_a_lost_worker_is_not_waited_for_once_another_has_ended_the_run(volume):
    """Nor killed: its process has ended, and its id may be another's by now."""

    def lost(peer, message):
        peer.status_known.clear()
        peer.leave()

    peers = Peers(lost, obedient)
    run = make_run(volume, Recorder(), 3, Grace(0.01, minimum=0.01))

    async def fail():
        async with fleet_of(run, peers, lend_nothing, 3) as fleet:
            await until(lambda: any(member.lost for member in fleet._members.values()))
            peers.started[0].pid = process.pid
            peers.started[1].say(Ended(AccessDenied("denied")))
            await asyncio.Event().wait()

    with subprocess.Popen(["sleep", "600"]) as process:
        with pytest.raises(AccessDenied):
            await fail()
        assert process.poll() is None
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    await peers.all_closed()


# The load


@asynccontextmanager
async def scripted(peers):
    yield peers


async def load(volume, processes, peers, recorder, monkeypatch):
    """Load nine small files, of which each worker gets some at first."""
    write_files(volume, {f"a/{n}.csv": b"%d" % n for n in range(9)})
    monkeypatch.setattr(
        "asyncload.operations.workers.wiring.starter_of", lambda *_: scripted(peers)
    )
    run = make_run(volume, recorder, processes)
    try:
        async with open_readers(run.settings) as readers:
            await _load(MemoryStore(), run, readers, AT_ONCE, Workers(None, lend_nothing))
    finally:
        await peers.all_closed()


@pytest.mark.fault("P11")
async def test_the_files_of_a_lost_worker_are_loaded_by_another_one(volume, monkeypatch):
    """If none can be started in its place."""

    def lost(peer, message):
        if isinstance(message, Load):
            peer.leave()

    def other(peer, message):
        # It does nothing until it has the files of the lost one, too.
        if isinstance(message, Load) and peers.started[0].paths <= peer.paths:
            peer.finish()
        obedient(peer, message)

    recorder, peers = Recorder(), Peers(lost, other, None)
    await load(volume, 3, peers, recorder, monkeypatch)
    first, second = peers.started
    assert first.paths
    assert len(recorder.statuses) == 9
    assert {p for p, status in recorder.statuses.items() if status == "skipped"} == second.paths


async def test_a_worker_that_had_no_time_for_all_files_ends_the_run_so(volume, monkeypatch):
    """Its files have no outcome: the next run loads them."""

    def answer(peer, message):
        if isinstance(message, Load):
            peer.say(News([], [], [message.batch.number], Counted()))
        obedient(peer, message)

    recorder, peers = Recorder(), Peers(answer)
    with pytest.raises(DeadlineReached):
        await load(volume, 2, peers, recorder, monkeypatch)
    given = peers.started[0].paths
    assert given
    assert not given & set(recorder.outcomes)
    assert set(recorder.statuses.values()) == {"uploaded"}


async def test_what_a_worker_finishes_while_the_run_ends_is_counted(volume, monkeypatch):
    """It gets no more work, and its own end does not change why the run has ended."""

    def refused(peer, message):
        if isinstance(message, Load):
            peer.say(Ended(AccessDenied("the first worker is denied")))

    def other(peer, message):
        if isinstance(message, End):
            peer.finish()
            peer.say(Ended(AccessDenied("the other worker is denied")))

    recorder, peers = Recorder(), Peers(refused, other)
    with pytest.raises(AccessDenied, match="first worker"):
        await load(volume, 3, peers, recorder, monkeypatch)
    second = peers.started[1]
    assert second.of(End) == [End(now=True)]
    assert second.paths
    assert {recorder.statuses[path] for path in second.paths} == {"skipped"}


# Copies of this process


async def test_a_process_with_other_threads_is_not_copied(volume):
    """Nor one whose threads the system does not list."""
    released = threading.Event()
    other = threading.Thread(target=released.wait)
    other.start()
    try:
        async with open_readers(Settings(volume=volume, bucket="lake")) as readers:
            assert not await Forking().end_threads(readers)
    finally:
        released.set()
        other.join()
    assert not has_one_thread(volume / "no-such-folder")


async def test_a_copy_that_ends_before_it_answers(volume):
    """No worker can be started, and no status is known; both are errors of the system."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = ForkServer(NO_PROCESS, ours)
    starting = asyncio.ensure_future(server.start(theirs))
    await asyncio.sleep(0)
    assert theirs.recv(8) == b"s"
    theirs.close()
    with pytest.raises(ConnectionError, match="has ended"):
        await starting
    assert await server.status(1) is None
    await server.end()


class Short:
    """Settings of a worker that has no memory left."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise MemoryError


async def test_a_worker_without_memory_ends_the_run_as_this_process_would():
    """The error says what to lower."""
    messages = []

    def receive(message):
        messages.append(message)
        if isinstance(message, Ended):
            channel.close()

    channel = Channel(receive, lambda: None)
    ours, theirs = socket.socketpair()
    worker = Worker()
    await worker.connect(theirs)
    await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
    channel.send(Start(Short(), None, None, None))
    async with asyncio.timeout(60):
        await worker.run()
    (error,) = [message.error for message in messages if isinstance(message, Ended)]
    assert (type(error), error.exit_code) == (OutOfMemory, 5)
    assert "--processes" in error.hint
