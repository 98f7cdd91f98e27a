"""The loop: one process, one thread, epoll, and no byte copied that nobody looks at.

README.md in the folder above has the measurements that this was chosen by.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from heapq import heappop, heappush

from benchmarks.null_server.connection import Connection
from benchmarks.null_server.ledger import Ledger

_BACKLOG = 1024
# With a larger buffer the kernel would take much of a part at once, whatever the rate.
_PACED_BUFFER = 512 * 1024


class NullServer:
    """A null S3 server on a loopback port.

    `delay` is the seconds from a request to its answer, `rate` the bytes a second that are read
    from each connection, `md5` says whether the ETag of a put is its MD5, as with S3 (else it is
    opaque, which costs nothing). `ledger` has what is there already, and the store's capacity.

    Raises:
        ValueError: TLS is to have a rate: what its records hold back would never be read.
    """

    def __init__(
        self,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        delay: float = 0.0,
        digests: bool = False,
        *,
        md5: bool = False,
        rate: float | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        if tls is not None and rate is not None:
            raise ValueError("a TLS connection can have no rate")
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        if rate is not None:
            # Connections inherit it.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PACED_BUFFER)
        self._tls = tls
        self._delay = delay
        self._digests = digests
        self._md5 = md5
        self._rate = rate
        self._ledger = ledger or Ledger()
        self._connections: dict[int, Connection] = {}
        self._resting: list[tuple[float, int, Connection]] = []
        self._late: deque[tuple[float, Connection, bytes]] = deque()
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the process is ended."""
        listener = self._listener.fileno()
        connections = self._connections
        while True:
            for number, events in self._epoll.poll(self._next_due()):
                if number == listener:
                    self._accept()
                    continue
                connection = connections[number]
                if events & select.EPOLLOUT:
                    connection.flush()
                if events & ~select.EPOLLOUT:
                    connection.receive()
                self._look_after(connection, number)

    def _accept(self) -> None:
        try:
            plain, _ = self._listener.accept()
        except OSError:
            return  # the client has gone again
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire: socket.socket = plain
        if self._tls:
            wire = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._connections[wire.fileno()] = Connection(
            wire, self._ledger, self._digests, self._md5, self._rate
        )
        self._epoll.register(wire.fileno(), select.EPOLLIN)

    def _look_after(self, connection: Connection, number: int) -> None:
        """Send what a connection has to say, now or later, and drop it when it has ended."""
        answer = connection.take_answer()
        if answer and self._delay:
            self._late.append((time.monotonic() + self._delay, connection, answer))
        elif answer:
            connection.send(answer)
        if connection.closed:
            del self._connections[number]
            # Closing takes it out of epoll, too.
            connection.close()
        elif connection.resting:
            self._epoll.modify(number, select.EPOLLOUT if connection.unsent else 0)
            heappush(self._resting, (connection.rests_until, number, connection))
        elif connection.watch_changed():
            self._watch(connection, number)

    def _watch(self, connection: Connection, number: int) -> None:
        writing = select.EPOLLOUT if connection.unsent else 0
        self._epoll.modify(number, select.EPOLLIN | writing)

    def _next_due(self) -> float | None:
        """Do what is due; return the seconds until something else is."""
        waits = [wait for wait in (self._send_late(), self._wake()) if wait is not None]
        return min(waits, default=None)

    def _wake(self) -> float | None:
        """Watch those again that have rested; return the seconds until the next one has."""
        while self._resting:
            due, number, connection = self._resting[0]
            left = due - time.monotonic()
            if left > 0:
                return left
            heappop(self._resting)
            if self._connections.get(number) is connection:
                self._watch(connection, number)
        return None

    def _send_late(self) -> float | None:
        """Send the answers that are due; return the seconds until the next one is."""
        while self._late:
            due, connection, answer = self._late[0]
            left = due - time.monotonic()
            if left > 0:
                return left
            self._late.popleft()
            if not connection.closed:
                number = connection.number
                connection.send(answer)
                self._look_after(connection, number)
        return None
