"""Delete old records of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from asyncload.aio.groups import for_each
from asyncload.operations.bucket import open_bucket
from asyncload.operations.history.records import FoundRecord, find_records
from asyncload.operations.observing import check_arguments
from asyncload.operations.run import utc_now
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore

_AT_ONCE = 32


class Pruned(NamedTuple):
    """The old records, in the order of the start of their runs, and whether they were deleted."""

    records: Sequence[FoundRecord]
    deleted: bool

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(record.size for record in self.records)


async def prune(
    settings: Settings,
    older_than: int,
    *,
    delete: bool = False,
    observe: Callable[[FoundRecord], None] = lambda _: None,
    now: datetime | None = None,
) -> Pruned:
    """List the records of runs that started longer ago than this, and with `delete` delete them.

    Nothing else below the prefix of manifests is touched: neither records of uploads and shards,
    nor the results of probing the store.

    Args:
        settings: the bucket and the prefix of manifests.
        older_than: seconds, by the store's clock.
        delete: whether to delete them; else they are only listed.
        observe: called with each record, after it was deleted.
        now: this machine's time; None for the current time.

    Raises:
        UsageError: a setting is invalid.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable.
    """
    check_arguments("prune", settings, None)
    prefix = settings.manifest_prefix
    async with open_bucket(settings, f"{prefix}/") as store:
        return await prune_records(
            store, prefix, older_than, now or utc_now(), delete=delete, observe=observe
        )


async def prune_records(
    store: ObjectStore,
    prefix: str,
    older_than: int,
    now: datetime,
    *,
    delete: bool,
    observe: Callable[[FoundRecord], None],
) -> Pruned:
    """Do the same as `prune`, in an open store."""
    records = await find_records(store, prefix)
    limit = now + timedelta(seconds=(store.clock_offset or 0.0) - older_than)
    old = [record for record in records if record.started < limit]

    async def remove(record: FoundRecord) -> None:
        if delete:
            await store.delete(record.key)
        observe(record)

    # Listed first: a listing that changes could repeat or omit keys.
    await for_each(iter(old), remove, _AT_ONCE)
    return Pruned(old, delete)
