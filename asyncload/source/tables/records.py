"""Cut a stream into parts that end with a row, in bounded memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from asyncload.source.tables.streams import Stream
from asyncload.source.tables.values import Dialect

PIECE = 8 * 1024 * 1024
"""The bytes that are read at once."""
MAX_ROW = 8 * 1024 * 1024
"""The longest row that is examined, in bytes."""


class Part(NamedTuple):
    """Whole rows, and the line of the file that they begin at."""

    data: bytes
    first_line: int


class LongLine(NamedTuple):
    """A line that is too long to be examined. Sizes are in bytes."""

    first_line: int
    size: int


class Decoded:
    """A stream of UTF-16 or UTF-32 as UTF-8."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")

    def read(self, size: int, /) -> bytes:
        """Return about `size` bytes; none only at the end."""
        while data := self._stream.read(size):
            if text := self._decoder.decode(data):
                return text.encode("utf-8", "replace")
        return self._decoder.decode(b"", final=True).encode("utf-8", "replace")


class Chained:
    """A stream whose first bytes have been read."""

    def __init__(self, head: bytes, stream: Stream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none only at the end."""
        if not self._head:
            return self._stream.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


class Records:
    """Yields a stream's rows in parts of a few MiB.

    A line break within quotes does not end a row. Quotes that are not balanced must not make a row
    of the rest of the file: a row that becomes too long is cut at its last line break.

    `unclosed` counts the values that begin with a quote and have no other one, while the dialect
    has no quotes; `first_unclosed` is the line of the first.

    Args:
        stream: the bytes.
        head: the bytes that were read from it before.
        newline: the byte that ends a line.
        dialect: the quote and escape. If no quote has been seen yet, the first value that is
            clearly quoted introduces one.
    """

    def __init__(self, stream: Stream, head: bytes, newline: bytes, dialect: Dialect) -> None:
        self._stream = stream
        self._rest = head
        self._newline = newline
        self._line = 1
        self.dialect = dialect
        self.unclosed = 0
        self.first_unclosed = 0

    def parts(self) -> Iterator[Part | LongLine]:
        """Yield the parts in order."""
        data, ended = self._rest, False
        while data or not ended:
            if not self.dialect.quote:
                self._look_for_quotes(data)
            end = len(data) if ended else end_of_rows(data, self._newline, self.dialect)
            if not end and len(data) > MAX_ROW:
                end = data.rfind(self._newline) + 1
                if not end:
                    size, data = self._skip_line(len(data))
                    yield LongLine(self._line, size)
                    self._line += 1
                    ended = not data
                    continue
            if end:
                if not self.dialect.quote:
                    self._count_unclosed(data[:end])
                yield Part(data[:end], self._line)
                self._line += data.count(self._newline, 0, end)
            piece = b"" if ended else self._stream.read(PIECE)
            data = data[end:] + piece
            ended = ended or not piece

    def _skip_line(self, size: int) -> tuple[int, bytes]:
        """Read to the end of a line; return its size, and what was read beyond it."""
        while piece := self._stream.read(PIECE):
            at = piece.find(self._newline)
            if at >= 0:
                return size + at, piece[at + 1 :]
            size += len(piece)
        return size, b""

    def _count_unclosed(self, data: bytes) -> None:
        if b'"' not in data:
            return
        ends = re.escape(self.dialect.delimiter.encode()) + rb"\r\n"
        lone = re.compile(rb'(?:\A|(?<=[%b]))"[^"%b]*(?=[%b]|\Z)' % (ends, ends, ends))
        for found in lone.finditer(data):
            if not self.unclosed:
                self.first_unclosed = self._line + data.count(self._newline, 0, found.start())
            self.unclosed += 1

    def _look_for_quotes(self, data: bytes) -> None:
        if b'"' not in data:
            return
        delimiter = self.dialect.delimiter.encode()
        opening = data.count(delimiter + b'"') + data.count(b'\n"')
        closing = sum(data.count(b'"' + end) for end in (delimiter, b"\n", b"\r"))
        # One may be cut off at the end.
        if opening and opening - closing in (0, opening > _MANY):
            self.dialect = self.dialect._replace(quote='"', escape='"')


_MANY = 20


def end_of_rows(data: bytes, newline: bytes, dialect: Dialect) -> int:
    """Return where the last complete row ends, 0 if none does; `data` begins with a row."""
    end = data.rfind(newline) + 1
    if not dialect.quote:
        return end
    quotes = _quotes(data, 0, end, dialect)
    while quotes % 2:
        before = data.rfind(newline, 0, end - 1) + 1
        quotes -= _quotes(data, before, end, dialect)
        end = before
    return end


def _quotes(data: bytes, start: int, end: int, dialect: Dialect) -> int:
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    count = data.count(quote, start, end)
    if escape and escape != quote:
        count -= data.count(escape + quote, start, end)
    return count
