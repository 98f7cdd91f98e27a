"""Walk through the queries of a collection: request what is missing, and store each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from asyncload.aio.deadline import Deadline
from asyncload.aio.groups import Group
from asyncload.bucket.key_index import KeyIndex
from asyncload.errors import (
    AnswerDamaged,
    ApiError,
    ApiRefused,
    ApiUnavailable,
    AsyncloadError,
    DeadlineReached,
    FileFailed,
    InvalidKey,
    Refused,
    RequestLimitReached,
)
from asyncload.model import reserved
from asyncload.model.checksums import crc64nvme
from asyncload.model.values import (
    Event,
    Excluded,
    Failed,
    FileFinished,
    Outcome,
    PlannedUpload,
    Present,
    Scanned,
    Skipped,
    SourceFile,
    Warned,
)
from asyncload.planning.keys import KeyLayout
from asyncload.source.batches import (
    CRC_ONLY,
    Digests,
    LoadedFile,
    ReadBatch,
    UnloadedFile,
    load_bytes,
)
from asyncload.source.web.fetching import Answer, WebClient, WebTraffic, parse
from asyncload.source.web.requests import Answered, Asking, FilledQuery, Request, request_name
from asyncload.store.protocol import ObjectInfo, ObjectStore
from asyncload.transfer import PutTools, put_file, wanted_digests
from asyncload.transfer.concluding import Concluding, forget_frames

_JSON = "application/json"
_READ = 8 * 1024 * 1024
# In bytes, of names and values. S3 allows 2 KiB for all metadata: 768 are the user's, and the rest
# is for what every object has.
_MAX_METADATA = 1000
_MAX_LINK = 800


@dataclass(slots=True)
class Walk:
    """The requests of a run, each made once: as many at once as may be in memory.

    Details come before further pages, so few requests wait at any time.

    Args:
        asking: turns queries and answers into requests.
        client: makes them.
        layout: makes the keys.
        key_index: the answers that are there.
        put_tools: returns what puts an answer, given its reader.
        reading: the store, for reading answers that are there.
        observe: receives the events.
        stopping: knows whether another request may start.
        mask: removes secrets from texts.
        refresh: whether answers that are there are requested again.

    Attributes:
        partitions: those that an answer belongs to.
        unavailable: the last error of an API that did not serve a request; None if it served all.
    """

    asking: Asking
    client: WebClient
    layout: KeyLayout
    key_index: KeyIndex
    put_tools: Callable[..., PutTools]
    reading: ObjectStore
    observe: Callable[[Event], None]
    stopping: Stopping
    mask: Callable[[str], str]
    refresh: bool = False
    partitions: set[str] = field(default_factory=set)
    unavailable: ApiUnavailable | None = None
    _known: int = 0
    _size: int = 0
    _busy: int = 0
    _waiting: list[Iterator[Request]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _limited: dict[int, FilledQuery] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _ending: Concluding = field(init=False)

    def __post_init__(self) -> None:
        self._ending = Concluding(self.observe)

    async def run(self, requests: Sequence[Request], at_once: int) -> None:
        """Make the requests, and those that their answers lead to.

        Raises:
            DeadlineReached, RequestLimitReached: answers are left to collect.
            Refused, StoreUnavailable, UnknownName: the run can't continue; stored answers stay.
            ApiUnavailable: the API serves no request any more.
        """
        self._add(iter(requests), len(requests))
        async with Group() as group:
            for _ in range(at_once):
                group.create_task(self._work())
        self._warn_of_limits()
        if self.stopping.error is not None:
            raise self.stopping.error

    def _add(self, requests: Iterator[Request], count: int) -> None:
        if count:
            self._waiting.append(requests)
            self._count(known=count)

    def _count(self, *, known: int = 0, size: int = 0) -> None:
        self._known += known
        self._size += size
        self.observe(Scanned(self._known, self._size))

    async def _work(self) -> None:
        while (request := await self._next()) is not None:
            try:
                await self._handle(request)
            except Stopped:
                # The others finish what they have begun, and make no new request either.
                pass
            finally:
                self._busy -= 1
                self._changed.set()

    async def _next(self) -> Request | None:
        """Return the next request; None if there is none, and none can follow any more."""
        while self.stopping.error is None:
            while self._waiting:
                request = next(self._waiting[-1], None)
                if request is None:
                    self._waiting.pop()
                    continue
                self._busy += 1
                return request
            if not self._busy:
                break
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()
        return None

    async def _handle(self, request: Request) -> None:
        path = request.path
        if hash(path) in self._seen:
            # A result that is on two pages, because results moved while they were requested.
            self._count(known=-1)
            return
        self._seen.add(hash(path))
        try:
            upload = PlannedUpload(SourceFile(path, 0), *self.layout.locate(path))
        except InvalidKey as error:
            self._fail(path, error)
            return
        self.partitions.add(upload.partition)
        try:
            answered = await self._answered(request, upload)
            if answered is not None:
                self._follow(request, answered)
        except FileFailed as error:
            self._fail_further(path, error)

    async def _answered(self, request: Request, upload: PlannedUpload) -> Answered | None:
        """Return an answer that is in the store by now; None if nothing can follow from it."""
        size = None if self.refresh else await self._stored_size(upload)
        if size is None:
            return await self._collect(request, upload)
        answered = None
        if request.needs_document:
            try:
                answered = await self._read(upload)
            except FileFailed as error:
                self._fail(upload.source.path, error)
                return None
        self._count(size=size)
        present = Present(upload.source.path, upload.key, size)
        self.observe(FileFinished(present, upload.partition, upload.dataset))
        return answered

    async def _stored_size(self, upload: PlannedUpload) -> int | None:
        """Return the size of the answer if it is in the store, in bytes."""
        known = self.key_index.find(upload)
        if known.state != "unknown":
            return known.size if known.state == "existing" else None
        remote = await self.reading.head(upload.key)
        return None if remote is None else remote.size

    async def _read(self, upload: PlannedUpload) -> Answered:
        """Read an answer that an earlier run stored."""
        body = bytearray()
        while piece := await self.reading.read(upload.key, len(body), _READ):
            body += piece
        paging = self.asking.api.paging
        link = ""
        if paging is not None and paging.style == "link":
            link = await self._stored_link(upload)
        return Answered(parse(bytes(body)), link, crc64nvme(body))

    async def _stored_link(self, upload: PlannedUpload) -> str:
        """Return the address of the next page, which is stored with an answer; "" if none."""
        remote = await self.reading.head(upload.key)
        if remote is None or reserved.SOURCE_STATUS not in remote.metadata:
            raise AnswerDamaged(
                "the object has no metadata about its answer, so the next page is unknown",
                hint="--refresh requests all pages again; perhaps the store keeps no metadata",
            )
        return remote.metadata.get(reserved.SOURCE_NEXT, "")

    async def _collect(self, request: Request, upload: PlannedUpload) -> Answered | None:
        """Request an answer and store it; return it if it is in the store."""
        begun = asyncio.get_running_loop().time()
        path = upload.source.path
        try:
            answer = await self.client.fetch(request.target)
            self.asking.check(request, answer.document)
            info = self._info(answer)
        except Refused:
            raise
        except ApiError as error:
            if isinstance(error, ApiRefused) and error.status == 404 and request.is_detail:
                self._count(known=-1)
                self.observe(Excluded(path, "not found"))
                return None
            if isinstance(error, ApiUnavailable):
                self.unavailable = error
            self._ending.give_up(upload, error, begun)
            return None
        self._count(size=len(answer.body))
        upload = upload._replace(source=SourceFile(path, len(answer.body)))
        late: list[Present] = []
        putting = self._put(upload, answer, info, late)
        if not await self._ending.conclude(upload, putting, begun):
            return None
        if not request.needs_document:
            return None
        if late:
            # The stored answer may lead to other requests than ours.
            return await self._read(upload)
        return Answered(answer.document, answer.link, crc64nvme(answer.body))

    async def _put(
        self, upload: PlannedUpload, answer: Answer, info: ObjectInfo, late: list[Present]
    ) -> Outcome:
        """Store an answer; `late` gets the outcome if another run has stored one meanwhile."""
        known = self.key_index.find(upload)
        held = HeldAnswer(answer.body, answer.received, info)
        tools = self.put_tools(readers=held)
        loaded = held.load(upload, wanted_digests(tools, {upload.source.path: known}))
        outcome = await put_file(loaded, known, tools)
        if isinstance(outcome, Skipped):
            late.append(Present(outcome.path, outcome.key, outcome.size))
            return late[0]
        return outcome

    def _info(self, answer: Answer) -> ObjectInfo:
        """Return content type and metadata of an answer."""
        received = datetime.fromtimestamp(answer.received / 1e9, UTC)
        link = self._visible(answer.link)
        if len(link) > _MAX_LINK:
            raise ApiRefused(
                f"the address of the next page has {len(link):,} characters, more than the "
                f"{_MAX_LINK:,} that can be stored with the answer",
                hint="use another style of paging",
            )
        # The most important ones first: the next run needs the link.
        values = {
            reserved.SOURCE_STATUS: str(answer.status),
            reserved.SOURCE_NEXT: link,
            reserved.SOURCE_TIME: received.isoformat(timespec="milliseconds"),
            reserved.SOURCE_URL: self._visible(answer.url),
            reserved.SOURCE_ETAG: self._visible(answer.etag),
        }
        kept: dict[str, str] = {}
        left = _MAX_METADATA
        for name, value in values.items():
            if value and len(name) + len(value) <= left:
                kept[name] = value
                left -= len(name) + len(value)
        content_type = answer.content_type if _is_plain(answer.content_type) else _JSON
        return ObjectInfo(content_type or _JSON, kept)

    def _visible(self, text: str) -> str:
        """Return a text as visible ASCII, without secrets."""
        return quote(self.mask(text), safe="%/:?#[]@!$&'()*+,;=\"-._~", errors="surrogateescape")

    def _follow(self, request: Request, answered: Answered) -> None:
        further = self.asking.follow(request, answered)
        filled = request.filled
        if filled.pages.beyond or filled.pages.cut:
            self._limited[id(filled)] = filled
        if further.unusable is not None:
            self._fail_further(request.path, further.unusable)
        self._add(further.pages, further.count - len(further.details))
        self._add(iter(further.details), len(further.details))

    def _fail_further(self, path: str, error: AsyncloadError) -> None:
        """Emit the failure of requests that an answer should lead to."""
        self._count(known=1)
        self._fail(f"{path} (what it leads to)", error)

    def _fail(self, path: str, error: AsyncloadError) -> None:
        """Emit the failure of an answer without a key."""
        forget_frames(error)
        self.observe(FileFinished(Failed(path, None, 0, error)))

    def _warn_of_limits(self) -> None:
        """Warn of queries with more results than were requested."""
        for filled in self._limited.values():
            pages = filled.pages
            named = self.mask(request_name(filled))
            if pages.beyond and pages.paging is not None:
                self.observe(
                    Warned(
                        f"{named} has {pages.beyond:,} pages, but the API serves only "
                        f"{pages.paging.limit:,}: the other results are missing",
                        "divide the query",
                    )
                )
            if pages.cut:
                self.observe(
                    Warned(
                        f"{named} has more results than --max-results {pages.results:,}",
                        "the others were not requested",
                    )
                )


class Stopped(Exception):
    """No further request may start; `Stopping.error` says why."""


@dataclass(slots=True)
class Stopping:
    """Decides whether another request to the API may start.

    `most` is the maximum number of requests of the run; None for no limit. `error` is the reason,
    once no request may start any more.
    """

    deadline: Deadline
    traffic: WebTraffic
    most: int | None = None
    error: DeadlineReached | RequestLimitReached | None = None

    def check(self) -> None:
        """Raise `Stopped` if no further request may start."""
        if self.error is None and self.deadline.reached():
            self.error = DeadlineReached()
        if self.error is None and self.most is not None and self.traffic.requests >= self.most:
            self.error = RequestLimitReached(
                f"the limit of --max-requests {self.most:,} was reached before everything was "
                "collected",
                hint="collected answers are kept; run again with the same --date to collect the "
                "rest",
            )
        if self.error is not None:
            raise Stopped


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """An answer in memory, as a source of bytes: it can be loaded again, as long as it is intact.

    `received` is in nanoseconds since 1970.
    """

    body: bytes
    received: int
    info: ObjectInfo
    crc: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "crc", crc64nvme(self.body))

    def load(self, upload: PlannedUpload, digests: Digests) -> LoadedFile:
        """Return the answer as a loaded file."""
        return load_bytes(upload, memoryview(self.body), digests, self.received, self.info)

    async def read_batch(
        self,
        uploads: Sequence[PlannedUpload],
        buffer: memoryview,  # noqa: ARG002  # the bytes are in memory
        digests: Digests = CRC_ONLY,
    ) -> ReadBatch:
        """Load the answer again; damaged memory is an error."""
        (upload,) = uploads
        if crc64nvme(self.body) != self.crc:
            damaged = AnswerDamaged(
                "the answer was damaged in this machine's memory", hint="run again"
            )
            return ReadBatch([UnloadedFile(upload, damaged)])
        return ReadBatch([self.load(upload, digests)])


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= 100
