"""A TCP gate before a server: does something else with the first connections than pass them on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def gate_before(
    port: int, first: int, act: Callable[[socket.socket], object]
) -> Iterator[tuple[int, list[int]]]:
    """Yields the gate's port, and a list that grows by one with each connection.

    The first `first` connections are handed to `act` and closed when the gate closes; the
    others are passed on to `port` on loopback.
    """
    connections: list[int] = []
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    held.callback(_close, client)
                    connections.append(len(connections) + 1)
                    if len(connections) <= first:
                        act(client)
                    else:
                        server = socket.create_connection(("127.0.0.1", port))
                        held.callback(_close, server)
                        for pair in ((client, server), (server, client)):
                            threading.Thread(target=_pass_on, args=pair, daemon=True).start()

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
    # Wakes whoever is blocked in it, too.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
