"""Let a step run to its end although its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class StrayCancellation(RuntimeError):
    """Something ended as cancelled although nothing requested it: a bug."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was cancelled, though nothing requested it")


class Grace:
    """The time in which a run that ends may clean up, shared by all clean-up steps.

    Args:
        seconds: the time from `begin` on.
        minimum: the time of each step, however late it begins, in seconds.
    """

    def __init__(self, seconds: float = 5.0, *, minimum: float = 1.0) -> None:
        self._seconds = seconds
        self._minimum = minimum
        self._until: float | None = None

    def begin(self) -> float:
        """Start the clock unless it runs; return the remaining seconds."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        return self.left()

    def left(self) -> float:
        """Return the remaining seconds; all of them before `begin`."""
        if self._until is None:
            return self._seconds
        return max(self._minimum, self._until - asyncio.get_running_loop().time())


async def run_to_end(
    step: Awaitable[T],
    *,
    grace: Grace | float | None,
    undo: Callable[[T], Awaitable[None]] | None = None,
) -> T:
    """Await `step` to its end, and return its result.

    A caller that is cancelled meanwhile is cancelled afterwards, even if the step fails. Once
    cancelled, the step gets `grace` more seconds (None: no limit) and is then cancelled itself.

    Args:
        step: the awaitable.
        grace: the time it has once the caller is cancelled, in seconds, or a run's own grace, which
            begins then.
        undo: awaited with the step's result if the caller was cancelled meanwhile.

    Raises:
        asyncio.CancelledError: the caller was cancelled; the cause is the step's error, if any.
        StrayCancellation: the step ended as cancelled, and the caller was not.
    """
    # The only task outside a group, because a group would cancel it.
    task = asyncio.ensure_future(step)
    loop = asyncio.get_running_loop()
    cancelled = False
    deadline: float | None = None
    while not task.done():
        try:
            done, _ = await asyncio.wait(
                {task}, timeout=None if deadline is None else max(0, deadline - loop.time())
            )
            if not done:
                task.cancel()
                deadline = None
        except asyncio.CancelledError:
            if not cancelled and grace is not None:
                # Counted from the first cancellation: later ones do not extend it.
                seconds = grace.begin() if isinstance(grace, Grace) else grace
                deadline = loop.time() + seconds
            cancelled = True
    failure = None if task.cancelled() else task.exception()
    if not cancelled:
        if task.cancelled():
            raise StrayCancellation("a step that must run to its end")
        return task.result()
    if undo is not None and failure is None and not task.cancelled():
        await undo(task.result())
    raise asyncio.CancelledError from failure
