"""Load a plan, or one portion of a volume after another, into the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from asyncload.bucket.listing import Portions
from asyncload.model.values import Event
from asyncload.operations.bucket import Stores
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.run import Run, utc_now
from asyncload.operations.tools import find_left_open, transfer_tools
from asyncload.planning.plan import LoadPlan
from asyncload.source.readers import Readers
from asyncload.store.protocol import OpenUpload
from asyncload.transfer import TransferPolicy
from asyncload.transfer.concluding import Outage
from asyncload.transfer.pipeline import Pipeline

if TYPE_CHECKING:
    from asyncload.operations.workers.fleet import Fleet


class Loading:
    """Loads the files of a run: `load` for each plan, then `conclude`."""

    def __init__(self, run: Run, readers: Readers, stores: Stores) -> None:
        self._run = run
        self._readers = readers
        self._stores = stores
        self._policy: TransferPolicy | None = None
        self._portions = Portions(stores.most, markers=run.settings.success_marker)
        self._left_open: Mapping[str, Sequence[OpenUpload]] | None = None
        self._outage = Outage()
        self._written = ReadBack(run.settings, run.policy.put_limit, run.policy.lock)
        run.add_observer(self._written.observe)

    async def load_portion(self, portion: LoadPlan, started: Callable[[], Event]) -> bool:
        """Load a portion of the volume, as `load` does; return whether others should follow.

        If not, it takes fewer requests to load the rest as a whole.
        """
        await self.load(portion, started, more=True)
        return self._portions.pay

    async def load(
        self,
        plan: LoadPlan,
        started: Callable[[], Event],
        fleet: Fleet | None = None,
        *,
        more: bool = False,
    ) -> None:
        """Load all files of a plan, in this process and in the workers of a fleet.

        `started` returns the event that is emitted before anything is asked about the files: the
        scan may find others until then. `more`: other plans may follow.

        Raises:
            Refused, StoreUnavailable: the run can't continue; uploaded files are kept.
            DeadlineReached: the deadline left no time for all files.
        """
        run, stores = self._run, self._stores
        policy = await self._probe(backslashes=plan.has_backslashes)
        run.observe(started())
        key_index = await self._portions.list_existing(plan, more=more)
        if run.markers is not None and policy.create_only:
            # With --overwrite, a marker that another run has just written must be removed too.
            run.markers.listed = key_index
        if plan.has_large and self._left_open is None:
            self._left_open = await find_left_open(plan, stores.most, run.prefix, run.observe)
        tools = transfer_tools(
            run, policy, self._readers, stores, key_index, self._left_open or {}, plan.archives
        )
        pipeline = Pipeline(tools, run.observe, run.requests.at_once, self._outage)
        try:
            if fleet is None:
                await pipeline.run(plan)
            else:
                from asyncload.operations.workers.wiring import load_together

                await load_together(
                    fleet, run, plan, pipeline, stores.most, stores.retries, key_index
                )
        finally:
            tools.buffers.close()

    async def conclude(self, partitions: Iterable[str]) -> None:
        """Check what was written, and mark the complete partitions of those that were planned."""
        run = self._run
        for warned in await self._written.check(self._stores.probing):
            run.observe(warned)
        if run.markers is not None:
            assert self._policy is not None, "a plan was loaded"
            # One shard alone does not know whether all files of a partition are in the raw zone.
            await run.markers.write(partitions, self._policy, mark=run.settings.shard is None)

    async def _probe(self, *, backslashes: bool) -> TransferPolicy:
        """Return the policy with what the store enforces, which is asked only once."""
        asked = self._policy
        foreign = self._stores.probing.foreign_endpoint is not None
        if asked is None or (backslashes and foreign and asked.worth.keeps_backslashes is None):
            self._policy = asked = await probe_store(
                self._stores.probing,
                self._run.settings,
                self._run.policy,
                utc_now(),
                self._run.observe,
                backslashes=backslashes,
            )
        return asked
