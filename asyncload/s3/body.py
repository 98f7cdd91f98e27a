"""Bodies that reach the socket without a copy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from aiohttp.payload import Payload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

# Large writes: fewer turns of the event loop per byte than 64 KiB ones.
_WRITE = 1024 * 1024


class ViewBody:
    """A memoryview in the shape of a file, which is what botocore takes, measures and hashes."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._position = 0

    def __len__(self) -> int:
        return len(self.view)

    def read(self, size: int = -1) -> memoryview:
        """Return the next `size` bytes, all that is left where it is negative."""
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
    """An aiohttp body that writes a memoryview in large slices."""

    def __init__(self, view: memoryview) -> None:
        super().__init__(view)
        self._view = view
        self._size = len(view)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002  # aiohttp's
        """Not offered: the bytes of a CSV are in no known encoding."""
        raise TypeError("the bytes of a CSV are in no known encoding")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the first `content_length` bytes of it, all where that is None."""
        view = self._view[:content_length]
        for start in range(0, len(view), _WRITE):
            await writer.write(view[start : start + _WRITE])
