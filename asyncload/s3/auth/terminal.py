"""Ask a person at the terminal without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import termios
from contextlib import suppress

_TERMINAL = "/dev/tty"
_MAX_ANSWER = 1024


def has_terminal() -> bool:
    """Return whether this process has a terminal and is in its foreground."""
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


async def ask_at_terminal(question: str) -> str:
    """Ask at the terminal, and return the answer, which is not echoed.

    Raises:
        OSError: there is no terminal, or it was closed.
    """
    loop = asyncio.get_running_loop()
    terminal = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY)
    try:
        shown = termios.tcgetattr(terminal)
        hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        answered = asyncio.Event()
        loop.add_reader(terminal, answered.set)
        try:
            os.write(terminal, question.encode(errors="replace"))
            await answered.wait()
            answer = os.read(terminal, _MAX_ANSWER)
        finally:
            loop.remove_reader(terminal)
            with suppress(OSError, termios.error):
                termios.tcsetattr(terminal, termios.TCSAFLUSH, shown)
                os.write(terminal, b"\n")
    finally:
        os.close(terminal)
    return answer.decode(errors="replace").strip()
