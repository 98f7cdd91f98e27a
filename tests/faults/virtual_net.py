"""A server in memory behind real connections of the fast lane, in virtual time.

`asyncload.s3.fast.connection` connects, writes and reads as ever; sockets, and the time that they
take, are made up. What happens to a connection or a request is drawn from a seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.proxy import draw

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

_ANSWERS = {
    "served": OK,
    "garbage": b"\0\1 this is not HTTP\r\n\r\n",
    "endless": OK.replace(b" 0\r\n\r\n", b" 999999999999\r\n\r\n"),
    "closing": OK.replace(b"content", b"connection: close\r\ncontent"),
    "twice": OK + OK,
    "idle": OK,
}
_ANSWERED = ("served", "closing", "twice", "idle")

Serve = Callable[[int], Awaitable[None]]


class Network:
    """Connections to one server.

    Args:
        seed: what their fates are drawn from.
        serve: does what a request with that number asks for; its answer then says so.

    Attributes:
        links: the connections that are open.
        met: what happened, and how often.
    """

    FATES = ("early", "garbage", "endless", "reset", "closing", "silent", "twice", "idle")
    """What may happen to a request, one in ten: answered before its body was read; answered by
    what is not HTTP, or does not end; reset; answered, and closed; not answered; answered twice;
    answered, and closed a moment later."""

    def __init__(self, seed: int, serve: Serve) -> None:
        self.links: set[Link] = set()
        self.met: dict[str, int] = {}
        self._seed = seed
        self._serve = serve
        self._connections = 0
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The server's own."""
        return self._serving

    async def connect(self, make_protocol: Callable[[], asyncio.Protocol]) -> Any:
        """Make a connection, as `loop.create_connection` does."""
        self._connections += 1
        share = draw("connect", self._seed, self._connections)
        if share < 0.05:
            self.note("refused")
            await asyncio.sleep(0.05)
            raise ConnectionRefusedError("simulated")
        if share < 0.15:
            # Around the time after which a connection is given up, by more and by less than what
            # it is then still waited for.
            self.note("slow")
            await asyncio.sleep(4.9 + 8 * (share - 0.05))
        elif share < 0.18:
            self.note("stuck")
            await asyncio.sleep(60)
        else:
            await asyncio.sleep(0.1 * share)
        protocol = make_protocol()
        link = Link(self, protocol)
        protocol.connection_made(link)
        return link, protocol

    def take(self, link: Link, number: int, whole: bool) -> bool:
        """Decide on a request whose head, or all of it, has arrived; return whether that is all."""
        share = draw("request", self._seed, number)
        fate = self.FATES[int(share * 10 * len(self.FATES))] if share < 0.1 else "served"
        if not whole and fate != "early":
            return False
        self.note(fate)
        task = asyncio.get_running_loop().create_task(self._answer(link, number, fate))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return True

    def note(self, what: str) -> None:
        self.met[what] = self.met.get(what, 0) + 1

    async def _answer(self, link: Link, number: int, fate: str) -> None:
        if fate == "early":
            link.unread = 64 * 1024
            link.receive(OK)
            return
        # A request may be done although its answer is of no use.
        if fate in _ANSWERED or draw("done", self._seed, number) < 0.5:
            await self._serve(number)
        if fate in _ANSWERS:
            link.receive(_ANSWERS[fate])
        if fate == "endless":
            while link in self.links:
                link.receive(b"x" * 16_384)
                await asyncio.sleep(0.01)
        elif fate == "reset":
            link.lose(ConnectionResetError("simulated"))
        elif fate == "idle":
            await asyncio.sleep(0.05)
            link.lose(None)

    async def drain(self) -> None:
        """Let the server finish what it has begun."""
        while self._serving:
            await asyncio.wait(self._serving)


class Link(asyncio.Transport):
    """One connection: what is written goes to the network, what comes from it to the protocol."""

    def __init__(self, network: Network, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.unread = 0
        self._network = network
        self._protocol = protocol
        self._data = bytearray()
        network.links.add(self)

    def write(self, data: Any) -> None:
        if self not in self._network.links:
            return
        self._data += data
        head, found, body = bytes(self._data).partition(b"\r\n\r\n")
        if not found:
            return
        number = int(head.split(b" ")[1].lstrip(b"/"))
        length = int(head.rpartition(b"content-length: ")[2])
        if self._network.take(self, number, len(body) == length):
            self._data.clear()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "socket" else default

    def fileno(self) -> int:
        """There is no socket that the kernel knows."""
        raise OSError

    def is_closing(self) -> bool:
        return self not in self._network.links

    def abort(self) -> None:
        self.lose(None)

    def close(self) -> None:
        self.lose(None)

    def receive(self, data: bytes) -> None:
        """Hand bytes to the protocol, as long as it listens."""
        if self in self._network.links:
            self._protocol.data_received(data)

    def lose(self, error: Exception | None) -> None:
        """Close it; the protocol hears of that in the loop's next turn."""
        if self in self._network.links:
            self._network.links.discard(self)
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
