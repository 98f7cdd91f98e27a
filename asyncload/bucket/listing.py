"""Look at the bucket before anything is sent: what is there, and what was left open."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from asyncload.aio.groups import for_each
from asyncload.bucket.key_index import KeyIndex
from asyncload.bucket.seeking import Pace, Span, cut_spans, end_of, is_in_order
from asyncload.errors import AccessDenied, EndpointRefused, InvalidKey, RequestRejected
from asyncload.model.checksums import md5_bytes
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import ObjectKey, Warned
from asyncload.planning.plan import LoadPlan
from asyncload.store.protocol import ListedObject, ObjectStore, OpenUpload, pages_of

T = TypeVar("T")

FEW = 2
"""A partition of so few files is not listed by itself: each of their keys is asked for."""

MANY = 100
"""A partition of more files than this is worth a listing of its own."""

_WORKERS = 32
_SLICE = 2_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_ANSWER = (AccessDenied, EndpointRefused, RequestRejected)


async def list_existing(plan: LoadPlan, store: ObjectStore, *, markers: bool = False) -> KeyIndex:
    """Look where files are planned for, in as few requests as the bucket allows.

    Partitions of few files are looked up together, in the order of keys: see `seeking`. Those of
    many files are listed each by itself, and so are those of some where seeking does not pay, or
    the store lists in another order. What is then still unknown is cheaper to ask for key by key;
    or the store won't say.

    `markers` says that success markers are looked for, too.
    """
    key_index = KeyIndex()
    wanted = partial(_is_file_or_marker, plan=plan) if markers else plan.holds
    await _Walk(plan, store, key_index, wanted).run()
    key_index.join()
    list_one = partial(_list_partition, wanted=wanted, store=store, key_index=key_index)
    partitions = iter(plan.partitions)
    while some := list(islice(partitions, _SLICE)):
        if worth_it := [entry for entry in some if _is_worth_listing(*entry, key_index)]:
            await for_each(iter(worth_it), list_one, _WORKERS)
        # There may be a million, of which none is: the loop has other things to do meanwhile.
        await asyncio.sleep(0)
    key_index.seal()
    return key_index


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
    """List a partition, unless it holds very many objects that are not its files'."""
    partition, files = counted
    pages = 0
    try:
        async for page in pages_of(partial(store.list_objects, partition)):
            key_index.add(index_entries(page), wanted)
            pages += 1
            if pages > files:
                return
    except _NO_ANSWER:
        # Neither "there" nor "not there": each key is asked for, or the put's answer tells.
        return
    key_index.close(partition)


class _Walk:
    """Looks up the partitions of few files by pages that begin where the next one is."""

    def __init__(
        self,
        plan: LoadPlan,
        store: ObjectStore,
        key_index: KeyIndex,
        wanted: Callable[[str], bool],
    ) -> None:
        self._plan = plan
        self._wanted = wanted
        self._store = store
        self._key_index = key_index
        self._prefix = plan.layout.common_prefix()
        self._pace = Pace()
        self._is_answered = self._is_in_order = True
        # All keys behind this one are known of.
        self._known_from = end_of(self._prefix)

    async def run(self) -> None:
        """Walk all spans, several at once; the first page of all may tell that nothing is there."""
        spans = cut_spans(entry for entry in self._plan.partitions if entry[1] <= MANY)
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
        limit = self._pace.page_size(span.files)
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
        return self._pace.judge(span.pass_to(end), len(items)) and span.files > 0


def index_entries(page: Iterable[ListedObject]) -> Iterator[tuple[str, int, bytes]]:
    """Return the index entries of a page of a listing."""
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
    except _NO_ANSWER:
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
        f"multipart uploads of another program are not touched: {named}{more}",
        "asyncload never writes these keys: abort the uploads with the program that started them",
    )


def _is_valid(key: str) -> bool:
    try:
        ObjectKey(key)
    except InvalidKey:
        return False
    return True
