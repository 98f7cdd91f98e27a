"""A TCP gate before a server: what happens to connections before a byte of HTTP is sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial


@contextmanager
def gate_before(
    port: int, first: int, act: Callable[[socket.socket], object]
) -> Iterator[tuple[int, list[int]]]:
    """Yields the gate's port, and a list that grows by one with each connection.

    The first `first` connections are handed to `act` and closed when the gate closes; the
    others are passed on to `port` on loopback.
    """

    def serve(client: socket.socket, number: int, pass_on: Callable[[], object]) -> None:
        if number <= first:
            act(client)
        else:
            pass_on()

    with _gate(port, serve) as gate:
        yield gate


@contextmanager
def slow_gate_before(port: int, seconds: Callable[[int], float]) -> Iterator[tuple[int, list[int]]]:
    """The same, but each connection is passed on, the `n`-th after `seconds(n)`.

    It is accepted at once: only what the server would have said first is late, such as its side of
    a TLS handshake.
    """

    def serve(client: socket.socket, number: int, pass_on: Callable[[], object]) -> None:
        waiting = threading.Timer(seconds(number), pass_on)
        waiting.daemon = True
        waiting.start()

    with _gate(port, serve) as gate:
        yield gate


Serve = Callable[[socket.socket, int, Callable[[], object]], None]


@contextmanager
def _gate(port: int, serve: Serve) -> Iterator[tuple[int, list[int]]]:
    connections: list[int] = []
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as listener:

        def pass_on(client: socket.socket) -> None:
            # By then either end may be closed.
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port))
                held.callback(_close, server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    held.callback(_close, client)
                    connections.append(len(connections) + 1)
                    serve(client, len(connections), partial(pass_on, client))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            _close(listener)
            thread.join(10)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _close(one: socket.socket) -> None:
    # Wakes a thread that is blocked in it, too.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
