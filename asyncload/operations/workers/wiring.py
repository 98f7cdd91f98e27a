"""Load a plan in several processes: the wiring of a fleet. Imported only by runs that have one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from asyncload.bucket.key_index import KeyIndex, Known
from asyncload.bucket.listing import find_open_uploads
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import ObjectKey, UploadLeftOpen
from asyncload.operations.requests import Share
from asyncload.operations.run import Run
from asyncload.operations.tools import resize_tools
from asyncload.operations.workers.batches import Batch, Source
from asyncload.operations.workers.choosing import choose_on_cluster
from asyncload.operations.workers.cluster import Cluster
from asyncload.operations.workers.fleet import Fleet, Lend, Work, fleet_of
from asyncload.operations.workers.forking import Forking
from asyncload.operations.workers.processes import starter_of
from asyncload.planning.plan import LoadPlan
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.store.retries import RetryPolicy
from asyncload.transfer.pipeline import LARGE_AT_ONCE, Pipeline


@asynccontextmanager
async def started_fleet(
    run: Run, readers: Readers, forking: Forking | None, lend: Lend, processes: int
) -> AsyncIterator[Fleet]:
    """Start a fleet, which ends with the context. See `fleet_of` and `starter_of`."""
    async with (
        starter_of(forking, readers) as starter,
        fleet_of(run, starter, lend, processes) as fleet,
    ):
        yield fleet


@asynccontextmanager
async def fleet_on_cluster(
    run: Run, plan: LoadPlan, cluster: Cluster, lend: Lend
) -> AsyncIterator[Fleet | None]:
    """Start a fleet on a Dask cluster, which ends with the context; None if it has nothing to do.

    Raises:
        ClusterUnusable: see `Cluster.compare`.
    """
    settings = as_seen_from_elsewhere(run.settings)
    workers = await cluster.compare(settings, plan)
    processes = choose_on_cluster(settings, plan, workers)
    if processes == 1:
        yield None
        return
    try:
        async with fleet_of(run, cluster, lend, processes, settings) as fleet:
            yield fleet
    finally:
        await cluster.end()


def as_seen_from_elsewhere(settings: Settings) -> Settings:
    """Return settings without paths that are relative to this process's folder."""
    volume, bundle = settings.volume, settings.ca_bundle
    return replace(
        settings,
        volume=volume.absolute() if isinstance(volume, Path) else volume,
        ca_bundle=None if bundle is None else bundle.absolute(),
    )


async def load_together(
    fleet: Fleet,
    run: Run,
    plan: LoadPlan,
    pipeline: Pipeline,
    store: ObjectStore,
    retries: RetryPolicy,
    key_index: KeyIndex,
) -> None:
    """Load a plan in this process, by `pipeline`, and in the workers of a fleet.

    Args:
        fleet: the workers.
        run: the run.
        plan: the plan.
        pipeline: loads in this process; its observer receives the outcomes of all files.
        store: the store, with retries.
        retries: when workers give up on a request.
        key_index: what is known about the plan's keys.

    Raises:
        Refused, StoreUnavailable: the run can't continue.
        WorkersLost: workers ended again and again.
    """
    tools, processes = pipeline.tools, fleet.processes

    def find_marker(partition: str) -> Known:
        return key_index.find_key(f"{partition}{SUCCESS_MARKER}", partition)

    def resize(share: Share) -> None:
        run.requests.resize(share)
        resize_tools(tools, share)

    # The paths and keys of the large files whose workers were lost.
    lost: dict[ObjectKey, str] = {}

    async def find_left_open(batch: Batch) -> Mapping[str, Sequence[OpenUpload]]:
        ((path, *_), key, *_), *_ = batch.uploads
        lost[key] = path
        return await find_open_uploads(store, key)

    async def tell_left_open() -> None:
        """Name the uploads that no run can resume.

        Only at the end: what a worker had sent last may reach the store after its loss, be it a
        record, by which the upload is resumed, or the upload itself.
        """
        for key, path in lost.items():
            before = {upload.upload_id for upload in tools.left_open.get(key, ())}
            found = (await find_open_uploads(store, key)).get(key, ())
            for upload_id in {upload.upload_id for upload in found} - before:
                if tools.records is None or await tools.records.find(key, upload_id) is None:
                    why = "a worker process was lost before it had recorded it: use asyncload clean"
                    run.observe(UploadLeftOpen(path, key, upload_id, why))

    is_listed = run.markers is not None and run.markers.listed is not None
    source = Source(
        plan, processes, key_index.find, tools.left_open, find_marker if is_listed else None
    )
    # Few large files at once in each process, so that all processes get some.
    at_once = -(-len(plan.large_sizes) // (2 * processes))
    pipeline = replace(pipeline, large_at_once=max(1, min(LARGE_AT_ONCE, at_once)))
    await fleet.load(
        Work(source, tools.policy, retries, pipeline, resize, find_left_open, tell_left_open)
    )
