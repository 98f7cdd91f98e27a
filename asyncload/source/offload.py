"""Run blocking work in threads, by aiofiles, with time limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

import aiofiles.os

from asyncload.source.heartbeat import STALLED_SECONDS, Heartbeat, stalled
from asyncload.source.threads import ReaderThreads

T = TypeVar("T")

# In seconds; the time for a read to end after its caller is cancelled. Uploads are aborted only
# then, and `docker stop` kills after 10 s.
_CANCELLED_SECONDS = 2.0


class Offload:
    """Runs blocking functions in an executor's threads.

    A call is awaited even after a cancellation, because its thread writes into a buffer that must
    not be reused before. But a system call on a dead mount may never return. So a call is given up
    if it made no progress during a whole period of `patience` seconds since its thread started, or
    if it does not end within two seconds of its caller's cancellation. Its thread is abandoned, and
    the buffer it may still write into must not be used again.
    """

    def __init__(self, executor: Executor, *, patience: float = STALLED_SECONDS) -> None:
        self._executor = executor
        self._patience = patience

    async def run(
        self,
        function: Callable[..., T],
        *arguments: Any,
        heartbeat: Heartbeat | None = None,
        through: Executor | None = None,
        undo: Callable[[T], None] | None = None,
    ) -> T:
        """Call a function in a thread, and return its result.

        Args:
            function: the function.
            arguments: its arguments.
            heartbeat: beats with each progress; a call without one is a single step.
            through: an executor that hands over the work in its own way.
            undo: called with the result if the caller was cancelled meanwhile.

        Raises:
            SourceStalled: it was given up, or not started because too many threads are stuck.
        """
        executor = self._executor
        if isinstance(executor, ReaderThreads) and executor.exhausted:
            raise stalled("too many earlier reads are still stuck")
        heartbeat = heartbeat or Heartbeat()
        heartbeat.rest()
        loop = asyncio.get_running_loop()
        # Outside of a group, which would cancel it.
        task: asyncio.Future[T] = asyncio.ensure_future(
            _in_thread(heartbeat, function, *arguments, executor=through or executor)
        )
        seen, until = heartbeat.beats, None
        while True:
            timeout = self._patience if until is None else max(0.0, until - loop.time())
            try:
                if (await asyncio.wait({task}, timeout=timeout))[0]:
                    break
            except asyncio.CancelledError:
                # Further cancellations do not extend the time.
                until = until or loop.time() + _CANCELLED_SECONDS
                continue
            if until is not None or (heartbeat.begun and heartbeat.beats == seen):
                self._give_up(heartbeat, task)
                if until is not None:
                    raise asyncio.CancelledError
                raise stalled(f"there was no answer for {self._patience:.0f} s")
            seen = heartbeat.beats
        if until is None:
            return task.result()
        if task.exception() is None and undo is not None:
            undo(task.result())
        raise asyncio.CancelledError from task.exception()

    def _give_up(self, heartbeat: Heartbeat, task: asyncio.Future[Any]) -> None:
        heartbeat.given_up = True
        # If it has not started, it never will.
        task.cancel()
        if heartbeat.thread is not None and isinstance(self._executor, ReaderThreads):
            self._executor.replace(heartbeat.thread)


@aiofiles.os.wrap
def _in_thread(heartbeat: Heartbeat, function: Callable[..., Any], *arguments: Any) -> Any:
    heartbeat.begin()
    return function(*arguments)
