"""The end of a multipart upload that will not become an object."""

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
    """Abort an upload of this run. Raises nothing but its caller's cancellation, afterwards.

    Args:
        store: where it is.
        key: the upload's object key.
        upload_id: its id.
        grace: the time for it.
        left_open: is called with the reason if it could not be aborted.
    """

    async def abort() -> None:
        try:
            async with asyncio.timeout(grace.left()):
                await store.abort_multipart(key, upload_id)
        except (AsyncloadError, TimeoutError, asyncio.CancelledError) as error:
            left_open(str(error) or "the abort was not answered in time")
            # What made the upload fail matters more than that it could not be tidied away.
            if isinstance(error, asyncio.CancelledError):
                raise

    await run_to_end(abort(), grace=grace)
