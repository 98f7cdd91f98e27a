"""Send complete files, or the members of a complete archive, through the parts of a load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from asyncload.bucket.listing import list_existing
from asyncload.model.values import Event, Failed, FileFinished, LoadStarted, SourceFile
from asyncload.operations.disposing import disposing
from asyncload.operations.planning import drop_equal
from asyncload.operations.tools import find_left_open
from asyncload.operations.watching.files import Files
from asyncload.operations.watching.sessions import Outage, Session
from asyncload.operations.watching.status import Status
from asyncload.planning.collecting import add_found
from asyncload.planning.plan import LoadPlan, collision_error
from asyncload.settings.run import Settings, dates_of
from asyncload.source.scanner import Found
from asyncload.transfer.pipeline import Observer, Pipeline


class Sending:
    """Sends batches of complete files.

    Args:
        settings: of the watch.
        files: the files of the volume; receives their outcomes.
        status: receives the outages of the store.
    """

    def __init__(self, settings: Settings, files: Files, status: Status) -> None:
        self._settings = settings
        self._files = files
        self._status = status
        # Of all batches so far.
        self._planned = self._size = 0

    async def send_batch(self, session: Session, sources: Sequence[SourceFile]) -> None:
        """Send files or an archive; those that the store's outage leaves are tried again."""
        # Of this batch only: a later one may have a newer version of a file by the end.
        open_paths = {source.path for source in sources}
        try:
            await self._send(session, sources, open_paths)
            self._status.set_trouble("")
        except Outage as error:
            self._status.set_trouble(error.message, hint=error.hint)
        finally:
            session.slots.release()
            self._files.put_back(open_paths)

    async def _send(
        self, session: Session, sources: Sequence[SourceFile], open_paths: set[str]
    ) -> None:
        """Send files or an archive; each that has its outcome is taken out of `open_paths`."""
        if not self._files.archives.holds(sources):

            def observe(event: Event) -> None:
                assert isinstance(event, FileFinished), "a pipeline emits outcomes"
                open_paths.remove(event.outcome.path)
                if self._files.conclude(event.outcome):
                    session.run.observe(event)

            await self._send_plan(session, sources, observe)
            return
        (source,) = sources
        attempt = await self._files.archives.open(session.tools.readers, source)
        if attempt is None:
            open_paths.remove(source.path)
            self._files.changed(source.path)
            return

        def observe_member(event: Event) -> None:
            assert isinstance(event, FileFinished), "as above"
            self._files.count(event.outcome)
            if attempt.conclude(event.outcome):
                session.run.observe(event)

        await self._send_plan(session, attempt.found, observe_member)
        open_paths.remove(source.path)
        self._files.conclude_archive(attempt)

    async def _send_plan(
        self, session: Session, found: Sequence[Found], observe: Callable[[Event], None]
    ) -> None:
        run, tools = session.run, session.tools
        plan = self._plan(session, found)
        await drop_equal(plan, tools.readers, run.observe)
        if collided := _fail_collided(plan, found, observe):
            left = [item for item in found if item.path not in collided | plan.dropped]
            plan = self._plan(session, left)
        self._planned, self._size = self._planned + plan.files, self._size + plan.size
        run.observe(LoadStarted(self._planned, self._size))
        tools = replace(
            tools,
            key_index=await list_existing(plan, session.store),
            left_open=await find_left_open(plan, session.store, run.prefix, run.observe),
            dispose=disposing(run.disposal, tools.readers, plan.archives),
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


def _fail_collided(plan: LoadPlan, found: Sequence[Found], observe: Observer) -> set[str]:
    """Emit the failure of each planned file that shares its key; return their paths."""
    collisions = plan.find_collisions()
    if not collisions:
        return set()
    paths = {path for _, paths in collisions for path in paths}
    error = collision_error(collisions)
    for item in found:
        if isinstance(item, SourceFile) and item.path in paths:
            observe(FileFinished(Failed(item.path, None, item.size, error)))
    return paths
