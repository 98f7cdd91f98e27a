"""Look at the bucket before anything is sent: what is there, and what was left open."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from asyncload.checksums import md5_bytes
from asyncload.errors import AccessDenied, EndpointRefused, RequestRejected, first_error
from asyncload.inventory import Inventory
from asyncload.plan import LoadPlan
from asyncload.store import ListedObject, ObjectStore, OpenUpload, Page

T = TypeVar("T")

FEW = 2
"""A partition of so few files is not listed: each of their keys is asked for by itself."""

_WORKERS = 32


async def take_inventory(plan: LoadPlan, store: ObjectStore) -> Inventory:
    """List each partition that files are planned for, once.

    A partition is left unlisted, and its keys unknown, where that would take more requests than
    asking for each key: it has few files, or very many objects that are not theirs. So it is where
    the store won't list it.
    """
    inventory = Inventory()
    partitions = iter([(name, n) for name, n in plan.partitions.items() if n > FEW])
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(_list_partitions(partitions, plan, store, inventory))
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    inventory.seal()
    return inventory


async def _list_partitions(
    partitions: Iterator[tuple[str, int]],
    plan: LoadPlan,
    store: ObjectStore,
    inventory: Inventory,
) -> None:
    for partition, files in partitions:
        pages = 0
        try:
            async for page in pages_of(partial(store.list_objects, partition)):
                inventory.add(inventory_entries(page), plan.holds)
                pages += 1
                if pages > files:
                    break
            else:
                inventory.close(partition)
        except (AccessDenied, EndpointRefused, RequestRejected):
            # Neither "there" nor "not there": each key is asked for, or the put's answer tells.
            continue


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
        uploads.sort(key=lambda upload: upload.initiated, reverse=True)
    return dict(found)


async def pages_of(
    ask: Callable[[str | None], Awaitable[Page[T]]],
) -> AsyncIterator[Iterable[T]]:
    """Yield a listing's pages; `ask` is given where to go on."""
    page = await ask(None)
    yield page.items
    while page.next is not None:
        page = await ask(page.next)
        yield page.items
