"""Read the figures of a run for its page from its manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from asyncload.errors import UsageError
from asyncload.model.values import ObjectKey
from asyncload.operations.bucket import open_bucket
from asyncload.reporting.manifest_reading import UnreadableRecordError, read_entries
from asyncload.reporting.page.figures import Figures
from asyncload.settings.run import Settings

# Lines between two points at which a signal can cancel the work.
_SLICE = 1_000


async def read_figures(
    settings: Settings, manifests: Iterable[str], started: datetime | None
) -> Figures:
    """Return the figures of the files in the manifests of a run.

    Raises:
        UsageError: a manifest can't be read.
        Refused, ServerError, StoreUnavailable: as for `report`.
    """
    figures = Figures(started)
    async with open_bucket(settings, f"{settings.manifest_prefix}/") as store:
        for key in map(ObjectKey, manifests):
            try:
                async for entry in read_entries(store, key):
                    figures.add(entry)
                    if not figures.files % _SLICE:
                        await asyncio.sleep(0)
            except UnreadableRecordError as error:
                raise UsageError(f"the manifest {key!r} {error}") from error
    return figures
