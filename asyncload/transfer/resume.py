"""Multipart uploads that earlier runs left open: go on with one, sweep the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from asyncload.checksums import md5_bytes
from asyncload.errors import (
    AccessDenied,
    EndpointRefused,
    NoSuchUpload,
    RequestRejected,
    UploadBroken,
)
from asyncload.model import Checksum, ObjectKey, UploadSwept
from asyncload.plan import PartLayout, layout_of_parts
from asyncload.store import ObjectStore, OpenUpload, StoredPart, pages_of
from asyncload.transfer.tools import TransferTools


class Resumable(NamedTuple):
    """An open upload, the parts it has by their number, and how the file was cut into them."""

    upload_id: str
    parts: Mapping[int, StoredPart]
    layout: PartLayout


async def find_resumable(
    key: ObjectKey, layout: PartLayout, tools: TransferTools
) -> Resumable | None:
    """Return the latest open upload of a key whose parts may be the file's; sweep the others.

    One without parts will do: a new one would only leave it behind. An upload whose parts can't
    be this file's is aborted; any other one only after the policy's lease, for it may be a live
    run's. `layout` is how this run would cut the file; one that had other memory may have cut it
    otherwise.
    """
    found = None
    async for upload, parts in _left_open(key, tools):
        sizes = {part.number: part.size for part in parts}
        fitting = layout_of_parts(sizes, layout, most=tools.buffers.capacity)
        if fitting is not None and found is None:
            found = Resumable(upload.upload_id, {part.number: part for part in parts}, fitting)
        elif fitting is None or is_expired(upload, parts, tools.now() - tools.policy.lease):
            await _sweep(key, upload, tools)
    return found


async def sweep_left_open(key: ObjectKey, tools: TransferTools) -> None:
    """Abort a key's open uploads that had no new part during the policy's lease."""
    async for upload, parts in _left_open(key, tools):
        if is_expired(upload, parts, tools.now() - tools.policy.lease):
            await _sweep(key, upload, tools)


async def _left_open(
    key: ObjectKey, tools: TransferTools
) -> AsyncIterator[tuple[OpenUpload, list[StoredPart]]]:
    for upload in tools.left_open.get(key, ()):
        try:
            parts = await list_all_parts(tools.store, key, upload)
        except (AccessDenied, EndpointRefused, NoSuchUpload, RequestRejected):
            # Ended meanwhile, or not ours to look at.
            continue
        yield upload, parts


async def _sweep(key: ObjectKey, upload: OpenUpload, tools: TransferTools) -> None:
    """Abort an upload of an earlier run, and tell of it."""
    await tools.store.abort_multipart(key, upload.upload_id)
    tools.observe(UploadSwept(key, upload.upload_id))


async def list_all_parts(
    store: ObjectStore, key: ObjectKey, upload: OpenUpload
) -> list[StoredPart]:
    """Return all parts that an open upload has. Raises as `ObjectStore.list_parts` does."""
    pages = pages_of(partial(store.list_parts, key, upload.upload_id))
    return [part async for page in pages for part in page]


def is_expired(upload: OpenUpload, parts: Sequence[StoredPart], since: datetime) -> bool:
    """Whether nothing has been added to an upload since then."""
    return last_activity(upload, parts) < since


def last_activity(upload: OpenUpload, parts: Sequence[StoredPart]) -> datetime:
    """Return when an upload was begun, or had its latest part."""
    return max([upload.initiated, *(part.modified for part in parts)])


def is_there(stored: StoredPart, summed: Checksum, md5: bytes | None) -> bool:
    """Whether an earlier run sent this part: its checksum is `summed`, or its MD5 `md5`.

    Raises:
        UploadBroken: it sent another one, of what the file was then.
    """
    if stored.checksum is not None:
        same = stored.checksum == summed
    elif etag := md5_bytes(stored.etag):
        same = etag == md5
    else:
        return False
    if not same:
        raise UploadBroken("an earlier run began to upload other bytes under this key")
    return True
