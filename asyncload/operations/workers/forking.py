"""Prepare a process for being copied: a fork is safe only while it has a single thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from asyncload.source.readers import Readers

# In seconds; a thread that has just done its work ends within microseconds.
_PAUSE = 0.001
_PAUSES = 50


class Forking:
    """Ends the threads of a running event loop for a moment: idle readers and resolvers of names.

    To be made in the loop, before anything is resolved in it.
    """

    def __init__(self) -> None:
        self._resolvers = _resolve_in_new_threads()

    async def end_threads(self, readers: Readers) -> bool:
        """Return whether this process has a single thread now; later work starts new ones."""
        self._resolvers.shutdown(wait=False)
        self._resolvers = _resolve_in_new_threads()
        for _ in range(_PAUSES):
            readers.rest()
            if has_one_thread():
                return True
            await asyncio.sleep(_PAUSE)
        return False


def _resolve_in_new_threads() -> ThreadPoolExecutor:
    """Let the running loop resolve names in new threads, named as the loop's own."""
    resolvers = ThreadPoolExecutor(thread_name_prefix="asyncio")
    asyncio.get_running_loop().set_default_executor(resolvers)
    return resolvers


def has_one_thread(tasks: Path = Path("/proc/self/task")) -> bool:
    """Return whether this process has one thread; False if the system has no folder of `tasks`."""
    with suppress(OSError):
        return len(list(tasks.iterdir())) == 1
    return False
