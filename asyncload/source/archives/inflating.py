"""Inflate a member as a stream: never more than is asked for, no matter what its header says.

`ZipFile.read` allocates what a header states, which may be forged.
"""

from __future__ import annotations

from typing import Protocol

from asyncload.errors import MemberDamaged
from asyncload.source.archives.decoders import Decoder
from asyncload.source.batches import Beat
from asyncload.source.heartbeat import unwatched

# Compressed bytes are read, and others made, in pieces that stay in the processor's cache.
_CHUNK = 64 * 1024
_PIECE = 256 * 1024


class ReadInto(Protocol):
    """Fills a buffer from an offset of the archive, as `OpenFile.read_into` does."""

    def __call__(self, buffer: memoryview, offset: int, beat: Beat = unwatched, /) -> None: ...


class Inflating:
    """A compressed member, inflated from its beginning.

    `position` is the number of bytes made so far.

    Args:
        read: reads the archive.
        offset: of the first compressed byte.
        stored: their number.
        decoder: decompresses them.
    """

    def __init__(self, read: ReadInto, offset: int, stored: int, decoder: Decoder) -> None:
        self.position = 0
        self._read = read
        self._offset = offset
        self._left = stored
        self._chunk = memoryview(bytearray(min(_CHUNK, stored)))
        self._decoder = decoder

    def read_into(self, buffer: memoryview, beat: Beat = unwatched) -> None:
        """Fill `buffer` with the next bytes.

        Raises:
            MemberDamaged: the member ends before, or its bytes are not compressed data.
            SourceChanged, SourceUnreadable: the archive can't be read.
        """
        done = 0
        while done < len(buffer):
            made = self._next(min(len(buffer) - done, _PIECE), beat)
            if not made:
                raise damaged(f"it ends after {self.position:,} bytes")
            buffer[done : done + len(made)] = made
            done += len(made)

    def skip(self, length: int, beat: Beat = unwatched) -> None:
        """Make the next bytes and drop them. Raises as `read_into` does."""
        scratch = memoryview(bytearray(min(length, _PIECE)))
        while length > 0:
            self.read_into(scratch[:length], beat)
            length -= min(length, len(scratch))

    def check_end(self, beat: Beat = unwatched) -> None:
        """Check that there is no further byte. Raises as `read_into` does."""
        if self._next(1, beat):
            raise damaged(f"it has more than the {self.position - 1:,} bytes that are stated")

    def _next(self, most: int, beat: Beat) -> bytes:
        """Return some of the next bytes, at least one; none at the end."""
        decoder = self._decoder
        while not decoder.eof:
            given = memoryview(b"")
            if decoder.needs_input and self._left:
                given = self._chunk[: self._left]
                self._read(given, self._offset, beat)
                self._offset += len(given)
                self._left -= len(given)
            exhausted = decoder.needs_input and not given
            try:
                made = decoder.decompress(given, most)
            except decoder.errors as error:
                raise damaged(f"it is not valid {decoder.name} data") from error
            if made:
                self.position += len(made)
                beat()
                return made
            if exhausted:
                # All of its bytes are read, and they are not a whole stream.
                raise damaged("its compressed data is cut off")
        return b""


def damaged(why: str) -> MemberDamaged:
    """Return the error of a member whose bytes are not those that the archive states."""
    return MemberDamaged(
        f"the member is damaged: {why}", hint="copy the archive again, or test it with unzip -t"
    )
