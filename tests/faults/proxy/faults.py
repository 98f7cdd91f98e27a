"""What can be done to one request. A fault is a value; None of its fields set does nothing."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape

from tests.faults.proxy.call import Call


@dataclass(frozen=True)
class Reply:
    """A reply, with the length of its body as Content-Length unless a header says otherwise.

    `raw`: bytes sent instead of all that, HTTP or not. `endless`: bytes sent after it again and
    again, for as long as anybody reads them.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    endless: bytes = b""

    def to_bytes(self, *, with_body: bool = True) -> bytes:
        if self.raw is not None:
            return self.raw
        names = {name.lower() for name in self.headers}
        lines = [f"HTTP/1.1 {self.status} -"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if "content-length" not in names and self.status != 204:
            lines.append(f"content-length: {len(self.body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (self.body if with_body else b"")


@dataclass(frozen=True)
class Fault:
    """What happens to a request, in this order.

    `before`: called when the request's head has been read. `until`: is waited for then. `delay`:
    seconds waited then. `early`: the reply is given although the body was not read, and the
    connection is closed. `cut_request`: the connection breaks when that many bytes of the request,
    its head included, were read; nothing is passed on. `rate`: at most so many bytes a second are
    read of the body. `flip`: the number of a bit of the body that is turned over. `reply`: is given
    instead of passing the request on, or, with `apply`, instead of the server's. `twice`: the
    request is passed on once more after the server's reply. `rewrite`: makes another reply of the
    server's. `after`: called before the reply is given. `cut_reply`: the connection breaks after so
    many bytes of the reply. `trickle`: the reply comes at that many bytes a second.

    `how` a connection breaks: `reset` sends RST, `close` FIN; `stall` keeps it and does nothing
    any more; `half-close` sends FIN and continues to read.
    """

    before: Callable[[], object] | None = None
    until: Callable[[], bool] | None = None
    delay: float = 0
    early: bool = False
    cut_request: int | None = None
    rate: float | None = None
    flip: int | None = None
    reply: Reply | None = None
    apply: bool = False
    twice: bool = False
    rewrite: Callable[[Reply], Reply] | None = None
    after: Callable[[], object] | None = None
    cut_reply: int | None = None
    trickle: float | None = None
    how: Literal["reset", "close", "stall", "half-close"] = "reset"


Decide = Callable[[Call], Fault | None]


def no_fault(_: Call) -> None:
    """Let everything pass."""


def s3_error(
    status: int, code: str, message: str = "made by the proxy", extra: str = "", **headers: str
) -> Reply:
    """S3's way to say no: a document with code, message and request id."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{extra}"
        "<RequestId>CHAOS1</RequestId></Error>"
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status,
        body.encode(),
        {"content-type": "application/xml", "x-amz-request-id": "CHAOS1"} | named,
    )


def clock_off_by(seconds: float, tolerated: float = 900) -> Decide:
    """Behave as a server whose clock differs by so many seconds from the client's.

    Requests of a time further away than S3 tolerates are refused, with the server's Date.
    """

    def decide(call: Call) -> Fault | None:
        now = time.time() + seconds
        claimed = timegm(time.strptime(call.head.fields["x-amz-date"], "%Y%m%dT%H%M%SZ"))
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        if abs(now - claimed) <= tolerated:
            return None
        server_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        extra = f"<ServerTime>{server_time}</ServerTime>"
        message = "The difference between the request time and the current time is too large."
        return Fault(reply=s3_error(403, "RequestTimeTooSkewed", message, extra, Date=date))

    return decide
