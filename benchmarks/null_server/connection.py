"""One client's connection: receives heads and bodies, sends answers, and never blocks."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable

from benchmarks.null_server.answers import answer
from benchmarks.null_server.bodies import Body, body_of
from benchmarks.null_server.http import CONTINUE, Request, Response, parse_head
from benchmarks.null_server.ledger import Ledger

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD = 64 * 1024
# Bytes per read if they are processed: enough for a request with a small body.
_READ = 256 * 1024
# Inside a large body the kernel wakes us after this many bytes, not for every packet:
# a tenth of the CPU time, and fewer interruptions of the client.
_WAKE_FOR = 1024 * 1024
_WORTH_WAITING_FOR = 128 * 1024
# Bytes that TLS may hold back of an incomplete record; don't wait for them.
_HELD_BACK = 32 * 1024
# A rate-limited connection is read in steps of this duration, for an even flow.
_PACE_SECONDS = 0.005
# Reads from one connection before the others are served.
_ROUNDS = 64

# One thread serves all connections, and finishes with a buffer before the next read.
# For discarded bytes only the buffer's size matters: the kernel never writes to it.
_buffer = bytearray(8 * 1024 * 1024)
_view = memoryview(_buffer)


class Connection:
    """A connection whose `receive` is called when it is readable.

    `rate` is the number of bytes per second to read, None for no limit. `rests_until` is the time
    of the next read, on the monotonic clock.
    """

    def __init__(
        self,
        wire: socket.socket,
        ledger: Ledger,
        digests: bool,
        md5: bool = False,
        rate: float | None = None,
    ) -> None:
        self.closed = False
        self.unsent = b""
        self.number = wire.fileno()
        self._wire = wire
        self._ledger = ledger
        self._digests = digests
        self._md5 = md5
        self._rate = rate
        self.rests_until = 0.0
        self._encrypted = isinstance(wire, ssl.SSLSocket)
        self._head = bytearray()
        self._request: Request | None = None
        self._body: Body | None = None
        self._answer = b""
        self._last = False
        self._watched = False
        self._wakes_for = 1

    def receive(self) -> None:
        """Read the available data, until there is no more or an answer is due."""
        try:
            for _ in range(_ROUNDS):
                if self.closed or self._answer or self.resting or not self._receive_some():
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:  # a reset, or data that is not TLS
            self.closed = True

    @property
    def resting(self) -> bool:
        """Whether the rate allows no read now."""
        return self._rate is not None and time.monotonic() < self.rests_until

    def take_answer(self) -> bytes:
        """Return the answer to a completely read request, once; otherwise None."""
        taken, self._answer = self._answer, b""
        return taken

    def send(self, data: bytes) -> None:
        """Send as much of `data` as the client accepts now; `flush` sends the rest."""
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        """Send the remaining data."""
        try:
            while self.unsent:
                self.unsent = self.unsent[self._wire.send(self.unsent) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            self.unsent = b""
            self.closed = True
        self.closed = self.closed or self._last

    def watch_changed(self) -> bool:
        """Return whether the need to wait for writability has changed since the last call."""
        before, self._watched = self._watched, bool(self.unsent)
        return before != self._watched

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()

    def _receive_some(self) -> bool:
        """Read once; return whether more may be available."""
        body = self._body
        skippable = body.skippable if body else 0
        if body and skippable:
            asked = min(skippable, self._at_once(len(_buffer)))
            got = self._drop_records(asked) if self._encrypted else self._drop(asked)
            body.skip(got)
            if body.done:
                self._finish_request()
        else:
            asked = self._at_once(_READ)
            got = self._wire.recv_into(_view, asked)
            self._take(_view[:got])
        if not got:
            self.closed = True
        if self._rate is not None:
            # Unused rate of the past is lost.
            self.rests_until = max(self.rests_until, time.monotonic()) + got / self._rate
        else:
            self._wait_for(self._body.skippable if self._body else 0)
        # TLS returns one record at a time, regardless of the requested size.
        return self._encrypted or got == asked

    def _at_once(self, most: int) -> int:
        return most if self._rate is None else min(most, int(self._rate * _PACE_SECONDS) or 1)

    def _drop(self, most: int) -> int:
        # Linux drops the bytes of a TCP stream without copying them.
        return self._wire.recv_into(_view, most, socket.MSG_TRUNC)

    def _drop_records(self, most: int) -> int:
        """Decrypt the received records one by one, and discard them; return their size."""
        assert isinstance(self._wire, ssl.SSLSocket)
        # Typed as if there were no buffer to read into.
        read: Callable[[int, bytearray], int] = self._wire.read  # type: ignore[assignment]
        left = most
        try:
            # The turn of one connection: the content of a socket, some megabytes.
            while left:
                got = read(left, _buffer)
                if not got:
                    break
                left -= got
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if left == most:
                raise
        return most - left

    def _wait_for(self, left: int) -> None:
        """Set how many of the remaining `left` bytes must arrive before the loop is woken."""
        sure = left - _HELD_BACK
        if self._wakes_for == 1 and sure >= _WORTH_WAITING_FOR:
            self._wakes_for = min(sure, _WAKE_FOR)
        elif self._wakes_for > max(sure, 1):
            self._wakes_for = 1
        else:
            return
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._wakes_for)

    def _take(self, view: memoryview) -> None:
        """Process received bytes: of a head, of a body, or of both in turn."""
        try:
            if self._body is None:
                view = self._take_head(view)
            if self._body is not None and not self.closed:
                self._body.feed(view)
                if self._body.done:
                    self._finish_request()
        except (ValueError, KeyError) as error:
            self._head.clear()
            self._body = None
            self._last = True
            self._answer = Response(400, body=str(error).encode(), closes=True).encode()

    def _take_head(self, view: memoryview) -> memoryview:
        """Process bytes of a head; return the bytes after it."""
        self._head += view
        end = self._head.find(_HEAD_END)
        if end < 0:
            if len(self._head) > _MAX_HEAD:
                raise ValueError("the headers are too long")
            return view[:0]
        request = parse_head(bytes(self._head[:end]))
        rest = len(self._head) - end - len(_HEAD_END)
        self._head.clear()
        self._request = request
        self._body = body_of(request, self._digests, self._md5)
        if not rest and request.headers.get(b"expect", b"").lower() == b"100-continue":
            self.send(CONTINUE)
        return view[len(view) - rest :]

    def _finish_request(self) -> None:
        assert self._request is not None
        assert self._body is not None
        self._body.finish()
        self._body = None
        response = answer(self._ledger, self._request)
        # HTTP/1.1 keeps a connection by default.
        self._last = response.closes = (
            self._request.headers.get(b"connection", b"").lower() == b"close"
        )
        self._answer = response.encode()
