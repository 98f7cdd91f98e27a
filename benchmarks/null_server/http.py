"""Requests and responses of HTTP/1.1, as far as S3 clients use it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


@dataclass(slots=True)
class Request:
    """One request: its head, and information about its body after that was read.

    Header names are in lower case, including trailers. `size` is the number of bytes after all
    chunking is decoded; `digest` is their SHA-256 if digests are kept, `md5` their MD5 if ETags
    need it; `body` is kept for requests with a meaningful body, such as CompleteMultipartUpload.
    """

    method: bytes
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    size: int = 0
    digest: str | None = None
    md5: str | None = None
    body: bytes = b""

    @property
    def bucket(self) -> str:
        """The first segment of the path: addresses are path style."""
        return self.path[1:].partition("/")[0]

    @property
    def key(self) -> str:
        """The part after the bucket."""
        return self.path[1:].partition("/")[2]


def parse_head(head: bytes) -> Request:
    """Read request line and headers, without the empty line at their end.

    Raises:
        ValueError: the text is not HTTP.
    """
    first, *lines = head.split(b"\r\n")
    method, target, _version = first.split(b" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    path, _, query = target.decode("ascii").partition("?")
    return Request(
        method,
        unquote(path) if "%" in path else path,
        dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers,
    )


@dataclass(slots=True)
class Response:
    """One answer. `length` replaces the body's own length for HEAD, which sends no body."""

    status: int = 200
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    closes: bool = False

    def encode(self) -> bytes:
        """Return the bytes to send."""
        length = len(self.body) if self.length is None else self.length
        lines = [b"%s: %s\r\n" % header for header in self.headers.items()]
        if self.closes:
            lines.append(b"Connection: close\r\n")
        if self.body:
            lines.append(b"Content-Type: application/xml\r\n")
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(b"Content-Length: %d\r\n" % length)
        return b"%sServer: NullS3\r\nDate: %s\r\n%s\r\n%s" % (
            _STATUS_LINES[self.status],
            _date(),
            b"".join(lines),
            self.body,
        )


def http_date(seconds: float) -> str:
    """Format a time for HTTP headers."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


_last_date = (0, b"")


def _date() -> bytes:
    """Return the time, formatted at most once a second."""
    global _last_date  # noqa: PLW0603  # a cache of one value in a process of one thread
    now = int(time.time())
    if now != _last_date[0]:
        _last_date = (now, http_date(now).encode())
    return _last_date[1]
