"""Decode chunked bodies: HTTP's `chunked` and S3's `aws-chunked`, which have the same grammar."""

from __future__ import annotations

from collections.abc import Callable

# "size;chunk-signature=<64 hex digits>" and any trailer of S3 fit in this several times over.
_MAX_LINE = 4096
_LINE_END = 2


class ChunkDecoder:
    r"""Decodes one layer of chunking, in pieces of any size.

    A chunk is `hex size[;extension]\r\n`, that many bytes, `\r\n`; the last chunk has size 0
    and is followed by trailers, one per line, and an empty line. The content is passed to `sink` as
    slices of the input, without a copy: a sink that keeps them must copy them.

    Sources: RFC 9112, section 7.1; "Signature calculations: transferring a payload in multiple
    chunks" in Amazon S3's API reference.
    """

    __slots__ = ("_data_left", "_ends", "_line", "_sink", "_skip", "done", "trailers")

    def __init__(self, sink: Callable[[memoryview], object]) -> None:
        self.done = False
        self.trailers: dict[bytes, bytes] = {}
        self._sink = sink
        self._line = bytearray()
        self._data_left = 0
        self._skip = 0
        self._ends = False

    def feed(self, view: memoryview) -> int:
        """Consume the body's bytes from the start of `view`; return their number.

        Raises:
            ValueError: the bytes are not chunked.
        """
        at = 0
        while at < len(view) and not self.done:
            if self._data_left:
                piece = view[at : at + self._data_left]
                self._sink(piece)
                self._data_left -= len(piece)
                at += len(piece)
            elif self._skip:
                skipped = min(self._skip, len(view) - at)
                self._skip -= skipped
                at += skipped
            else:
                at += self._feed_line(view[at : at + _MAX_LINE])
        return at

    def _feed_line(self, view: memoryview) -> int:
        seen = bytes(view)
        end = seen.find(b"\n") + 1
        self._line += seen[:end] if end else seen
        if len(self._line) > _MAX_LINE:
            raise ValueError("a line between chunks is too long")
        if not end:
            return len(seen)
        line = bytes(self._line).strip()
        self._line.clear()
        if not self._ends:
            self._begin_chunk(int(line.partition(b";")[0], 16))
        elif line:
            name, _, value = line.partition(b":")
            self.trailers[name.strip().lower()] = value.strip()
        else:
            self.done = True
        return end

    def _begin_chunk(self, size: int) -> None:
        if size < 0:
            raise ValueError("a chunk has a negative size")
        self._data_left = size
        self._skip = _LINE_END if size else 0
        self._ends = not size
