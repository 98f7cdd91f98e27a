"""Run a command in an event loop: the first signal ends it cleanly, the second one immediately.

These are SIGINT, SIGTERM, SIGHUP (the terminal closes) and SIGXCPU (a batch system's time limit is
near). A signal that was ignored when the process started, as under `nohup`, stays ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from asyncload.cli.interruption import (
    end_at_once,
    exit_on_signals,
    handle_signals,
    held_signal,
    hold_signals,
)
from asyncload.cli.streams import hurry_standard_streams
from asyncload.errors import Interrupted

T = TypeVar("T")


def run_interruptible(
    main: Coroutine[Any, Any, T],
    received: list[int] | None = None,
    on_signal: Callable[[], None] | None = None,
) -> T:
    """Run a coroutine in a new event loop until it finishes or a signal cancels it.

    A second signal ends the process immediately, without any cleanup, but with its message and
    summary. The signal is added to `received` before the coroutine is cancelled. With `on_signal`,
    that is called in the event loop instead: the coroutine ends by itself.

    Raises:
        Interrupted: a signal arrived, and cancelled the coroutine.
        StrayCancellation: the coroutine was cancelled, but not by a signal.
    """
    # Imported only when needed: neither `--help` nor a dry run uses it.
    import asyncio

    received = [] if received is None else received
    # An exception within the start of a loop would leave the coroutine without an end.
    hold_signals()

    async def run() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def stop(signum: int, _: FrameType | None) -> None:
            if not received:
                received.append(signum)
                hurry_standard_streams()
                loop.call_soon_threadsafe(on_signal or task.cancel)
            else:
                end_at_once(signum)

        # Not with loop.add_signal_handler: the loop may be blocked writing to a slow reader.
        handle_signals(stop)
        if (signum := held_signal()) is not None:
            stop(signum, None)
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
