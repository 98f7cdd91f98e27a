"""Read one request's body: count it, or look at every byte where digests are kept."""

from __future__ import annotations

import hashlib
from typing import Protocol

from benchmarks.null_server.chunks import ChunkDecoder
from benchmarks.null_server.http import Request

# The list of parts of a CompleteMultipartUpload at its largest: 10,000 parts.
_MAX_DOCUMENT = 8 * 1024 * 1024


class Body(Protocol):
    """A body on its way. It is fed until it is done, then `finish` tells the request of it."""

    @property
    def skippable(self) -> int:
        """How many bytes of the wire come next that need not be looked at."""
        ...

    @property
    def done(self) -> bool:
        """Whether all of it was read."""
        ...

    def skip(self, count: int) -> None:
        """Take note of bytes that were thrown away unseen, at most `skippable`."""
        ...

    def feed(self, view: memoryview) -> int:
        """Take what belongs to the body from the start of `view`; return how many bytes did.

        Raises:
            ValueError: the bytes are not what the headers promised.
        """
        ...

    def finish(self) -> None:
        """Write size, digest and trailers into the request."""
        ...


def body_of(request: Request, digests: bool, md5: bool = False) -> Body:
    """Return the reader for the body that a request's headers announce.

    `digests` and `md5` are wanted of what is put: its SHA-256, and its MD5.

    Raises:
        ValueError: the length is no number.
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
    """A body of a known length of which nobody wants more than the length."""

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
    """A body that is unwrapped, and hashed or kept."""

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
        # With no length said, the end of the chunks is the end of the body.
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
