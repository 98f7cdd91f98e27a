"""The operating system's knowledge of a connection: whether all written bytes have arrived."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios


class AnsweredEarly(Exception):
    """A success was received before the request's body was sent."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status} before its body was sent")
        self.status = status


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how many written bytes have not arrived at the other end's system yet.

    On Linux the kernel reports bytes that were sent but not acknowledged. A response acknowledges
    the bytes it answers, so none are left after a valid response. On other systems, and for
    transports without a socket, only the bytes held by the transport are counted.

    Source: SIOCOUTQ in tcp(7), which is TIOCOUTQ.
    """
    held = transport.get_write_buffer_size()
    socket = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except OSError:
        return held
    queued: int = struct.unpack("i", answer)[0]
    return held + queued
