"""One watched folder: opened while it is there; its complete files wait until they are sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeAlias

from asyncload.aio.groups import Group
from asyncload.aio.shielding import run_to_end
from asyncload.errors import SourceUnreadable, UsageError
from asyncload.model.values import SourceFile
from asyncload.operations.requests import READER_THREADS
from asyncload.operations.watching.arrivals import Arrivals
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.pausing import Pauses
from asyncload.operations.watching.status import Status
from asyncload.source.readers import Readers
from asyncload.source.roots import Root
from asyncload.source.threads import ReaderThreads

Opening: TypeAlias = Callable[[Root, Executor], AbstractAsyncContextManager[Readers]]
"""Opens a folder for reading in an executor's threads."""

# At once, of one volume: a large file must not delay the others.
_BATCHES = 4


class Batch(NamedTuple):
    """Complete files of a volume, or one complete archive; `readers` read them."""

    volume: WatchedVolume
    readers: Readers
    sources: Sequence[SourceFile]

    @property
    def files(self) -> Files:
        """The files of the volume."""
        return self.volume.files

    @property
    def is_archive(self) -> bool:
        """Whether it is an archive."""
        return self.files.archives.holds(self.sources)


class WatchedVolume:
    """Opens a folder whenever it is there, and cuts its complete files into batches.

    Args:
        root: the folder.
        files: its files.
        arrivals: notes what happens in it, and finds complete files.
        opening: opens it.
        status: is told when it disappears.
        pauses: of the watch.
    """

    def __init__(
        self,
        root: Root,
        files: Files,
        arrivals: Arrivals,
        opening: Opening,
        status: Status,
        pauses: Pauses,
    ) -> None:
        self.files = files
        self._root = root
        self._arrivals = arrivals
        self._opening = opening
        self._status = status
        self._pauses = pauses
        self._ready: deque[Batch] = deque()
        # The batches that are being sent, each with the group of its session.
        self._tasks: dict[asyncio.Task[None], Group] = {}

    async def watch(self) -> None:
        """Watch the folder until the watch stops; if it disappears, wait until it is back."""
        # Of this volume only. Threads that are stuck count for all attempts to open it.
        with ReaderThreads(READER_THREADS) as threads:
            while not self._pauses.stopped:
                try:
                    async with self._opening(self._root, threads) as readers:
                        self._status.set_trouble("", of=self._root.name)
                        await self._watch(readers)
                except (UsageError, SourceUnreadable) as error:
                    name, message = self._root.name, error.message
                    # That of a stalled call names none.
                    message = message if name in message else f"{name}: {message}"
                    self._status.set_trouble(message, "watch waits until it is back", of=name)
                    await self._pauses.pause(self._pauses.settle)

    @property
    def ready(self) -> Readers | None:
        """The readers of a batch that may be sent now; None if there is none."""
        return self._ready[0].readers if self._ready and len(self._tasks) < _BATCHES else None

    def take_ready(self) -> list[Batch]:
        """Return the batches that may be sent now; each has to `begin` at once."""
        taken: list[Batch] = []
        while self._ready and len(self._tasks) + len(taken) < _BATCHES:
            taken.append(self._ready.popleft())
        if taken:
            self._pauses.wake()
        return taken

    def begin(self, group: Group, work: Coroutine[Any, Any, None]) -> None:
        """Send a batch in a task of a group; it is stopped if the volume disappears."""
        task = group.create_task(work)
        self._tasks[task] = group
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._pauses.wake()

    async def _watch(self, readers: Readers) -> None:
        try:
            async with Group() as group:
                watching = group.create_task(self._arrivals.watch(readers))
                await self._find_complete(readers)
                if self._tasks:
                    await asyncio.wait(self._tasks)
                group.stop(watching)
        finally:
            await self._abandon()

    async def _find_complete(self, readers: Readers) -> None:
        """Cut files into batches as they become complete, until the watch stops."""
        while not self._pauses.stopped:
            found = None if self._ready else await self._arrivals.find_complete(readers)
            if found:
                batches = self.files.archives.batches(found)
                self._ready.extend(Batch(self, readers, sources) for sources in batches)
                self._pauses.wake()
            elif found is None:
                await self._pauses.tick()

    async def _abandon(self) -> None:
        """Stop sending, before the volume is closed: what is left is tried again."""
        while self._ready:
            self.files.put_back(source.path for source in self._ready.popleft().sources)
        for task, group in self._tasks.items():
            group.stop(task)
        if self._tasks:
            await run_to_end(asyncio.wait(list(self._tasks)), grace=None)
        self.files.release()
