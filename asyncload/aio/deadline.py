"""The time by which a run must have ended, for hosts that kill it then."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncload.errors import DeadlineReached

NOTHING_NEW_SECONDS = 30.0
"""In its last seconds a run starts nothing new; work in progress may end."""
CLEANUP_SECONDS = 10.0
"""In its very last seconds a run only cleans up and writes its manifest."""


class Deadline:
    """When a run stops starting new work, and when it must end.

    Made in a running event loop, whose clock it uses.

    Args:
        seconds: from now until the run must have ended; None for no limit.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._clock = asyncio.get_running_loop().time
        self._end = math.inf if seconds is None else self._clock() + seconds
        self._timeout: asyncio.Timeout | None = None
        self._is_cut_off = False
        self.stopped = False
        """Whether work was not started, or not finished, because of the deadline."""

    def reached(self) -> bool:
        """Return whether new work must not be started; ask only if there is some."""
        if self._clock() < self._end - NOTHING_NEW_SECONDS:
            return False
        self.stopped = True
        return True

    @property
    def left(self) -> float | None:
        """The seconds until the end; None without a limit."""
        return None if self._end == math.inf else self._end - self._clock()

    def cut_off(self) -> None:
        """Record that work in progress is cancelled, for this time, by another process."""
        self._is_cut_off = True

    @property
    def expired(self) -> bool:
        """Whether work in progress was cancelled."""
        return self._is_cut_off or (self._timeout is not None and self._timeout.expired())

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Cancel the body when only the time to clean up is left.

        Raises:
            DeadlineReached: the body was cancelled.
        """
        end = None if self._end == math.inf else self._end - CLEANUP_SECONDS
        try:
            async with asyncio.timeout_at(end) as self._timeout:
                yield
        except TimeoutError:
            if not self.expired:
                raise
            raise DeadlineReached from None
