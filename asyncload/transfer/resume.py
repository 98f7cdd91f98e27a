"""Multipart uploads that earlier runs left open: resume those that are ours, abort stale ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from asyncload.errors import (
    AccessDenied,
    EndpointRefused,
    NoSuchUpload,
    RequestRejected,
    UploadBroken,
)
from asyncload.model.checksums import md5_bytes
from asyncload.model.values import Checksum, ObjectKey, StaleUploadAborted
from asyncload.planning.plan import MAX_PARTS, PartLayout
from asyncload.store.protocol import ObjectStore, OpenUpload, StoredPart, pages_of
from asyncload.transfer.context import TransferTools


class OtherParts(UploadBroken):
    """An open upload holds other bytes than the file; another process may own it."""


class Resumable(NamedTuple):
    """An open upload, its parts by number, and the part layout of the file."""

    upload_id: str
    parts: Mapping[int, StoredPart]
    layout: PartLayout


async def find_resumable(
    key: ObjectKey, size: int, fingerprint: str, tools: TransferTools
) -> Resumable | None:
    """Return the latest open upload of a key that is ours; abort stale ones.

    An upload is ours if it is recorded (`upload_records`) for a file of this size in bytes with
    this fingerprint, and all of its parts fit the recorded layout. It may have no parts: a new
    upload would only leave it open. Any other upload is aborted only after the policy's lease,
    because it may belong to a live run or to another program.
    """
    found = None
    async for upload, parts in _left_open(key, tools):
        ours = None
        if found is None:
            ours = found = await _as_ours(key, upload, parts, size, fingerprint, tools)
        if ours is None:
            await _abort_if_stale(key, upload, parts, tools)
    return found


async def abort_stale(key: ObjectKey, tools: TransferTools) -> None:
    """Abort a key's open uploads that had no new part during the policy's lease."""
    async for upload, parts in _left_open(key, tools):
        await _abort_if_stale(key, upload, parts, tools)


async def _left_open(
    key: ObjectKey, tools: TransferTools
) -> AsyncIterator[tuple[OpenUpload, list[StoredPart]]]:
    for upload in tools.left_open.get(key, ()):
        try:
            parts = await list_all_parts(tools.store, key, upload)
        except (AccessDenied, EndpointRefused, NoSuchUpload, RequestRejected):
            # The upload has ended meanwhile, or listing its parts is denied.
            continue
        yield upload, parts


async def _as_ours(
    key: ObjectKey,
    upload: OpenUpload,
    parts: Sequence[StoredPart],
    size: int,
    fingerprint: str,
    tools: TransferTools,
) -> Resumable | None:
    if tools.records is None:
        return None
    record = await tools.records.find(key, upload.upload_id)
    if record is None or record.fingerprint != fingerprint:
        return None
    layout = record.layout
    if layout.size != size or layout.part_size > tools.part_memory:
        return None
    if layout.count > MAX_PARTS or not layout.holds({part.number: part.size for part in parts}):
        return None
    return Resumable(upload.upload_id, {part.number: part for part in parts}, layout)


async def _abort_if_stale(
    key: ObjectKey, upload: OpenUpload, parts: Sequence[StoredPart], tools: TransferTools
) -> None:
    """Abort an upload that had no new part during the policy's lease, and emit an event."""
    idle = seconds_idle(last_activity(upload, parts), tools.store, tools.now())
    if idle is not None and idle > tools.policy.lease.total_seconds():
        await tools.store.abort_multipart(key, upload.upload_id)
        tools.observe(StaleUploadAborted(key, upload.upload_id))


async def list_all_parts(
    store: ObjectStore, key: ObjectKey, upload: OpenUpload
) -> list[StoredPart]:
    """Return all parts of an open upload. Raises as `ObjectStore.list_parts` does."""
    pages = pages_of(partial(store.list_parts, key, upload.upload_id))
    return [part async for page in pages for part in page]


def last_activity(upload: OpenUpload, parts: Sequence[StoredPart]) -> datetime | None:
    """Return when an upload was created or got its latest part; None if the store does not say."""
    times = [upload.initiated, *(part.modified for part in parts)]
    known = [time for time in times if time is not None]
    return max(known) if len(known) == len(times) else None


def seconds_idle(last: datetime | None, store: ObjectStore, now: datetime) -> float | None:
    """Return how long ago something happened in the store, in seconds by the store's clock.

    The machine's clock may be hours or days off. None if the store gave no time.

    Args:
        last: the store's time of the event.
        store: the store whose clock is used.
        now: the machine's time.
    """
    if last is None or store.clock_offset is None:
        return None
    return now.timestamp() + store.clock_offset - last.timestamp()


def is_there(stored: StoredPart, summed: Checksum, md5: bytes | None) -> bool:
    """Return whether an earlier run sent this part: its checksum is `summed`, or its MD5 `md5`.

    Raises:
        OtherParts: it sent other bytes.
    """
    if stored.checksum is not None:
        same = stored.checksum == summed
    elif etag := md5_bytes(stored.etag):
        same = etag == md5
    else:
        return False
    if not same:
        raise OtherParts("an earlier run began to upload other bytes to this key")
    return True
