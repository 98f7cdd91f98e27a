"""Read a request's body: only count its bytes, or process each byte if digests are needed."""

from __future__ import annotations

import hashlib
from typing import Protocol

from benchmarks.null_server.chunks import ChunkDecoder
from benchmarks.null_server.http import Request

# The list of parts of a CompleteMultipartUpload at its largest: 10,000 parts.
_MAX_DOCUMENT = 8 * 1024 * 1024


class Body(Protocol):
    """A body being received. Call `feed` until it is done, then `finish` stores the result."""

    @property
    def skippable(self) -> int:
        """Number of following bytes that need not be processed."""
        ...

    @property
    def done(self) -> bool:
        """Whether the body was read completely."""
        ...

    def skip(self, count: int) -> None:
        """Count bytes that were discarded without processing, at most `skippable`."""
        ...

    def feed(self, view: memoryview) -> int:
        """Consume the body's bytes from the start of `view`; return their number.

        Raises:
            ValueError: the bytes contradict the headers.
        """
        ...

    def finish(self) -> None:
        """Store size, digest and trailers in the request."""
        ...


def body_of(request: Request, digests: bool, md5: bool = False) -> Body:
    """Return the reader for the body that a request's headers announce.

    `digests` and `md5` say which digests of stored bodies are needed: SHA-256 and MD5.

    Raises:
        ValueError: the length is not a number.
    """
    if digests or md5 or request.method == b"POST" or _is_chunked(request):
        return _SeenBody(request, digests, md5)
    return _CountedBody(request)


def _is_chunked(request: Request) -> bool:
    return b"transfer-encoding" in request.headers or _is_aws_chunked(request)


def _is_aws_chunked(request: Request) -> bool:
    return b"aws-chunked" in request.headers.get(b"content-encoding", b"") or (
        request.headers.get(b"x-amz-content-sha256", b"").startswith(b"STREAMING-")
    )


class _CountedBody:
    """A body of known length, of which only the length is needed."""

    __slots__ = ("_request", "skippable")

    def __init__(self, request: Request) -> None:
        self._request = request
        self.skippable = request.size = int(request.headers.get(b"content-length", 0))

    @property
    def done(self) -> bool:
        return not self.skippable

    def skip(self, count: int) -> None:
        self.skippable -= count

    def feed(self, view: memoryview) -> int:
        taken = min(self.skippable, len(view))
        self.skippable -= taken
        return taken

    def finish(self) -> None:
        pass


class _SeenBody:
    """A body that is decoded, and hashed or kept."""

    __slots__ = ("_digest", "_document", "_layers", "_left", "_md5", "_outer", "_request", "_size")

    def __init__(self, request: Request, digests: bool, md5: bool) -> None:
        self._request = request
        self._size = 0
        is_put = request.method == b"PUT"
        self._digest = hashlib.sha256() if digests and is_put else None
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 and is_put else None
        self._document = bytearray() if request.method == b"POST" else None
        self._layers: list[ChunkDecoder] = []
        sink = self._take
        if _is_aws_chunked(request):
            self._layers.append(ChunkDecoder(sink))
            sink = self._layers[-1].feed
        self._outer = sink
        # Without a length, the body ends with its chunks.
        self._left = -1
        if request.headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._layers.append(ChunkDecoder(sink))
            self._outer = self._layers[-1].feed
        else:
            self._left = int(request.headers.get(b"content-length", 0))

    @property
    def skippable(self) -> int:
        return 0

    @property
    def done(self) -> bool:
        return not self._left if self._left >= 0 else self._layers[-1].done

    def skip(self, count: int) -> None:
        raise NotImplementedError("every byte of this body is to be looked at")

    def feed(self, view: memoryview) -> int:
        if self._left < 0:
            return self._layers[-1].feed(view)
        view = view[: self._left]
        self._outer(view)
        self._left -= len(view)
        return len(view)

    def finish(self) -> None:
        if not all(layer.done for layer in self._layers):
            raise ValueError("the body ended in the middle of a chunk")
        for layer in self._layers:
            self._request.headers.update(layer.trailers)
        self._request.size = self._size
        if self._digest is not None:
            self._request.digest = self._digest.hexdigest()
        if self._md5 is not None:
            self._request.md5 = self._md5.hexdigest()
        if self._document is not None:
            self._request.body = bytes(self._document)

    def _take(self, view: memoryview) -> int:
        self._size += len(view)
        if self._digest is not None:
            self._digest.update(view)
        if self._md5 is not None:
            self._md5.update(view)
        if self._document is not None:
            self._document += view
            if len(self._document) > _MAX_DOCUMENT:
                raise ValueError("the document is too long")
        return len(view)
