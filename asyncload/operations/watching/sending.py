"""Send complete files, or the members of a complete archive, through the parts of a load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from asyncload.bucket.listing import list_existing
from asyncload.errors import KeyCollision
from asyncload.model.values import Event, Failed, FileFinished, LoadStarted, SourceFile
from asyncload.operations.disposing import disposing
from asyncload.operations.planning import drop_equal
from asyncload.operations.tools import find_left_open
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.sessions import Outage, Session
from asyncload.operations.watching.status import Status
from asyncload.operations.watching.volume import Batch
from asyncload.planning.collecting import add_found
from asyncload.planning.plan import LoadPlan, collision_error
from asyncload.settings.run import Settings, dates_of
from asyncload.source.readers import Readers
from asyncload.source.scanner import Found
from asyncload.transfer.pipeline import Pipeline


class _Collided(NamedTuple):
    """Why a file failed; the others for its key, each with the files of its volume."""

    error: KeyCollision
    others: Sequence[tuple[Files, str]]

    def is_waiting(self) -> bool:
        """Return whether another file for the key is known, and was not loaded."""
        return any(files.settling.knows(path) for files, path in self.others)


class Sending:
    """Sends batches of complete files.

    Args:
        settings: of the watch.
        status: receives the outages of the store.
    """

    def __init__(self, settings: Settings, status: Status) -> None:
        self._settings = settings
        self._status = status
        # Of all batches so far.
        self._planned = self._size = 0
        # Files that failed because others have the same key, by their paths.
        self._collided: dict[str, _Collided] = {}

    def fail_collided(self, session: Session, batches: Sequence[Batch]) -> list[Batch]:
        """Fail the files of some batches that share a key, and return what is left to send.

        They fail again as long as another file for their key waits to be loaded.
        """
        batches_of_files = [batch for batch in batches if not batch.is_archive]
        files = {source.path: batch.files for batch in batches_of_files for source in batch.sources}
        plan = self._plan(session, [one for each in batches_of_files for one in each.sources])
        for path in files.keys() & self._collided.keys():
            if not self._collided[path].is_waiting():
                del self._collided[path]
        if collisions := plan.find_collisions():
            error = collision_error(collisions, several=bool(plan.layout.volumes))
            for _, paths in collisions:
                for path in paths:
                    others = [(files[other], other) for other in paths if other != path]
                    self._collided[path] = _Collided(error, others)
        left = []
        for batch in batches:
            for source in batch.sources:
                if (collided := self._collided.get(source.path)) is not None:
                    failed = Failed(source.path, None, source.size, collided.error)
                    _conclude(session, batch.files, FileFinished(failed))
            sources = [one for one in batch.sources if one.path not in self._collided]
            if sources:
                left.append(batch._replace(sources=sources))
        return left

    async def send_batch(self, session: Session, batch: Batch) -> None:
        """Send files or an archive; those that the store's outage leaves are tried again."""
        # Of this batch only: a later one may have a newer version of a file by the end.
        open_paths = {source.path for source in batch.sources}
        try:
            await self._send(session, batch, open_paths)
            self._status.set_trouble("")
        except Outage as error:
            self._status.set_trouble(error.message, hint=error.hint)
        finally:
            batch.files.put_back(open_paths)

    async def _send(self, session: Session, batch: Batch, open_paths: set[str]) -> None:
        """Send files or an archive; each that has its outcome is taken out of `open_paths`."""
        if not batch.is_archive:

            def observe(event: Event) -> None:
                assert isinstance(event, FileFinished), "a pipeline emits outcomes"
                open_paths.remove(event.outcome.path)
                _conclude(session, batch.files, event)

            await self._send_plan(session, batch.readers, batch.sources, observe)
            return
        (source,) = batch.sources
        attempt = await batch.files.archives.open(batch.readers, source)
        if attempt is None:
            open_paths.remove(source.path)
            batch.files.changed(source.path)
            return

        def observe_member(event: Event) -> None:
            assert isinstance(event, FileFinished), "as above"
            batch.files.count(event.outcome)
            if attempt.conclude(event.outcome):
                session.run.observe(event)

        await self._send_plan(session, batch.readers, attempt.found, observe_member)
        open_paths.remove(source.path)
        batch.files.conclude_archive(attempt)

    async def _send_plan(
        self,
        session: Session,
        readers: Readers,
        found: Sequence[Found],
        observe: Callable[[Event], None],
    ) -> None:
        run = session.run
        plan = self._plan(session, found)
        await drop_equal(plan, readers, run.observe)
        if collisions := plan.find_collisions():
            # Members of an archive: files were compared with each other before.
            named = {path for _, paths in collisions for path in paths}
            error = collision_error(collisions)
            for item in found:
                if isinstance(item, SourceFile) and item.path in named:
                    observe(FileFinished(Failed(item.path, None, item.size, error)))
            named |= plan.dropped
            plan = self._plan(session, [item for item in found if item.path not in named])
        self._planned, self._size = self._planned + plan.files, self._size + plan.size
        run.observe(LoadStarted(self._planned, self._size))
        tools = replace(
            session.tools,
            readers=readers,
            key_index=await list_existing(plan, session.store),
            left_open=await find_left_open(plan, session.store, run.prefix, run.observe),
            dispose=disposing(run.disposal, readers, plan.archives),
        )
        await Pipeline(tools, observe, run.requests.at_once).run(plan)

    def _plan(self, session: Session, found: Sequence[Found]) -> LoadPlan:
        plan = LoadPlan(
            session.run.layout,
            put_limit=session.tools.policy.put_limit,
            dates=dates_of(self._settings),
            exact=True,
            clears=session.run.disposal is not None,
        )
        add_found(plan, found, lambda _: None)
        return plan


def _conclude(session: Session, files: Files, event: FileFinished) -> None:
    """Note the outcome of a file, and emit it if it is news."""
    if files.conclude(event.outcome):
        session.run.observe(event)
