"""HTTP/1.1 connections of the fast lane: one request at a time on each, reused afterwards.

A general HTTP client needs more time for a small put than all other work of a run. Here a request's
bytes are known in advance and the response is short; httptools parses it. Redirects, cookies,
proxies and decompression are not supported.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from asyncload.aio.shielding import run_to_end
from asyncload.s3.fast.sockets import unsent_bytes
from asyncload.store.rates import RateLimit

# Large writes take fewer turns of the event loop per byte than 64 KiB writes. asyncio encrypts a
# write as a whole before sending it, so an encrypted write should fit the processor's cache.
_WRITE = 2 * 1024 * 1024
_ENCRYPTED_WRITE = 1024 * 1024
# Up to this size, head and body are one write.
_JOINED = 64 * 1024
# In bytes: how much of a body is kept, and how much of a response is read.
MAX_BODY = 64 * 1024
_MAX_ANSWER = 2 * MAX_BODY
_CONNECT_SECONDS = 5.0
_CONNECT_GRACE = 0.5
# In seconds between the addresses of a host that has several (RFC 8305).
_NEXT_ADDRESS_SECONDS = 0.25


class Reply(NamedTuple):
    """A response: its status, its headers with names in lower case, and its body.

    A body over 64 KiB is truncated. `early`: the response began before the body of the request had
    been sent.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    early: bool = False


class Connection(asyncio.Protocol):
    """One connection. After a failure, or an early response, it can't be used again."""

    def __init__(self, rate: RateLimit | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._rate = rate
        self._lost: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._reply: asyncio.Future[Reply] | None = None
        self._room: asyncio.Future[None] | None = None
        self._usable = True
        self._headers: dict[str, str] = {}
        self._headed = self._written = self._early = self._bodiless = self._ended = False

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        return self._usable

    def abort(self) -> None:
        """Close the connection at once; bytes not sent yet are dropped."""
        self._usable = False
        self._transport.abort()

    async def closed(self) -> None:
        """Wait until the connection is closed."""
        # Not the future itself, which would be cancelled together with its waiter.
        await asyncio.wait({self._lost})

    async def send(self, head: bytes, body: memoryview, *, bodiless: bool = False) -> Reply:
        """Send a request and return its response; the body is not read any more afterwards.

        `bodiless`: the response ends after its headers, regardless of its Content-Length, as for a
        HEAD.

        Raises:
            OSError: the connection broke.
            ValueError: the response is not HTTP, or has no end.
        """
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._reply = reply
        self._headers = {}
        self._body = b""
        self._headed = self._written = self._early = self._ended = False
        self._bodiless = bodiless
        self._answered = 0
        self._parser = HttpResponseParser(self)
        try:
            if len(body) <= (_JOINED if self._rate is None else min(_JOINED, self._rate.slice)):
                self._transport.writelines((head, body))
            else:
                await self._write(head, body, reply)
            self._written = True
            answer = await reply
        except BaseException:
            self.abort()
            raise
        finally:
            self._reply = None
        if not self._usable or answer.early:
            # The server closes it, or responded before the whole request: nothing must follow.
            self.abort()
        return answer

    async def _write(self, head: bytes, body: memoryview, reply: asyncio.Future[Reply]) -> None:
        self._transport.write(head)
        encrypted = self._transport.get_extra_info("ssl_object") is not None
        step = _ENCRYPTED_WRITE if encrypted else _WRITE
        if self._rate is not None:
            step = self._rate.slice
        for start in range(0, len(body), step):
            if self._room is not None:
                await self._room
            if self._rate is not None and start:
                # The caller has already taken the first slice from the rate limit.
                await self._rate.take(min(step, len(body) - start))
            if reply.done() or self._transport.is_closing():
                # If a write has failed, `connection_lost` is called soon, with its error.
                self._usable = False
                return
            self._transport.write(body[start : start + step])

    def _fail(self, error: Exception) -> None:
        self._usable = False
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        self._make_room()

    def _make_room(self) -> None:
        if self._room is not None:
            # Already done if the writer was cancelled meanwhile.
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    # asyncio's side of the protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def eof_received(self) -> None:
        """Handle the end of the stream, which may also be the end of the response."""
        chunked = "chunked" in self._headers.get("transfer-encoding", "")
        if self._headed and not chunked and "content-length" not in self._headers:
            self._finish(usable=False)
        else:
            self._fail(ConnectionResetError("Server disconnected"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionResetError("Server disconnected") if exc is None else exc)
        self._lost.set_result(None)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        self._make_room()

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._reply.done():
            # No request is pending: these bytes must not be taken for the next response.
            self.abort()
            return
        self._answered += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # After an unrequested 101, which was the response.
            self._usable = False
        except HttpParserError as error:
            self._fail(ValueError(f"it is not HTTP: {error}"))
        else:
            if self._ended:
                closes = "close" in self._headers.get("connection", "").lower()
                kept = self._parser.get_http_version() == "1.1" and not closes
                self._finish(usable=self._usable and kept)
            elif self._answered > (_MAX_ANSWER if self._headed else MAX_BODY):
                self._fail(ValueError("it has no end"))

    # Callbacks of httptools.

    def on_message_begin(self) -> None:
        """Mark the connection unusable if a second response arrives."""
        if self._reply is None or self._reply.done() or self._ended:
            self._usable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("utf-8", "replace")

    def on_headers_complete(self) -> None:
        """Record whether the request had been sent; a response without a body ends here."""
        self._headed = True
        if not self._bodiless:
            self._early = not self._written or unsent_bytes(self._transport) > 0
            return
        self._ended = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        """Keep the body up to a limit; a longer response is then truncated."""
        if self._ended:
            self._fail(ValueError("it has a body, though it answers a HEAD"))
            return
        self._body += data[: MAX_BODY - len(self._body)]
        if len(self._body) == MAX_BODY:
            self._finish(usable=False)

    def on_message_complete(self) -> None:
        """Deliver the response, unless it is an informational one (1xx)."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headers.clear()
            self._headed = False
        elif not self._ended:
            # Only available while the parser exists.
            self._finish(usable=status >= 200 and self._parser.should_keep_alive())

    def _finish(self, *, usable: bool) -> None:
        if self._reply is None or self._reply.done():
            return
        self._usable = usable
        status = self._parser.get_status_code()
        self._reply.set_result(Reply(status, self._headers, self._body, self._early))
        # A writer that still waits can stop.
        self._make_room()


class ConnectionPool:
    """Connections to one host, opened when needed and reused.

    Args:
        host, port: the address.
        tls: the context that verifies the host's certificate; None for plain HTTP.
        rate: limits how fast bodies are written after their first slices; None for no limit.
    """

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, rate: RateLimit | None = None
    ) -> None:
        self._rate = rate
        self._host = host
        self._port = port
        self._tls = tls
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()

    async def send(self, head: bytes, body: memoryview, *, bodiless: bool = False) -> Reply:
        """Send a request on a free connection. Behaves and raises as `Connection.send`."""
        connection = self._free() or await self._connect()
        try:
            return await connection.send(head, body, bodiless=bodiless)
        finally:
            if connection.usable:
                self._idle.append(connection)
            else:
                self._open.discard(connection)

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._open:
            connection.abort()
        for connection in self._open:
            await connection.closed()

    def _free(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._open.discard(connection)
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                # Awaited to its end, if that is near: if cancelled, asyncio leaks a socket that has
                # just been connected.
                connection = await run_to_end(
                    self._open_connection(), grace=_CONNECT_GRACE, undo=_close
                )
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {_CONNECT_SECONDS:g} s") from error
        self._open.add(connection)
        return connection

    async def _open_connection(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._rate),
            self._host,
            self._port,
            ssl=self._tls,
            happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
        )
        return connection


async def _close(connection: Connection) -> None:
    connection.abort()
    await connection.closed()
