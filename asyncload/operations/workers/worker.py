"""A worker process: loads the batches that it is sent, and reports outcomes and events."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from asyncload.aio.deadline import Deadline
from asyncload.aio.groups import Group
from asyncload.aio.shortage import memory_errors
from asyncload.bucket.key_index import UNKNOWN, Known
from asyncload.errors import AsyncloadError, DeadlineReached
from asyncload.model.values import Event, FileFinished, LimitReason, PlannedUpload
from asyncload.operations.bucket import s3_options
from asyncload.operations.opening import open_readers
from asyncload.operations.requests import Counted, Requests
from asyncload.operations.tools import Listed, make_tools, resize_tools
from asyncload.operations.workers.batches import Batch
from asyncload.operations.workers.messages import (
    Ask,
    Begin,
    Channel,
    Credentials,
    End,
    Ended,
    Load,
    News,
    Resize,
    Start,
    pack_finished,
)
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import Lender, Lent, open_store
from asyncload.settings.run import layout_of
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.transfer import TransferTools, no_change
from asyncload.transfer.concluding import Outage
from asyncload.transfer.pipeline import Pipeline

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
"""The signals that a worker ignores.

A terminal or a process manager sends them to all processes of a run; the first one decides.
"""

_NEWS_SECONDS = 0.02
_MAX_NEWS = 64


class WorkerBug(RuntimeError):
    """An unexpected error in a worker process; a note has its traceback."""


def work(sock: socket.socket) -> NoReturn:
    """Work for the process at the other end of a socket, then end this process."""
    for signum in IGNORED:
        signal.signal(signum, signal.SIG_IGN)
    try:
        asyncio.run(_work(sock))
    finally:
        os._exit(1)


async def _work(sock: socket.socket) -> NoReturn:
    worker = Worker()
    await worker.connect(sock)
    await worker.run()
    # Without a clean-up: a thread may be stuck, and what was inherited belongs to another process.
    os._exit(0)


async def load_batch(batch: Batch, tools: TransferTools, worker: Worker) -> None:
    """Load a batch, and report each outcome.

    Raises:
        Refused, StoreUnavailable: the run can't continue.
    """
    places = {upload.source.path: place for place, upload in enumerate(batch.uploads)}

    def observe(event: Event) -> None:
        assert isinstance(event, FileFinished), "a pipeline emits outcomes"
        place = places[event.outcome.path]
        worker.report(finished=(batch.number, place, pack_finished(event)))

    # The outcomes of all processes are counted in the first one, which also knows what is left
    # when there is no more time.
    with suppress(DeadlineReached):
        await Pipeline(tools, observe, worker.at_once, outage=Uncounted()).run(batch)


class Uncounted(Outage):
    """Counts no failures."""

    def failed(self, _: AsyncloadError) -> None:
        """Ignore a file that failed."""


class _GivenKeys:
    """What the batches in progress say about keys, markers and open uploads."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.markers: dict[str, Known] = {}
        self.left_open: dict[str, Sequence[OpenUpload]] = {}

    def find(self, upload: PlannedUpload) -> Known:
        """Return what is known about an upload's key."""
        return self.known[upload.key]

    def find_key(self, _: str, partition: str) -> Known:
        """Return what is known about a partition's success marker."""
        return self.markers.get(partition, UNKNOWN)

    def add(self, batch: Batch) -> None:
        """Add what a batch says."""
        self.known.update(
            (upload.key, known) for upload, known in zip(batch.uploads, batch.known, strict=True)
        )
        self.left_open.update(batch.left_open)
        self.markers.update(batch.markers or {})

    def remove(self, batch: Batch) -> None:
        """Forget what a batch said of its files."""
        for upload in batch.uploads:
            del self.known[upload.key]
            self.left_open.pop(upload.key, None)


class Worker:
    """The work of one process, in its event loop."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a worker runs in a task"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(self._receive, self._end_at_once)
        self._closed = self._loop.create_future()
        self._start: asyncio.Future[Start] = self._loop.create_future()
        self._begin: asyncio.Future[Begin] = self._loop.create_future()
        self._batches: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._answer: asyncio.Future[Lent] | None = None
        self._asking = asyncio.Lock()
        self._requests: Requests | None = None
        self._tools: TransferTools | None = None
        self._deadline: Deadline | None = None
        self._keys = _GivenKeys()
        self._finished: list[tuple[int, int, Any]] = []
        self._events: list[Event] = []
        self._done: list[int] = []
        self._due: asyncio.TimerHandle | None = None
        self._ending = False

    async def connect(self, sock: socket.socket) -> None:
        """Connect to the process that gives the work."""
        await self._loop.create_unix_connection(lambda: self._channel, sock=sock)

    async def run(self) -> None:
        """Work until told to end, or until the run can't continue."""
        failure: BaseException | None = None
        try:
            with memory_errors():
                await self._open(await self._start)
        except asyncio.CancelledError:
            # Told to end now.
            pass
        except AsyncloadError as error:
            failure = error
        except Exception as error:  # raised again in the other process
            failure = WorkerBug(f"{type(error).__name__}: {error}")
            failure.add_note("".join(traceback.format_exception(error)))
        self._ending = True
        self._send_news()
        self._channel.send(Ended(failure))
        # The other process closes the connection: if this one did, its last words might be lost.
        await self._closed

    def at_once(self) -> int:
        """Return the maximum number of concurrent requests if the store does not throttle."""
        assert self._requests is not None, "a worker that loads has opened the store"
        return self._requests.at_once()

    def observe(self, event: Event) -> None:
        """Report an event that is not the outcome of a file."""
        self._events.append(event)
        self._report_soon()

    def report(self, *, finished: tuple[int, int, Any]) -> None:
        """Report the outcome of a file: its batch, its place there, and the packed event."""
        self._finished.append(finished)
        self._report_soon()

    async def _open(self, start: Start) -> None:
        settings, share = start.settings, start.share
        requests = self._requests = Requests(settings, share, self._report_limit, self.observe)
        lender = Lender(start.lent, self._ask) if start.lent is not None else None
        options = s3_options(settings)
        opened_store = open_store(options._replace(rate=requests.rate), self.observe, lender=lender)
        async with (
            open_readers(settings, threads=share.threads, lists=False) as readers,
            opened_store as store,
        ):
            await self._load_all(start, await self._begin, readers, store, requests)

    async def _load_all(
        self,
        start: Start,
        begin: Begin,
        readers: Readers,
        store: ObjectStore,
        requests: Requests,
    ) -> None:
        settings, share, keys = start.settings, start.share, self._keys
        deadline = self._deadline = Deadline(start.seconds_left)
        policy = begin.policy
        others = requests.of_others(store, begin.retries)
        before_change: Callable[[str], Awaitable[None]] = no_change
        if settings.success_marker:
            markers = SuccessMarkers(layout_of(settings, begin.started), others, self.observe)
            markers.listed = keys if policy.create_only else None
            before_change = markers.before_change
        tools = self._tools = make_tools(
            settings,
            share,
            requests,
            policy,
            Listed(keys, keys.left_open),
            readers=readers,
            files=requests.for_files(store, begin.retries),
            others=others,
            observe=self.observe,
            deadline=deadline,
            before_change=before_change,
        )
        async with Group() as group:
            while (batch := await self._batches.get()) is not None:
                group.create_task(self._load(batch, tools))

    async def _load(self, batch: Batch, tools: TransferTools) -> None:
        self._keys.add(batch)
        await load_batch(batch, tools, self)
        self._keys.remove(batch)
        self._done.append(batch.number)
        self._report_soon(now=True)

    async def _ask(self, used: str) -> Lent:
        async with self._asking:
            self._answer = self._loop.create_future()
            self._channel.send(Ask(used))
            return await self._answer

    def _report_limit(self, *_: int | LimitReason) -> None:
        self._report_soon()

    def _report_soon(self, *, now: bool = False) -> None:
        if now or len(self._finished) >= _MAX_NEWS:
            self._send_news()
        elif self._due is None:
            self._due = self._loop.call_later(_NEWS_SECONDS, self._send_news)

    def _send_news(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        counted = self._requests.counted() if self._requests is not None else Counted()
        self._channel.send(News(self._finished, self._events, self._done, counted))
        self._finished, self._events, self._done = [], [], []

    def _receive(self, message: Any) -> None:
        if isinstance(message, Load):
            self._batches.put_nowait(message.batch.unpack())
        elif isinstance(message, Start):
            self._start.set_result(message)
        elif isinstance(message, Begin):
            self._begin.set_result(message)
        elif isinstance(message, Resize):
            self._resize(message)
        elif isinstance(message, Credentials):
            self._take_credentials(message)
        else:
            assert isinstance(message, End), "a worker is sent nothing else"
            self._end(message)

    def _end(self, message: End) -> None:
        if not message.now:
            self._batches.put_nowait(None)
        elif not self._ending:
            if message.out_of_time and self._deadline is not None:
                self._deadline.cut_off()
            self._task.cancel()

    def _resize(self, message: Resize) -> None:
        if self._requests is not None:
            self._requests.resize(message.share)
        if self._tools is not None:
            resize_tools(self._tools, message.share)

    def _take_credentials(self, message: Credentials) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        if message.error is not None:
            answer.set_exception(message.error)
        else:
            assert message.lent is not None, "the process that has lent some has others"
            answer.set_result(message.lent)

    def _end_at_once(self) -> None:
        if self._ending:
            self._closed.set_result(None)
            return
        # The process that gave the work is gone, and with it the report and the manifest.
        os._exit(1)
