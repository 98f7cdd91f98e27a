"""Load the complete files of all watched volumes, session by session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asyncload.operations.run import utc_now
from asyncload.operations.watching.pausing import Pauses
from asyncload.operations.watching.sending import Sending
from asyncload.operations.watching.sessions import Outage, Sessions
from asyncload.operations.watching.status import Status
from asyncload.operations.watching.volume import WatchedVolume
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore


class Dispatcher:
    """Hands the batches of all volumes to the sending.

    Args:
        volumes: the volumes.
        sessions: opens the sessions that record the files.
        sending: sends them.
        status: receives the outages of the store.
        pauses: of the watch.
    """

    def __init__(
        self,
        volumes: Sequence[WatchedVolume],
        sessions: Sessions,
        sending: Sending,
        status: Status,
        pauses: Pauses,
    ) -> None:
        self._volumes = volumes
        self._sessions = sessions
        self._sending = sending
        self._status = status
        self._pauses = pauses

    async def run(self, store: ObjectStore) -> None:
        """Load files as they become complete, until the watch stops; complete those in work."""
        while readers := await self._next_ready():
            try:
                async with self._sessions.open(store, readers) as session:
                    while await self._next_ready(session.end):
                        batches = [one for each in self._volumes for one in each.take_ready()]
                        for batch in self._sending.fail_collided(session, batches):
                            work = self._sending.send_batch(session, batch)
                            batch.volume.begin(session.group, work)
            except Outage as error:
                self._status.set_trouble(error.message, hint=error.hint)
                await self._pauses.pause(self._pauses.settle)

    async def _next_ready(self, end: datetime | None = None) -> Readers | None:
        """Wait until there is a batch to send, and return its readers; None at the end."""
        while not self._pauses.stopped and (end is None or utc_now() < end):
            for volume in self._volumes:
                if volume.ready is not None:
                    return volume.ready
            await self._pauses.tick()
        return None
