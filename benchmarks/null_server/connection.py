"""One client's connection: heads and bodies in, answers out, never blocking."""

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
# How much is read at once where the bytes are looked at: a request with a small body in one go.
_READ = 256 * 1024
# In the middle of a large body the kernel is asked to wake us for this much, not for every packet:
# a tenth of the CPU time, and it leaves the client alone for longer.
_WAKE_FOR = 1024 * 1024
_WORTH_WAITING_FOR = 128 * 1024
# What TLS may hold back of a record that has not arrived whole; nobody waits for these bytes.
_HELD_BACK = 32 * 1024
# A connection of limited rate is read for so long at once: small steps for an even flow.
_PACE_SECONDS = 0.005
# Rounds of one connection before the others get their turn.
_ROUNDS = 64

# All connections are served by one thread, which is through with a buffer before the next read.
# Where bytes are thrown away the buffer only says how many: the kernel never writes them to it.
_buffer = bytearray(8 * 1024 * 1024)
_view = memoryview(_buffer)


class Connection:
    """A connection of which `receive` is called when it is readable.

    `rate` is how many bytes a second are read from it, None for as many as come. `rests_until` is
    when the next ones may be read, on the monotonic clock.
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
        """Read what has arrived, until there is no more or an answer is due."""
        try:
            for _ in range(_ROUNDS):
                if self.closed or self._answer or self.resting or not self._receive_some():
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:  # a reset, or something that is not TLS
            self.closed = True

    @property
    def resting(self) -> bool:
        """Whether the rate allows no byte to be read now."""
        return self._rate is not None and time.monotonic() < self.rests_until

    def take_answer(self) -> bytes:
        """Return the answer to a request that was read whole, once; else nothing."""
        taken, self._answer = self._answer, b""
        return taken

    def send(self, data: bytes) -> None:
        """Send `data`, or as much as the client takes now; `flush` sends the rest."""
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        """Send what is still unsent."""
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
        """Tell whether the wish to be told of room to write has come or gone since last asked."""
        before, self._watched = self._watched, bool(self.unsent)
        return before != self._watched

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()

    def _receive_some(self) -> bool:
        """Read once; return whether more may be waiting."""
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
            # What it did not use of its rate before is lost to it.
            self.rests_until = max(self.rests_until, time.monotonic()) + got / self._rate
        else:
            self._wait_for(self._body.skippable if self._body else 0)
        # TLS hands out a record at a time, however much was asked for.
        return self._encrypted or got == asked

    def _at_once(self, most: int) -> int:
        return most if self._rate is None else min(most, int(self._rate * _PACE_SECONDS) or 1)

    def _drop(self, most: int) -> int:
        # Linux drops the bytes of a TCP stream without copying them.
        return self._wire.recv_into(_view, most, socket.MSG_TRUNC)

    def _drop_records(self, most: int) -> int:
        """Decrypt what has arrived, a record at a time, and drop it; return how much it was."""
        assert isinstance(self._wire, ssl.SSLSocket)
        # Typed as if there were no buffer to read into.
        read: Callable[[int, bytearray], int] = self._wire.read  # type: ignore[assignment]
        left = most
        try:
            # One connection's turn: what a socket holds, some megabytes.
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
        """Have the loop woken for as much as `left` bytes of a body allow."""
        sure = left - _HELD_BACK
        if self._wakes_for == 1 and sure >= _WORTH_WAITING_FOR:
            self._wakes_for = min(sure, _WAKE_FOR)
        elif self._wakes_for > max(sure, 1):
            self._wakes_for = 1
        else:
            return
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._wakes_for)

    def _take(self, view: memoryview) -> None:
        """Take bytes that were read: of a head, of a body, of one after the other."""
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
        """Take bytes of a head; return those that follow it."""
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
        # HTTP/1.1 keeps a connection unless it is told otherwise.
        self._last = response.closes = (
            self._request.headers.get(b"connection", b"").lower() == b"close"
        )
        self._answer = response.encode()
