"""Signals that ask for the end: the first ends a run cleanly, the second at once.

SIGINT, SIGTERM, SIGHUP as the terminal closes, and SIGXCPU of a batch system whose limit is near.
Those that were ignored when the process started stay so: by `nohup`, or in a shell's background.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, NoReturn, TypeVar

from asyncload.cli.streams import hurry_standard_streams
from asyncload.errors import Interrupted

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
"""What ends a run."""


def exit_on_signals() -> None:
    """End the process on a signal that comes before or after `run_interruptible`.

    As process 1 of a container, Python would otherwise ignore SIGTERM.
    """
    _handle(_exit)


def _handle(handler: Callable[[int, FrameType | None], Any]) -> None:
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, handler)


def _exit(signum: int, _: FrameType | None) -> NoReturn:
    hurry_standard_streams()
    sys.exit(128 + signum)


def run_interruptible(main: Coroutine[Any, Any, T], received: list[int] | None = None) -> T:
    """Run a coroutine in an event loop of its own until it ends or a signal cancels it.

    A second signal ends the process at once, with nothing tidied up. The signal that came is added
    to `received` before the coroutine is cancelled.

    Raises:
        Interrupted: a signal came, and the coroutine ended by its cancellation.
        StrayCancellation: it ended as cancelled, and no signal had come.
    """
    # Late: neither the help nor a plan needs it.
    import asyncio

    received = [] if received is None else received

    async def run() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def stop(signum: int, _: FrameType | None) -> None:
            if received:
                os._exit(128 + signum)  # pragma: no cover  # ends coverage's process, too
            received.append(signum)
            hurry_standard_streams()
            loop.call_soon_threadsafe(task.cancel)

        # Not by the loop, which may be waiting for a reader of what it writes.
        _handle(stop)
        return await main

    try:
        with asyncio.Runner() as runner:
            return runner.run(run())
    except asyncio.CancelledError as error:
        if not received:
            from asyncload.aio.shielding import StrayCancellation

            raise StrayCancellation("the run") from error
        raise Interrupted(received[0]) from None
    finally:
        exit_on_signals()
