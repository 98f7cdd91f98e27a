"""SIGINT and SIGTERM: the first ends a run cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any, NoReturn, TypeVar

from asyncload.errors import AsyncloadError

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(AsyncloadError):
    """The run was ended by a signal: exit code 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"interrupted by {signal.Signals(signum).name}",
            hint="what landed stays; run again with the same --date to load the rest",
        )
        self.signum = signum


def exit_on_signals() -> None:
    """End the process on a signal that comes before or after `run_interruptible`.

    As process 1 of a container, Python would otherwise ignore SIGTERM.
    """
    for signum in _SIGNALS:
        signal.signal(signum, _exit)


def _exit(signum: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)


def run_interruptible(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own until it ends or a signal cancels it.

    A second signal ends the process at once, with nothing tidied up.

    Raises:
        Interrupted: a signal came, and the coroutine ended by its cancellation.
    """
    # Late: neither the help nor a plan needs it.
    import asyncio

    received: list[int] = []

    async def run() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def stop(signum: int) -> None:
            if received:
                os._exit(128 + signum)  # pragma: no cover  # ends coverage's process, too
            received.append(signum)
            task.cancel()

        for signum in _SIGNALS:
            loop.add_signal_handler(signum, stop, signum)
        return await main

    try:
        with asyncio.Runner() as runner:
            return runner.run(run())
    except asyncio.CancelledError:
        if not received:
            raise
        raise Interrupted(received[0]) from None
    finally:
        exit_on_signals()
