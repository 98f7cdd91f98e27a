"""The sessions of a watch: the files of each are recorded in one manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncload.aio.groups import Group
from asyncload.bucket.listing import list_existing
from asyncload.errors import Interrupted, Refused, ServerError, StoreUnavailable, UsageError
from asyncload.operations.bucket import preflight, stores_of
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.requests import Requests, share_of
from asyncload.operations.run import Run, utc_now
from asyncload.operations.running import begin_run
from asyncload.operations.tools import transfer_tools
from asyncload.planning.plan import LoadPlan
from asyncload.settings.run import Settings, find_timezone, layout_of
from asyncload.source.disposal import Disposal
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.transfer import TransferTools
from asyncload.transfer.pipeline import Observer

Outage = (StoreUnavailable, ServerError)
"""Errors of a store that a watch waits for."""


@dataclass(frozen=True, slots=True)
class Session:
    """The files that one manifest records.

    `end` is when the next one begins. Each batch has a task in `group`. `tools` are those of the
    volume whose files came first.
    """

    run: Run
    tools: TransferTools
    store: ObjectStore
    end: datetime
    group: Group


class Sessions:
    """Opens sessions.

    Args:
        settings: of the watch.
        emit: receives the events of all sessions.
        interruption: returns the error to record for a cancelled watch.
        manifest_every: a session takes so many seconds; None for one a day.
        rate: the limit on the bytes per second of all sessions.
        disposal: deletes or moves loaded files, if any are to be.
    """

    def __init__(
        self,
        settings: Settings,
        emit: Observer,
        interruption: Callable[[], Interrupted],
        *,
        manifest_every: float | None,
        rate: RateLimit | None,
        disposal: Disposal | None,
    ) -> None:
        self._settings = settings
        self._emit = emit
        self._interruption = interruption
        self._manifest_every = manifest_every
        self._rate = rate
        self._disposal = disposal

    async def check(self, store: ObjectStore) -> None:
        """Check that the bucket can be used. Raises as `preflight` does."""
        requests = Requests(self._settings, share_of(self._settings))
        prefix = layout_of(self._settings, utc_now()).common_prefix()
        await preflight(stores_of(requests, store).first, self._settings, prefix)

    @asynccontextmanager
    async def open(self, store: ObjectStore, readers: Readers) -> AsyncIterator[Session]:
        """Open a session; at the end of the context its manifest is written.

        `readers` are those of any volume.

        Raises:
            Refused: objects can't be locked any more until the requested time.
            StoreUnavailable, ServerError: the store can't be used now.
        """
        try:
            run = begin_run(self._settings, self._emit, None, self._interruption)
        except UsageError as error:
            # The time of --lock-until was in the future when the watch began.
            raise Refused(error.message, hint=error.hint) from error
        run.requests.rate, run.disposal = self._rate, self._disposal
        stores = stores_of(run.requests, store)
        async with run.recording(stores.most).kept() as record:
            run.add_observer(record)
            # Any file may come with a backslash in its path.
            policy = await probe_store(
                stores.probing,
                self._settings,
                run.policy,
                utc_now(),
                run.observe,
                backslashes=True,
            )
            nothing = LoadPlan(run.layout, put_limit=policy.put_limit)
            index = await list_existing(nothing, stores.most)
            tools = transfer_tools(run, policy, readers, stores, index, {})
            written = ReadBack(self._settings, policy.put_limit, policy.lock)
            run.add_observer(written.observe)
            try:
                async with Group() as group:
                    yield Session(run, tools, stores.most, self._end_of(run), group)
            finally:
                tools.buffers.close()
                run.count_requests()
            for warned in await written.check(stores.probing):
                run.observe(warned)

    def _end_of(self, run: Run) -> datetime:
        """Return when the next manifest begins: at midnight, or after the time asked for.

        If objects are locked, at midnight at the latest: a session locks all of its objects until
        the same time, and the later ones must not be locked for shorter than asked for.
        """
        zone, every = find_timezone(self._settings.timezone), self._manifest_every
        day = run.started.astimezone(zone).date() + timedelta(days=1)
        midnight = datetime.combine(day, datetime.min.time(), zone)
        if every is None:
            return midnight
        end = run.started + timedelta(seconds=every)
        return end if self._settings.lock_mode is None else min(end, midnight)
