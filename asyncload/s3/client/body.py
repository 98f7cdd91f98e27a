"""Request bodies that reach the socket without a copy."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from aiohttp.payload import Payload

from asyncload.s3.fast.sockets import unsent_bytes
from asyncload.store.rates import RateLimit

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

# Large writes take fewer turns of the event loop per byte than 64 KiB writes.
_WRITE = 1024 * 1024


class ViewBody:
    """A memoryview with the interface of a file, which botocore requires."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._position = 0

    def __len__(self) -> int:
        return len(self.view)

    def read(self, size: int = -1) -> memoryview:
        """Return the next `size` bytes; all remaining bytes if it is negative."""
        end = len(self.view) if size < 0 else self._position + size
        chunk = self.view[self._position : end]
        self._position += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as `io.IOBase.seek` does."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self.view)}
        self._position = starts[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position


class ViewPayload(Payload):
    """An aiohttp body that writes a memoryview in large slices, limited after the first one."""

    def __init__(self, view: memoryview, rate: RateLimit | None = None) -> None:
        super().__init__(view)
        self._rate = rate
        self._view = view
        self._handed_on = 0
        self._transport: asyncio.Transport | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self._view)

    def is_sent(self) -> bool:
        """Return whether all bytes have arrived at the other end, as far as this system knows."""
        if self._handed_on < len(self._view):
            return False
        return self._transport is None or unsent_bytes(self._transport) == 0

    def abort(self) -> None:
        """Abort the connection: the rest of the body must not follow another request's head."""
        if self._transport is not None:
            self._transport.abort()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002  # aiohttp's
        """Not supported: the encoding of a CSV's bytes is unknown."""
        raise TypeError("the bytes of a CSV are in no known encoding")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the whole body."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the first `content_length` bytes; all if it is None."""
        view = self._view[:content_length]
        self._handed_on = 0
        self._transport = getattr(writer, "transport", None)
        step = _WRITE if self._rate is None else self._rate.slice
        for start in range(0, len(view), step):
            piece = view[start : start + step]
            if self._rate is not None and start:
                await self._rate.take(len(piece))
            # Count before waiting: the response may arrive during the wait.
            self._handed_on += len(piece)
            await writer.write(piece)
