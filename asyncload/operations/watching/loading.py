"""Load the files of a watched volume that are complete, session by session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from asyncload.model.values import SourceFile
from asyncload.operations.run import utc_now
from asyncload.operations.watching.arrivals import Arrivals
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.pausing import pause
from asyncload.operations.watching.sending import Sending
from asyncload.operations.watching.sessions import Outage, Sessions
from asyncload.operations.watching.status import Status
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore


class Loading:
    """Hands complete files to the sending, in batches.

    Args:
        files: the files of the volume.
        arrivals: finds the complete ones.
        sessions: opens the sessions that record them.
        sending: sends them.
        status: receives the outages of the store.
        tick: how often it looks for complete files, in seconds.
        settle: how long it waits after an outage, in seconds.
    """

    def __init__(
        self,
        files: Files,
        arrivals: Arrivals,
        sessions: Sessions,
        sending: Sending,
        status: Status,
        *,
        tick: float,
        settle: float,
    ) -> None:
        self._files = files
        self._arrivals = arrivals
        self._sessions = sessions
        self._sending = sending
        self._status = status
        self._tick = tick
        self._settle = settle

    async def load(self, store: ObjectStore, readers: Readers, stop: asyncio.Event) -> None:
        """Load files as they become complete, until `stop` is set; complete those in work."""
        while ready := await self._next_ready(readers, stop):
            try:
                async with self._sessions.open(store, readers) as session:
                    while ready:
                        for batch in self._files.archives.batches(ready):
                            await session.slots.acquire()
                            if stop.is_set():
                                break
                            session.group.create_task(self._sending.send_batch(session, batch))
                        ready = await self._next_ready(readers, stop, session.end)
            except Outage as error:
                self._files.release()
                self._status.set_trouble(error.message, hint=error.hint)
                await pause(stop, self._settle)

    async def _next_ready(
        self, readers: Readers, stop: asyncio.Event, end: datetime | None = None
    ) -> Sequence[SourceFile]:
        """Return the next complete files; none at a stop, or at the end of a session."""
        while not stop.is_set() and (end is None or utc_now() < end):
            ready = await self._arrivals.find_complete(readers)
            if ready:
                return ready
            if ready is None:
                await pause(stop, self._tick)
        return ()
