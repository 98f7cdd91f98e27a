"""Let a step run to its end although its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class StrayCancellation(RuntimeError):
    """Something ended as cancelled although nothing requested it: a bug, never an end."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was cancelled, though nothing requested it")


class Grace:
    """How long a run that is to end may take to tidy up: all that it does for that, together.

    Args:
        seconds: what it may take from `begin` on.
        minimum: what each step may take, however late it comes, in seconds.
    """

    def __init__(self, seconds: float = 5.0, *, minimum: float = 1.0) -> None:
        self._seconds = seconds
        self._minimum = minimum
        self._until: float | None = None

    def begin(self) -> float:
        """Have the time run, unless it does; return the seconds that are left."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._seconds
        return self.left()

    def left(self) -> float:
        """Return the seconds that are left; all of them while the time does not run."""
        if self._until is None:
            return self._seconds
        return max(self._minimum, self._until - asyncio.get_running_loop().time())


async def run_to_end(
    step: Awaitable[T],
    *,
    grace: Grace | float | None,
    undo: Callable[[T], Awaitable[None]] | None = None,
) -> T:
    """Await `step` whole, and return its result.

    A caller that is cancelled meanwhile is cancelled afterwards, whatever the step came to. Once
    cancelled, the step gets `grace` more seconds (None: as long as it takes) and is then cancelled
    itself.

    Args:
        step: what is awaited.
        grace: what it may take once the caller is cancelled, in seconds, or a run's own, whose
            time begins then.
        undo: is awaited with the step's result where the caller was cancelled meanwhile.

    Raises:
        asyncio.CancelledError: the caller was cancelled; the cause is what the step raised since.
        StrayCancellation: the step ended as cancelled, and the caller was not.
    """
    # The one task outside a TaskGroup: a group would cancel it, which is what must not happen.
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
                # From the first cancellation on: further ones don't put it off.
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
