"""Find the multipart uploads that nobody will complete any more."""

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
    """An open upload, its parts and their bytes, and when the last one was added, if known."""

    upload: OpenUpload
    parts: int
    size: int
    last_activity: datetime | None


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """An open upload that is not touched, because it can't be addressed or looked at: why."""

    upload: OpenUpload
    error: AsyncloadError


async def find_leftovers(
    store: ObjectStore, prefix: str, older_than: float, now: datetime
) -> AsyncIterator[Leftover | LeftAlone]:
    """Yield the open uploads below a prefix, whoever began them, that had no new part for a time.

    Args:
        store: has answered once, so that its clock is known: ages go by it.
        prefix: of their keys.
        older_than: how long they had no new part, in seconds. Of 0 all are yielded, else none whose
            age is not known.
        now: the machine's time.

    Raises:
        StoreRefused: the store tells no time, so that ages can't be known; or
            (`AccessDenied`) uploads may not be listed.
        StoreError: the store can't be asked.
    """
    if older_than and store.clock_offset is None:
        raise StoreRefused(
            "the store's answers have no Date, so the ages of its uploads can't be known",
            hint="--older-than 0s takes all uploads, those of runs under way included",
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
                yield LeftAlone(upload, error)
                continue
            latest = last_activity(upload, parts)
            if not is_younger(latest):
                yield Leftover(upload, len(parts), sum(part.size for part in parts), latest)
