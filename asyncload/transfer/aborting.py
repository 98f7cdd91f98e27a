"""Abort multipart uploads that will not become objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncload.aio.shielding import Grace, run_to_end
from asyncload.errors import AsyncloadError
from asyncload.model.values import ObjectKey
from asyncload.store.protocol import ObjectStore


async def abort_upload(
    store: ObjectStore,
    key: ObjectKey,
    upload_id: str,
    *,
    grace: Grace,
    left_open: Callable[[str], None],
) -> None:
    """Abort an upload of this run. Raises only its caller's cancellation, after the attempt.

    Args:
        store: the store that has the upload.
        key: the upload's object key.
        upload_id: its id.
        grace: the time allowed for it.
        left_open: called with the reason if the upload could not be aborted.
    """

    async def abort() -> None:
        try:
            async with asyncio.timeout(grace.left()):
                await store.abort_multipart(key, upload_id)
        except (AsyncloadError, TimeoutError, asyncio.CancelledError) as error:
            left_open(str(error) or "the abort was not answered in time")
            # The error that made the upload fail matters more than a failed abort.
            if isinstance(error, asyncio.CancelledError):
                raise

    await run_to_end(abort(), grace=grace)
