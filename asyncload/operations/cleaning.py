"""Find abandoned multipart uploads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from asyncload.errors import (
    AccessDenied,
    AsyncloadError,
    InvalidKey,
    NoSuchUpload,
    RequestRejected,
    StoreRefused,
)
from asyncload.model.values import ObjectKey
from asyncload.store.protocol import ObjectStore, OpenUpload, pages_of
from asyncload.transfer import last_activity, list_all_parts, seconds_idle


@dataclass(frozen=True, slots=True)
class Leftover:
    """An open upload: number of parts, their bytes, and the time of the last part, if known."""

    upload: OpenUpload
    parts: int
    size: int
    last_activity: datetime | None


@dataclass(frozen=True, slots=True)
class SkippedUpload:
    """An open upload that is skipped because it can't be addressed or inspected, and the error."""

    upload: OpenUpload
    error: AsyncloadError


async def find_leftovers(
    store: ObjectStore, prefix: str, older_than: float, now: datetime
) -> AsyncIterator[Leftover | SkippedUpload]:
    """Yield the open uploads below a prefix, of any program, that received no part recently.

    Args:
        store: must have answered a request, so that its clock is known: ages are measured by it.
        prefix: of the keys.
        older_than: seconds without a new part. 0 yields all uploads; otherwise uploads of unknown
            age are not yielded.
        now: this machine's time.

    Raises:
        StoreRefused: the store's answers have no date, so ages are unknown; or (`AccessDenied`)
            listing uploads is denied.
        StoreError: the store can't be queried.
    """
    if older_than and store.clock_offset is None:
        raise StoreRefused(
            "the store's answers have no Date header, so the age of an upload is unknown",
            hint="use --older-than 0s to include all uploads, also those of running loads",
        )

    def is_younger(last: datetime | None) -> bool:
        idle = seconds_idle(last, store, now)
        return older_than > 0 and (idle is None or idle < older_than)

    async for page in pages_of(partial(store.list_uploads, prefix)):
        for upload in page:
            if not upload.key.startswith(prefix) or is_younger(upload.initiated):
                continue
            try:
                parts = await list_all_parts(store, ObjectKey(upload.key), upload)
            except NoSuchUpload:
                continue
            except (InvalidKey, AccessDenied, RequestRejected) as error:
                yield SkippedUpload(upload, error)
                continue
            latest = last_activity(upload, parts)
            if not is_younger(latest):
                yield Leftover(upload, len(parts), sum(part.size for part in parts), latest)
