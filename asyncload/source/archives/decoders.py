"""The compressions that members of archives may have, each as a bounded decoder.

Sources: APPNOTE.TXT, 4.4.5 (methods) and 5.8 (LZMA).
"""

from __future__ import annotations

import struct
from typing import Protocol

from isal import igzip_lib, isal_zlib

from asyncload.errors import MemberRefused

STORED = 0
DEFLATED = 8
BZIP2 = 12
LZMA = 14

METHODS = frozenset((STORED, DEFLATED, BZIP2, LZMA))
"""The methods of members that can be loaded."""

MAX_DICTIONARY = 64 * 1024 * 1024
"""Maximum size of the dictionary with which a member is decompressed, in bytes.

7-Zip uses up to 32 MiB unless it is told to use more.
"""

LZMA_HEADER = struct.Struct("<2xHBI")
"""Length of the properties, which is 5; the parameters; and the size of the dictionary."""

_PROPERTIES = 5
_MIN_DICTIONARY = 4096
# Of a stream in the format of .lzma files, without which the length can't be stated.
_ALONE = struct.Struct("<BIQ")
_UNTIL_MARKER = 2**64 - 1
# A block of 900 kB takes four times as much.
_OF_BZIP2 = 4 * 1024 * 1024

# Its stubs say that this is an instance.
_NotDeflate: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # as above


class Decoder(Protocol):
    """Decompresses a stream. `name` is that of the compression, `errors` are its exceptions."""

    name: str
    errors: tuple[type[Exception], ...]

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether all bytes given so far were used."""

    def decompress(self, data: memoryview, most: int) -> bytes:
        """Return at most so many bytes; `data` may be empty, and must be if no input is needed."""


def decoding_memory(method: int, size: int) -> int:
    """Return how many bytes of memory it takes at most to decompress a member of `size` bytes."""
    if method == BZIP2:
        return _OF_BZIP2
    return min(max(size, _MIN_DICTIONARY), MAX_DICTIONARY) if method == LZMA else 0


class Deflate:
    """A decoder of Deflate, by isal: twice as fast as zlib."""

    name = "Deflate"
    errors: tuple[type[Exception], ...] = (_NotDeflate,)

    def __init__(self) -> None:
        self._inflater = isal_zlib.decompressobj(-15)
        self._pending: bytes | memoryview = b""

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: memoryview, most: int) -> bytes:
        made = self._inflater.decompress(self._pending or data, most)
        self._pending = self._inflater.unconsumed_tail
        return made


class Bzip2:
    """A decoder of bzip2."""

    name = "bzip2"
    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self) -> None:
        # Late: few archives need it.
        from bz2 import BZ2Decompressor

        self._decompressor = BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def needs_input(self) -> bool:
        return self._decompressor.needs_input

    def decompress(self, data: memoryview, most: int) -> bytes:
        return self._decompressor.decompress(data, most)


class Lzma:
    """A decoder of LZMA.

    Args:
        header: precedes the compressed bytes, see `LZMA_HEADER`.
        size: of the member, in bytes.
        marked: whether a marker ends the stream.

    Raises:
        MemberRefused: its dictionary is too large, or its parameters are not those of LZMA.
    """

    name = "LZMA"

    def __init__(self, header: bytes | bytearray, size: int, *, marked: bool) -> None:
        from lzma import FORMAT_ALONE, LZMADecompressor, LZMAError  # late: as above

        self.errors: tuple[type[Exception], ...] = (LZMAError,)
        length, parameters, stated = LZMA_HEADER.unpack(header)
        # Nothing farther back than the member's beginning is referred to.
        dictionary = min(stated, max(size, _MIN_DICTIONARY))
        if length != _PROPERTIES:
            raise MemberRefused(
                "the member is compressed by an unknown variant of LZMA",
                hint="repack the archive with Deflate",
            )
        if dictionary > MAX_DICTIONARY:
            raise MemberRefused(
                f"the member needs a dictionary of {dictionary:,} bytes, more than the "
                f"{MAX_DICTIONARY:,} that are supported",
                hint="repack the archive with Deflate, or with a smaller dictionary",
            )
        self._decompressor = LZMADecompressor(FORMAT_ALONE)
        self._start = _ALONE.pack(parameters, dictionary, _UNTIL_MARKER if marked else size)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def needs_input(self) -> bool:
        return self._decompressor.needs_input

    def decompress(self, data: memoryview, most: int) -> bytes:
        if self._start:
            data, self._start = memoryview(self._start + data), b""
        return self._decompressor.decompress(data, most)
