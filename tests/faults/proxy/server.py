"""The proxy itself: reads a request, does to it what was decided, and keeps the books."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
import struct
from collections import Counter
from urllib.parse import urlsplit

from tests.faults.proxy.call import Call, understand
from tests.faults.proxy.faults import Decide, Fault, Reply, no_fault
from tests.faults.proxy.http import read_head
from tests.faults.proxy.oracle import Oracle
from tests.faults.proxy.upstream import Upstream

_PIECE = 16 * 1024


class _Broken(Exception):
    """The connection was broken on purpose."""


class ChaosProxy:
    """Passes requests on to an S3 endpoint, with the Host that they were signed for.

    Attributes:
        decide: what is to happen to a call; may be replaced at any time.
        oracle: the judge of all requests.
        calls: the calls so far, in the order of their heads' arrival.
        body_bytes: bytes of bodies that were read, by operation.
        passed: calls that the server was asked, by operation.
    """

    def __init__(
        self,
        endpoint: str,
        decide: Decide = no_fault,
        oracle: Oracle | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(endpoint)
        self.decide = decide
        self.oracle = oracle or Oracle()
        self.calls: list[Call] = []
        self.body_bytes: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.url = ""
        self._host, self._port = parts.hostname, parts.port
        self._tls = tls
        self._attempts: Counter[tuple[str, str, int]] = Counter()

    def count(self, operation: str) -> int:
        """How many calls of this operation came."""
        return sum(call.operation == operation for call in self.calls)

    async def serve(self, ready: asyncio.Future[str], port: int = 0) -> None:
        """Serve on loopback until cancelled; `ready` gets the address."""
        async with asyncio.TaskGroup() as connections:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                connections.create_task(self._serve(reader, writer))

            server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=self._tls)
            # Connections inherit it. Otherwise the system may take megabytes of a body that is not
            # read, and a client can't tell an answer that came before its body from one after it.
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
            port = server.sockets[0].getsockname()[1]
            self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
            ready.set_result(self.url)
            try:
                await asyncio.Event().wait()
            finally:
                await _end(server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = Upstream(self._host, self._port)
        try:
            while await self._serve_one(reader, writer, upstream):
                pass
        except (_Broken, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            upstream.close()
            await _close(writer)

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
    ) -> bool:
        head = await read_head(reader)
        if head is None:
            return False
        call = self._count(understand(head))
        fault = self.decide(call) or Fault()
        if fault.before is not None:
            fault.before()
        while fault.until is not None and not fault.until():
            await asyncio.sleep(0.005)
        await asyncio.sleep(fault.delay)
        if fault.early:
            assert fault.reply is not None, "what is given early is given instead of the server's"
            await _give(fault.reply, fault, reader, writer, head.method)
            raise _Broken
        if "expect" in head.fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault.cut_request is not None:
            await reader.readexactly(min(max(0, fault.cut_request - len(head.raw)), head.length))
            await _break(fault, reader, writer)
        body = await self._read_body(reader, head.length, fault.rate)
        self.body_bytes[call.operation] += len(body)
        refusal = self.oracle.judge(call, body)
        if fault.reply is not None and not fault.apply:
            reply = fault.reply
        else:
            if fault.flip is not None and body:
                body = _flip(body, fault.flip)
                refusal = self.oracle.refusal(call, body)
            reply = refusal or await self._pass_on(call, body, fault, upstream)
        if fault.after is not None:
            fault.after()
        await _give(reply, fault, reader, writer, head.method)
        return True

    def _count(self, call: Call) -> Call:
        self._attempts[call.identity] += 1
        counted = dataclasses.replace(
            call, attempt=self._attempts[call.identity], number=len(self.calls) + 1
        )
        self.calls.append(counted)
        return counted

    async def _read_body(
        self, reader: asyncio.StreamReader, length: int, rate: float | None
    ) -> bytes:
        if rate is None:
            return await reader.readexactly(length)
        pieces = []
        for start in range(0, length, _PIECE):
            piece = await reader.readexactly(min(_PIECE, length - start))
            await asyncio.sleep(len(piece) / rate)
            pieces.append(piece)
        return b"".join(pieces)

    async def _pass_on(self, call: Call, body: bytes, fault: Fault, upstream: Upstream) -> Reply:
        for _ in range(1 + fault.twice):
            self.passed[call.operation] += 1
            reply = await upstream.ask(call, body)
        if reply.status < 300:
            self.oracle.settled(call)
        if fault.rewrite is not None:
            reply = fault.rewrite(reply)
        return fault.reply or reply


async def _give(
    reply: Reply,
    fault: Fault,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
) -> None:
    data = reply.to_bytes(with_body=method != "HEAD")
    cut = data if fault.cut_reply is None else data[: fault.cut_reply]
    if fault.trickle is None:
        writer.write(cut)
    else:
        for byte in cut:
            writer.write(bytes([byte]))
            await asyncio.sleep(1 / fault.trickle)
    await writer.drain()
    while reply.endless:
        writer.write(reply.endless)
        await writer.drain()
        # Not as fast as it can, so that a reader can stop before it runs out of memory.
        await asyncio.sleep(0.01)
    if fault.cut_reply is not None:
        await _break(fault, reader, writer)


async def _end(server: asyncio.Server) -> None:
    """End a server and all of its connections, those that have no task yet, too.

    asyncio's server closes none of its connections before Python 3.13, and leaks those that it has
    accepted but not begun when it is closed. A task that is cancelled before it starts closes
    nothing, and a TLS handshake has no task.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    # What was accepted gets its transport, its protocol and its task in one turn of the loop each.
    for _ in range(4):
        await asyncio.sleep(0)
    server.close()
    for transport in list(loop._transports.values()):
        transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass
    except asyncio.CancelledError:
        # Unread bytes can't be flushed.
        writer.transport.abort()
        raise


async def _break(fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if fault.how == "stall":
        # Until the client gives up and the proxy ends: nothing is read any more.
        await asyncio.Event().wait()
    if fault.how == "half-close" and writer.can_write_eof():
        writer.write_eof()
        while await reader.read(_PIECE):
            pass
    if fault.how == "reset":
        # Without lingering, closing sends RST instead of FIN.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()
    raise _Broken


def _flip(body: bytes, bit: int) -> bytes:
    damaged = bytearray(body)
    damaged[bit // 8 % len(body)] ^= 1 << bit % 8
    return bytes(damaged)
