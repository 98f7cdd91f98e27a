"""List the bucket before anything is sent: existing objects, and open uploads."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from types import MappingProxyType
from typing import TypeVar

from asyncload.aio.groups import for_each
from asyncload.bucket.key_index import KeyIndex
from asyncload.bucket.seeking import AdaptivePages, Span, cut_spans, end_of, is_in_order
from asyncload.errors import AccessDenied, EndpointRefused, InvalidKey, RequestRejected
from asyncload.model.checksums import md5_bytes
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import ObjectKey, Warned
from asyncload.planning.plan import LoadPlan
from asyncload.store.protocol import ListedObject, ObjectStore, OpenUpload, pages_of

T = TypeVar("T")

FEW = 2
"""Partitions of at most so many files are not listed on their own: each key gets a HEAD."""

MANY = 100
"""Partitions of more files than this are listed on their own."""

_WORKERS = 32
_SLICE = 2_000
_SAMPLE = 16
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ANSWER = (AccessDenied, EndpointRefused, RequestRejected)


async def list_existing(
    plan: LoadPlan,
    store: ObjectStore,
    *,
    markers: bool = False,
    listed: Mapping[str, KeyIndex] = MappingProxyType({}),
) -> KeyIndex:
    """List existing objects of the planned partitions, in as few requests as the bucket allows.

    Partitions of few files are looked up together, in the order of keys: see `seeking`. Large
    partitions are listed each on its own; so are medium ones if seeking does not pay, or if the
    store lists in another order. Keys that are unknown afterwards are looked up one by one, because
    that is cheaper or their listing is denied.

    `markers`: look for success markers, too. `listed` holds what is known already about all keys
    of some partitions.
    """

    def unlisted() -> Iterator[tuple[str, int]]:
        return (counted for counted in plan.partitions if counted[0] not in listed)

    key_index = KeyIndex(listed)
    wanted = partial(_is_file_or_marker, plan=plan) if markers else plan.holds
    await _Walk(plan.layout.common_prefix(), store, key_index, wanted).run(unlisted())
    key_index.join()
    list_one = partial(_list_partition, wanted=wanted, store=store, key_index=key_index)
    partitions = unlisted()
    while some := list(islice(partitions, _SLICE)):
        if worth_it := [entry for entry in some if _is_worth_listing(*entry, key_index)]:
            await for_each(iter(worth_it), list_one, _WORKERS)
        # There may be a million partitions, none of them worth listing: let the loop do other work.
        await asyncio.sleep(0)
    key_index.seal()
    return key_index


async def list_partitions(partitions: Iterable[str], store: ObjectStore) -> KeyIndex:
    """List all objects of partitions, for a run whose keys are not known in advance."""
    return await _list_whole(((partition, sys.maxsize) for partition in partitions), store)


async def _list_whole(partitions: Iterable[tuple[str, int]], store: ObjectStore) -> KeyIndex:
    key_index = KeyIndex()
    list_one = partial(_list_partition, wanted=lambda _: True, store=store, key_index=key_index)
    await for_each(iter(partitions), list_one, _WORKERS)
    key_index.seal()
    return key_index


class Portions:
    """Lists the existing objects of one portion of a volume after another.

    A partition that continues from one portion to the next is listed once, however many there are:
    what is in it when it begins is remembered, in 32 bytes for each key. Since the volume is
    scanned folder by folder, there is one such partition at a time.

    Args:
        store: is listed.
        markers: look for success markers, too.

    Attributes:
        pay: whether the last portion took few requests. If its keys are too far apart to be listed,
            each is looked up on its own; those of the whole volume are closer to each other.
    """

    def __init__(self, store: ObjectStore, *, markers: bool) -> None:
        self.pay = True
        self._store = store
        self._markers = markers
        self._listed: Mapping[str, KeyIndex] = {}

    async def list_existing(self, plan: LoadPlan, *, more: bool) -> KeyIndex:
        """List the existing objects of the next portion; `more` if others may follow."""
        last, listed = plan.last_partition, self._listed
        if more and last not in listed:
            files = next((files for name, files in plan.partitions if name == last), 0)
            if files > MANY:
                index = await _list_whole([(last, files)], self._store)
                listed = {**listed, last: index}
        self._listed = {
            name: index for name, index in listed.items() if name == last and index.was_listed(name)
        }
        found = await list_existing(plan, self._store, markers=self._markers, listed=listed)
        if more:
            states = [found.find(each).state for each in islice(plan.uploads(), 0, None, _SAMPLE)]
            unknown = states.count("unknown")
            self.pay = 2 * unknown <= len(states) or unknown * _SAMPLE <= MANY
        return found


def _is_file_or_marker(key: str, *, plan: LoadPlan) -> bool:
    return plan.holds(key) or key.endswith(f"/{SUCCESS_MARKER}") or key == SUCCESS_MARKER


def _is_worth_listing(partition: str, files: int, key_index: KeyIndex) -> bool:
    return files > FEW and not key_index.covers(f"{partition}\0", end_of(partition))


async def _list_partition(
    counted: tuple[str, int],
    *,
    wanted: Callable[[str], bool],
    store: ObjectStore,
    key_index: KeyIndex,
) -> None:
    """List a partition, unless it contains very many objects that are not in the plan."""
    partition, files = counted
    pages = 0
    try:
        async for page in pages_of(partial(store.list_objects, partition)):
            key_index.add(index_entries(page), wanted)
            pages += 1
            if pages > files:
                return
    except _NO_ANSWER:
        # The listing is denied: each key is looked up, or its put decides.
        return
    key_index.close(partition)


class _Walk:
    """Looks up the partitions of few files by pages that begin at the next planned one."""

    def __init__(
        self,
        prefix: str,
        store: ObjectStore,
        key_index: KeyIndex,
        wanted: Callable[[str], bool],
    ) -> None:
        self._wanted = wanted
        self._store = store
        self._key_index = key_index
        self._prefix = prefix
        self._pages = AdaptivePages()
        self._is_answered = self._is_in_order = True
        # All keys after this one are known.
        self._known_from = end_of(self._prefix)

    async def run(self, partitions: Iterator[tuple[str, int]]) -> None:
        """Walk all spans, several at once; the first page of all may show that nothing exists."""
        spans = cut_spans(entry for entry in partitions if entry[1] <= MANY)
        first = next(spans, None)
        if first is None or first.files <= FEW:
            return
        more = [first] if await self._take_page(first) else []
        await for_each(chain(more, spans), self._walk, _WORKERS)
        if not self._is_in_order:
            self._key_index.uncover()

    async def _walk(self, span: Span) -> None:
        while self._is_answered and self._is_in_order and span.start < self._known_from:
            if not await self._take_page(span):
                return

    async def _take_page(self, span: Span) -> bool:
        """Ask for the next page of a span; return whether to ask for another one."""
        start = span.start
        limit = self._pages.page_size(span.files)
        try:
            page = await self._store.list_objects(self._prefix, start_after=start, max_keys=limit)
        except _NO_ANSWER:
            self._is_answered = False
            return False
        items = page.items
        self._key_index.add(index_entries(items), self._wanted)
        if not is_in_order((item.key for item in items), self._prefix, start) or (
            page.next is not None and not items
        ):
            self._is_in_order = False
            return False
        if page.next is None:
            self._known_from = min(self._known_from, start)
        end = items[-1].key if page.next is not None else end_of(self._prefix)
        self._key_index.cover(start, end)
        return self._pages.judge(span.pass_to(end), len(items)) and span.files > 0


def index_entries(page: Iterable[ListedObject]) -> Iterator[tuple[str, int, bytes]]:
    """Return the index entries of a page of a listing."""
    for entry in page:
        yield entry.key, entry.size, md5_bytes(entry.etag)


async def find_open_uploads(store: ObjectStore, prefix: str) -> dict[str, list[OpenUpload]]:
    """Return the open multipart uploads below a prefix by key, the latest of each key first.

    Empty if the listing is denied or not supported.
    """
    found: defaultdict[str, list[OpenUpload]] = defaultdict(list)
    try:
        async for page in pages_of(partial(store.list_uploads, prefix)):
            for upload in page:
                found[upload.key].append(upload)
    except _NO_ANSWER:
        return {}
    for uploads in found.values():
        uploads.sort(key=lambda upload: upload.initiated or _LONG_AGO, reverse=True)
    return dict(found)


_NAMED = 5


def warn_of_odd_keys(left_open: Iterable[str]) -> Warned | None:
    """Return a warning about open uploads whose keys asyncload never writes; runs skip them."""
    odd = sorted(key for key in left_open if not _is_valid(key))
    if not odd:
        return None
    named = ", ".join(map(repr, odd[:_NAMED]))
    more = f" and {len(odd) - _NAMED:,} more" if len(odd) > _NAMED else ""
    return Warned(
        f"multipart uploads of another program are not touched: {named}{more}",
        "asyncload never writes these keys: abort the uploads with the program that started them",
    )


def _is_valid(key: str) -> bool:
    try:
        ObjectKey(key)
    except InvalidKey:
        return False
    return True
