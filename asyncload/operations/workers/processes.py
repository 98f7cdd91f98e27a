"""Start worker processes: forked from a process without threads, or as new interpreters."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import NoReturn, Protocol, Self

from asyncload.operations.workers.forking import Forking
from asyncload.operations.workers.worker import IGNORED, work
from asyncload.source.readers import Readers

_START = b"s"
_NUMBER = 8
# In seconds.
_ANSWER_SECONDS = 2.0
_PAUSE = 0.001

_PROGRAM = """
import sys
sys.path[:] = sys.argv[2:]
from asyncload.operations.workers.processes import main
main(int(sys.argv[1]))
"""


class Started(Protocol):
    """A worker process that was started."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def may_borrow(self) -> bool:
        """Whether credentials may be sent to it."""

    async def status(self) -> int | None:
        """Return its exit status, negative for a signal; None if it does not end soon."""

    def kill(self) -> None:
        """End it at once."""


class Starter(Protocol):
    """Starts worker processes."""

    @property
    def on_other_machines(self) -> bool:
        """Whether the workers may be on other machines, with their own memory."""

    async def start(self, sock: socket.socket) -> Started:
        """Start a worker on one end of a pair of sockets, which the caller closes.

        Raises:
            OSError: no process can be started.
        """


class LocalProcess:
    """A process of this machine and user, by its id."""

    may_borrow = True

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def name(self) -> str:
        """See `Started`."""
        return f"the worker process {self.pid}"

    def kill(self) -> None:
        """See `Started`."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Interpreters:
    """Starts each worker as a new interpreter, which is safe in a process with threads.

    It takes as long as a start of asyncload.
    """

    on_other_machines = False

    def __init__(self) -> None:
        self._children: list[_Child] = []

    async def start(self, sock: socket.socket) -> Started:
        """See `Starter`."""
        fd = sock.fileno()
        # Not the path of a module: the program that uses this library may change its path.
        command = [sys.executable, "-c", _PROGRAM, str(fd), *sys.path]
        # Started in a millisecond: our own interpreter and program.
        child = _Child(
            subprocess.Popen(  # noqa: ASYNC220, S603
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[fd]
            )
        )
        self._children.append(child)
        return child

    async def end(self) -> None:
        """Wait a moment for the workers, which were told to end."""
        for child in self._children:
            await child.status()

    def kill(self) -> None:
        """Kill the workers that still run, and wait for their ends, which takes a moment."""
        for child in self._children:
            child.kill()
            child.wait()


class _Child(LocalProcess):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.pid)
        self._process = process

    async def status(self) -> int | None:
        """See `Started`."""
        await _wait_for(lambda: self._process.poll() is not None)
        return self._process.poll()

    def kill(self) -> None:
        """See `Started`. Its id may be that of another process once it has ended."""
        self._process.kill()

    def wait(self) -> None:
        """Wait for its end."""
        self._process.wait()


async def _wait_for(has_ended: Callable[[], bool]) -> None:
    """Wait a moment for the end of a process; a pipe or descriptor would wait no better."""
    clock = asyncio.get_running_loop().time
    until = clock() + _ANSWER_SECONDS
    while not has_ended() and clock() < until:  # noqa: ASYNC110  # see above
        await asyncio.sleep(_PAUSE)


def main(fd: int) -> NoReturn:
    """Work in a new interpreter, on the socket with this descriptor."""
    # As in the first process: what was imported lives to the end.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    work(socket.socket(fileno=fd))


class ForkServer:
    """A copy of this process, made while it had a single thread, that forks workers on request.

    A fork takes a millisecond, and the libraries are imported already. The copy keeps no file and
    no connection open, and ends when its socket is closed.
    """

    on_other_machines = False

    def __init__(self, pid: int, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._pid, self._socket = pid, sock
        self._asking = asyncio.Lock()

    @classmethod
    def fork(cls) -> Self:
        """Copy this process.

        Raises:
            OSError: the system can't start a process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:  # pragma: no cover  # coverage begins with the copy's next frame
                ours.close()
                _serve(theirs)
        return cls(pid, ours)

    async def start(self, sock: socket.socket) -> Started:
        """See `Starter`."""
        async with self._asking, asyncio.timeout(_ANSWER_SECONDS):
            socket.send_fds(self._socket, [_START], [sock.fileno()])
            pid = await self._read_number()
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return _Forked(self, pid)

    async def status(self, pid: int) -> int | None:
        """Return the exit status of a worker, negative for a signal; None if unknown."""
        with suppress(OSError):
            async with self._asking, asyncio.timeout(_ANSWER_SECONDS):
                self._socket.send(_pack(pid))
                return await self._read_number()
        return None

    async def _read_number(self) -> int:
        data = await asyncio.get_running_loop().sock_recv(self._socket, _NUMBER)
        if not data:
            raise ConnectionError("the process that starts workers has ended")
        return int.from_bytes(data, signed=True)

    async def end(self) -> None:
        """End the copy, and wait a moment for it and its workers."""
        self._socket.close()
        await _wait_for(self._has_ended)

    def _has_ended(self) -> bool:
        try:
            return os.waitpid(self._pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            # The program that started this one ignores SIGCHLD, and so does this one: then the
            # system keeps no exit status.
            return True


class _Forked(LocalProcess):
    def __init__(self, server: ForkServer, pid: int) -> None:
        super().__init__(pid)
        self._server = server

    async def status(self) -> int | None:
        """See `Started`."""
        return await self._server.status(self.pid)


def _serve(sock: socket.socket) -> NoReturn:
    """Fork workers until the other end of a socket is closed, then end."""
    try:
        for signum in IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        # The program may have been started with this one ignored: then no worker has a status.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _close_others(sock.fileno())
        while True:
            request, fds, _, _ = socket.recv_fds(sock, _NUMBER, 1)
            if not request:
                break
            sock.send(_pack(_fork_worker(sock, fds[0]) if fds else _status_of(request)))
        # Their processor time counts as this program's only once they were waited for.
        with suppress(ChildProcessError):
            while True:
                os.wait()
    finally:
        os._exit(0)


def _close_others(fd: int) -> None:
    """Close what this copy inherited, but for standard error and one descriptor.

    Connections must not outlive the process that opened them, and a reader of its output must not
    have to wait for its copies to end.
    """
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names only
        if int(entry) > 2 and int(entry) != fd:
            with suppress(OSError):
                os.close(int(entry))


def _fork_worker(sock: socket.socket, fd: int) -> int:
    """Return the worker's id, or a negative error number."""
    try:
        pid = os.fork()
    except OSError as error:
        os.close(fd)
        return -(error.errno or 1)
    if pid == 0:  # pragma: no cover  # coverage begins with the worker's next frame
        sock.close()
        work(socket.socket(fileno=fd))
    os.close(fd)
    return pid


def _status_of(request: bytes) -> int:
    _, status = os.waitpid(int.from_bytes(request, signed=True), 0)
    return os.waitstatus_to_exitcode(status)


def _pack(number: int) -> bytes:
    return number.to_bytes(_NUMBER, signed=True)


@asynccontextmanager
async def starter_of(forking: Forking | None, readers: Readers) -> AsyncIterator[Starter]:
    """Return how to start workers: as copies of this process if that is safe.

    Args:
        forking: prepares this process for it; None if it must not be copied.
        readers: have no work at present.
    """
    starter = await _fork_server(forking, readers) or Interpreters()
    try:
        yield starter
    finally:
        await starter.end()


async def _fork_server(forking: Forking | None, readers: Readers) -> ForkServer | None:
    if forking is not None and await forking.end_threads(readers):
        with suppress(OSError):
            return ForkServer.fork()
    return None
