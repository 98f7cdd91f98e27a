"""Make the tools of transfers, for this process or for a worker process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from asyncload.aio.buffers import BufferPool
from asyncload.aio.deadline import Deadline
from asyncload.bucket.key_index import KeyIndex
from asyncload.bucket.listing import find_open_uploads, warn_of_odd_keys
from asyncload.model.values import Archive, Event
from asyncload.operations.bucket import Stores
from asyncload.operations.disposing import disposing
from asyncload.operations.requests import Requests, Share, share_of
from asyncload.operations.run import Run, utc_now
from asyncload.planning.plan import PARTS_AT_ONCE, LoadPlan
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.transfer import (
    KnownKeys,
    PartWindow,
    TransferPolicy,
    TransferTools,
    UploadRecords,
    no_change,
)
from asyncload.transfer.concluding import Dispose
from asyncload.transfer.pipeline import Observer

# Bytes per second of one connection; slower connections need more of them in parallel.
PART_PACE = 8 * 1024 * 1024


class Listed(NamedTuple):
    """What was listed before the run: what is known about keys, and the open uploads by key."""

    keys: KnownKeys
    left_open: Mapping[str, Sequence[OpenUpload]]


def make_tools(
    settings: Settings,
    share: Share,
    requests: Requests,
    policy: TransferPolicy,
    listed: Listed,
    *,
    readers: Readers,
    files: ObjectStore,
    others: ObjectStore,
    observe: Callable[[Event], None],
    deadline: Deadline,
    before_change: Callable[[str], Awaitable[None]],
    dispose: Dispose | None = None,
) -> TransferTools:
    """Return the tools of one process.

    Args:
        settings: the run's.
        share: what the process may use.
        requests: its limits, which `share` is about.
        policy: how files become objects.
        listed: what was listed before the run.
        readers: read the volume.
        files: the store for files.
        others: the store for records of uploads.
        observe: receives all events but the outcomes of files.
        deadline: when no more work is started.
        before_change: awaited with a partition before one of its objects is written.
        dispose: awaited for each loaded file; None leaves the files where they are.
    """
    return TransferTools(
        store=files,
        readers=readers,
        buffers=BufferPool(
            share.memory,
            reserved=lambda: requests.connection_memory() + readers.decoding_memory,
        ),
        window=PartWindow(max_parts(share)),
        policy=policy,
        key_index=listed.keys,
        left_open=listed.left_open,
        observe=observe,
        now=utc_now,
        deadline=deadline,
        dispose=dispose,
        part_memory=settings.memory,
        before_change=before_change,
        records=UploadRecords(others, settings.manifest_prefix, policy, observe, utc_now)
        if settings.manifest
        else None,
    )


def resize_tools(tools: TransferTools, share: Share) -> None:
    """Use another share from now on."""
    tools.buffers.resize(share.memory)
    tools.window.resize(max_parts(share))


def max_parts(share: Share) -> int:
    """Return the maximum number of parts in flight; a rate limit needs fewer parallel parts."""
    if share.rate is None:
        return share.requests
    return min(share.requests, max(PARTS_AT_ONCE, share.rate // PART_PACE))


def transfer_tools(
    run: Run,
    policy: TransferPolicy,
    readers: Readers,
    stores: Stores,
    key_index: KeyIndex,
    left_open: Mapping[str, Sequence[OpenUpload]],
    archives: Mapping[str, Archive] = MappingProxyType({}),
) -> TransferTools:
    """Return what the transfers of a run share; the caller closes its buffers.

    `key_index` and `left_open` are as in `TransferTools`, `archives` as in `LoadPlan`.
    """
    return make_tools(
        run.settings,
        share_of(run.settings),
        run.requests,
        policy,
        Listed(key_index, left_open),
        readers=readers,
        files=stores.files,
        others=stores.most,
        observe=run.observe,
        deadline=run.deadline,
        before_change=run.markers.before_change if run.markers else no_change,
        dispose=disposing(run.disposal, readers, archives),
    )


async def find_left_open(
    plan: LoadPlan, store: ObjectStore, prefix: str, observe: Observer
) -> Mapping[str, Sequence[OpenUpload]]:
    """Return the open uploads by key; nothing if no planned file is large enough to have one."""
    if not plan.has_large:
        return {}
    left_open = await find_open_uploads(store, prefix)
    if warned := warn_of_odd_keys(left_open):
        observe(warned)
    return left_open
