"""An event loop whose time jumps to the next timer: minutes of waiting take no time.

For coroutines that wait for timers and each other only, not for sockets or threads.
"""

from __future__ import annotations

import asyncio
import heapq


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s; `asyncio.sleep` and `asyncio.timeout` follow its time."""

    def __init__(self):
        super().__init__()
        self._now = 0.0

    def time(self):
        return self._now

    def _run_once(self):
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


def run_virtually(main):
    """Run a coroutine to its end; return its result and how many seconds it took."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(main)
        return result, runner.get_loop().time()
