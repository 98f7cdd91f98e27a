"""The event loop: one process, one thread, epoll, and no unnecessary copies.

README.md in the parent folder has the measurements behind this design.
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
# With a larger buffer the kernel would accept much of a part at once, despite the rate.
_PACED_BUFFER = 512 * 1024


class NullServer:
    """A null S3 server on a loopback port.

    `delay` is the time from a request to its answer in seconds, `rate` the number of bytes per
    second read from each connection. `md5` says whether the ETag of a put is its MD5, as in S3
    (otherwise it is opaque, which costs nothing). `ledger` has the existing objects and the store's
    capacity.

    Raises:
        ValueError: TLS with a rate is not supported: data held back in records would never be
            read.
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
            # Connections inherit this.
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
        """The address, without a slash at the end."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the process is terminated."""
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
            return  # the client has disconnected
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
        """Send a connection's data, now or later, and remove it after its end."""
        answer = connection.take_answer()
        if answer and self._delay:
            self._late.append((time.monotonic() + self._delay, connection, answer))
        elif answer:
            connection.send(answer)
        if connection.closed:
            del self._connections[number]
            # Closing also removes it from epoll.
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
        """Do everything that is due; return the seconds until the next event."""
        waits = [wait for wait in (self._send_late(), self._wake()) if wait is not None]
        return min(waits, default=None)

    def _wake(self) -> float | None:
        """Watch connections again whose rest is over; return the seconds until the next one."""
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
        """Send the answers that are due; return the seconds until the next one."""
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
