"""Look at the bucket before anything is sent: what is there, and what was left open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from asyncload.checksums import md5_bytes
from asyncload.errors import AccessDenied, EndpointRefused, InvalidKey, RequestRejected
from asyncload.groups import for_each
from asyncload.inventory import Inventory
from asyncload.model import ObjectKey, Warned
from asyncload.plan import LoadPlan
from asyncload.store import ListedObject, ObjectStore, OpenUpload, pages_of

T = TypeVar("T")

FEW = 2
"""A partition of so few files is not listed: each of their keys is asked for by itself."""

_WORKERS = 32
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


async def take_inventory(plan: LoadPlan, store: ObjectStore) -> Inventory:
    """List each partition that files are planned for, once.

    A partition is left unlisted, and its keys unknown, where that would take more requests than
    asking for each key: it has few files, or very many objects that are not theirs. So it is where
    the store won't list it.
    """
    inventory = Inventory()
    partitions = iter([(name, n) for name, n in plan.partitions.items() if n > FEW])
    await for_each(
        partitions, partial(_list_partition, plan=plan, store=store, inventory=inventory), _WORKERS
    )
    inventory.seal()
    return inventory


async def _list_partition(
    wanted: tuple[str, int], *, plan: LoadPlan, store: ObjectStore, inventory: Inventory
) -> None:
    partition, files = wanted
    pages = 0
    try:
        async for page in pages_of(partial(store.list_objects, partition)):
            inventory.add(inventory_entries(page), plan.holds)
            pages += 1
            if pages > files:
                return
    except (AccessDenied, EndpointRefused, RequestRejected):
        # Neither "there" nor "not there": each key is asked for, or the put's answer tells.
        return
    inventory.close(partition)


def inventory_entries(page: Iterable[ListedObject]) -> Iterator[tuple[str, int, bytes]]:
    """Return what an inventory takes in of a listing's page."""
    for entry in page:
        yield entry.key, entry.size, md5_bytes(entry.etag)


async def find_open_uploads(store: ObjectStore, prefix: str) -> dict[str, list[OpenUpload]]:
    """Return the open multipart uploads below a prefix by key, the latest of each key first.

    There are none where the store won't say.
    """
    found: defaultdict[str, list[OpenUpload]] = defaultdict(list)
    try:
        async for page in pages_of(partial(store.list_uploads, prefix)):
            for upload in page:
                found[upload.key].append(upload)
    except (AccessDenied, EndpointRefused, RequestRejected):
        return {}
    for uploads in found.values():
        uploads.sort(key=lambda upload: upload.initiated or _LONG_AGO, reverse=True)
    return dict(found)


_NAMED = 5


def warn_of_odd_keys(left_open: Iterable[str]) -> Warned | None:
    """Return a warning of open uploads whose keys asyncload never writes; no run handles those."""
    odd = sorted(key for key in left_open if not _is_valid(key))
    if not odd:
        return None
    named = ", ".join(map(repr, odd[:_NAMED]))
    more = f" and {len(odd) - _NAMED:,} more" if len(odd) > _NAMED else ""
    return Warned(
        f"multipart uploads that another program began are left alone: {named}{more}",
        "asyncload never writes such keys: abort them with the program that began them",
    )


def _is_valid(key: str) -> bool:
    try:
        ObjectKey(key)
    except InvalidKey:
        return False
    return True
