"""The server's side of a client's connection."""

from __future__ import annotations

import asyncio

from tests.faults.proxy.call import Call
from tests.faults.proxy.faults import Reply
from tests.faults.proxy.http import read_reply

# Says how a body is framed, or belongs to one connection: the proxy says so itself.
_FRAMING = {"transfer-encoding", "content-length", "connection", "keep-alive"}


class Upstream:
    """A connection to the server, opened when it is needed."""

    def __init__(self, host: str | None, port: int | None) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, call: Call, body: bytes) -> Reply:
        reused = self._streams is not None
        try:
            return await self._ask(call, body)
        except (OSError, asyncio.IncompleteReadError):
            # The server may have closed a connection that was idle; S3's requests may be repeated.
            self.close()
            if not reused:
                raise
            return await self._ask(call, body)

    async def _ask(self, call: Call, body: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.writelines((call.head.raw, body))
        status, head, answer = await read_reply(reader, call.head.method)
        kept = call.head.method == "HEAD"
        fields = {n: v for n, v in head.fields.items() if n not in _FRAMING}
        if kept and "content-length" in head.fields:
            fields["content-length"] = head.fields["content-length"]
        if head.fields.get("connection") == "close" or head.start[0] == "HTTP/1.0":
            self.close()
        return Reply(status, answer, fields)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
