"""Let a step run to its end although its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def run_to_end(step: Awaitable[T], *, grace: float | None) -> tuple[T, bool]:
    """Await `step` whole; return its result and whether the caller was cancelled meanwhile.

    The caller undoes what must be undone and raises `asyncio.CancelledError` in the second
    case. Once cancelled, the step gets `grace` more seconds (None: as long as it takes) and is
    then cancelled itself.

    Raises:
        asyncio.CancelledError: the step was cut off, or failed after the caller's cancellation.
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
                deadline = loop.time() + grace
            cancelled = True
    if cancelled and not task.cancelled() and task.exception() is not None:
        raise asyncio.CancelledError from task.exception()
    return task.result(), cancelled
