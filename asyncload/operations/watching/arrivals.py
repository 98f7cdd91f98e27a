"""Note what happens in a watched volume, by events and scans, and find its complete files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from asyncload.aio.groups import Group
from asyncload.errors import SourceUnreadable
from asyncload.model.values import Failed, SourceFile, Warned
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.pausing import Pauses
from asyncload.planning.collecting import SLICE
from asyncload.source.arrivals import changes, has_events, look_at
from asyncload.source.folders import status_of
from asyncload.source.readers import Readers
from asyncload.source.roots import Root
from asyncload.transfer.pipeline import Observer

BATCH = 1_000
"""The maximum number of files that are looked at in one call, and handed out together."""

# In seconds.
_RESCAN = 60.0
# A scan of the whole volume may take this share of the time.
_SCANNING = 0.1


class VolumeGone(SourceUnreadable):
    """The watched folder was removed, replaced or unmounted."""


class Arrivals:
    """Notes which files of a volume appear, change and disappear.

    Args:
        root: the volume's folder.
        files: the files of the volume.
        emit: receives warnings.
        pauses: of the watch.
        poll: scan the volume again and again, also if its file system reports events.
    """

    def __init__(
        self,
        root: Root,
        files: Files,
        emit: Observer,
        *,
        pauses: Pauses,
        poll: bool,
    ) -> None:
        self._root = root
        self._files = files
        self._emit = emit
        self._pauses = pauses
        self._poll = self._polling = poll
        self._heard: set[str] = set()

    async def watch(self, readers: Readers) -> NoReturn:
        """Note what happens, until the volume is gone.

        Raises:
            VolumeGone: the folder was removed or replaced.
            SourceStalled: it does not respond.
        """
        folder = self._root.folder
        status = await readers.run(status_of, os.fsencode(folder))
        self._polling = self._poll or not await readers.run(has_events, folder)
        async with Group() as group:
            if not self._polling:
                group.create_task(self._listen())
            await self._look(readers, status)

    async def find_complete(self, readers: Readers) -> Sequence[SourceFile] | None:
        """Return files that are complete now; they are in work then. None if none is due."""
        due = self._files.due(BATCH)
        if not due:
            return None
        seen = await readers.run(look_at, self._files.scanner, due)
        ready = self._files.take(seen.files)
        for path in seen.others:
            self._files.gone(path)
        return ready

    async def _listen(self) -> None:
        try:
            async for paths in changes(self._root):
                self._heard |= paths
        except (OSError, RuntimeError) as error:
            # Of the library: its errors of the system's limits are of both kinds.
            self._emit(
                Warned(
                    f"no events of the file system, so the volume is scanned instead: {error}",
                    "raise fs.inotify.max_user_watches and max_user_instances",
                )
            )
            self._polling = True

    async def _look(self, readers: Readers, opened: os.stat_result | None) -> NoReturn:
        """Note what was heard of, and scan the volume from time to time, until it is gone."""
        clock, volume = asyncio.get_running_loop().time, os.fsencode(self._root.folder)
        rescan = clock()
        while True:
            now = await readers.run(status_of, volume)
            if now is None:
                # In the words of the next attempt to open it, so that they are emitted once.
                raise VolumeGone(f"the volume {self._root.folder} does not exist")
            if opened is None or not os.path.samestat(now, opened):
                raise VolumeGone(f"the volume {self._root.folder} was replaced")
            if await self._look_at_heard(readers):
                # Files may have come with a new folder, before anything was heard of it.
                rescan = min(rescan, clock() + self._pauses.settle)
            if clock() >= rescan:
                begun = clock()
                await self._rescan(readers)
                pause = self._pauses.settle / 2 if self._polling else _RESCAN
                rescan = clock() + max(pause, (clock() - begun) / _SCANNING)
            elif self._polling:
                rescan = min(rescan, clock() + self._pauses.settle / 2)
            await asyncio.sleep(self._pauses.seconds)

    async def _look_at_heard(self, readers: Readers) -> bool:
        """Look at what was heard of; return whether a folder is among it."""
        heard, self._heard = sorted(self._heard), set()
        folders = False
        for start in range(0, len(heard), BATCH):
            seen = await readers.run(look_at, self._files.scanner, heard[start : start + BATCH])
            for source in seen.files:
                self._files.seen(source, event=True)
            for path in seen.others:
                self._files.gone(path)
            folders = folders or seen.folders
        return folders

    async def _rescan(self, readers: Readers) -> None:
        self._files.begin_rescan()
        scan, complete = readers.scan(partial(self._files.scanner.scan, expand=False)), True
        while entries := await readers.take(scan, SLICE):
            for found in entries:
                if isinstance(found, SourceFile):
                    self._files.seen(found)
                elif isinstance(found, Failed) and await readers.run(
                    os.path.lexists, self._files.scanner.path_of(found.path)
                ):
                    complete = False
                    if self._files.is_news(found.path, found.error.message):
                        self._emit(Warned(f"{found.path}: {found.error.message}", found.error.hint))
        self._files.end_rescan(complete=complete)
