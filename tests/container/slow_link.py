"""A slow way to a server, so that a test can act in the middle of an upload."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

_CHUNK = 16 * 1024
# Small, lest the kernel take megabytes off the sender that then lie here.
_KERNEL_BUFFER = 64 * 1024


class SlowLink:
    """Forwards TCP connections, each at `pace` bytes a second towards the server."""

    def __init__(self, server: tuple[str, int], pace: int) -> None:
        self.forwarded = 0
        self._server = server
        self._pace = pace
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.endpoint_url = "http://{}:{}".format(*self._listener.getsockname())

    def accept(self) -> None:
        """Serve until the listener is closed."""
        with suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def close(self) -> None:
        """Accept no more, and cut the connections, whose clients are to be gone by now."""
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client of the slow link is still there"

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            answers = self._start(self._copy, server, client)
            with suppress(OSError):
                while not self._closing.is_set() and (chunk := client.recv(_CHUNK)):
                    server.sendall(chunk)
                    self.forwarded += len(chunk)
                    self._closing.wait(len(chunk) / self._pace)
            _end(server)
            answers.join()

    @staticmethod
    def _copy(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(_CHUNK):
                client.sendall(chunk)
        _end(client)

    def _start(self, function, *arguments) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments)
        thread.start()
        self._threads.append(thread)
        return thread


def _end(connection: socket.socket) -> None:
    # The other side may have ended it before.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def slow_link(server: tuple[str, int], *, pace: int):
    """Give a slow link to a server, for as long as the context lasts."""
    link = SlowLink(server, pace)
    acceptor = threading.Thread(target=link.accept)
    acceptor.start()
    try:
        yield link
    finally:
        link.close()
        acceptor.join()
