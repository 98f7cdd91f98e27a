"""Find the multipart uploads that nobody will complete any more, and abort them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from asyncload.errors import NoSuchUpload
from asyncload.model import ObjectKey
from asyncload.store import ObjectStore, OpenUpload, pages_of
from asyncload.transfer import last_activity, list_all_parts


@dataclass(frozen=True, slots=True)
class Leftover:
    """An open upload, its parts and their bytes, and when the last one was added."""

    upload: OpenUpload
    parts: int
    size: int
    last_activity: datetime


async def find_leftovers(
    store: ObjectStore, prefix: str, before: datetime
) -> AsyncIterator[Leftover]:
    """Yield the open uploads below a prefix that had no new part since `before`.

    Raises:
        AccessDenied: uploads or parts may not be listed.
        StoreError: the store can't be asked.
    """
    async for page in pages_of(partial(store.list_uploads, prefix)):
        for upload in page:
            if not upload.key.startswith(prefix) or upload.initiated > before:
                continue
            try:
                parts = await list_all_parts(store, ObjectKey(upload.key), upload)
            except NoSuchUpload:
                continue
            latest = last_activity(upload, parts)
            if latest <= before:
                size = sum(part.size for part in parts)
                yield Leftover(upload, len(parts), size, latest)
