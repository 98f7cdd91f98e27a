"""Just enough HTTP/1.1 to pass requests on unchanged, and to break them where a test says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

_BODYLESS = (204, 304)


@dataclass(frozen=True)
class Head:
    """The head of a request or a reply: as it came, and its fields with names in lower case."""

    raw: bytes
    start: tuple[str, str, str]
    fields: dict[str, str]

    @property
    def method(self) -> str:
        return self.start[0]

    @property
    def target(self) -> str:
        return self.start[1]

    @property
    def length(self) -> int:
        return int(self.fields.get("content-length", 0))


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read up to the empty line; None where nothing more comes."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    one, two, three = (*first.split(" ", 2), "", "")[:3]
    return Head(raw, (one, two, three), fields)


async def read_reply(reader: asyncio.StreamReader, method: str) -> tuple[int, Head, bytes]:
    """Read a server's whole reply to a request of that method; its body is unframed.

    Raises:
        ConnectionError: the server closed the connection instead.
    """
    head = await read_head(reader)
    if head is None:
        raise ConnectionResetError("the server closed the connection")
    status = int(head.start[1])
    if status < 200:
        return await read_reply(reader, method)
    if method == "HEAD" or status in _BODYLESS:
        return status, head, b""
    if head.fields.get("transfer-encoding") == "chunked":
        return status, head, await _read_chunks(reader)
    if "content-length" in head.fields:
        return status, head, await reader.readexactly(head.length)
    return status, head, await reader.read()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return b"".join(chunks)
