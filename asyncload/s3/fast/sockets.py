"""What the operating system knows of a connection: whether all that was written has arrived."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios


class AnsweredEarly(Exception):
    """A success was answered before the body that it is about was sent."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status} before its body was sent")
        self.status = status


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how many bytes that were written have not arrived at the other end's system yet.

    On Linux the kernel tells what it sent and nobody has acknowledged. An answer acknowledges
    what it answers, so behind an honest one there is nothing. Elsewhere, and for what is no
    socket, only what the transport still holds is counted.

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
