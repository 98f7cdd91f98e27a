"""The worker processes of a run: start them, hand batches to them, and see them end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from asyncload.aio.groups import Group
from asyncload.aio.shielding import Grace, run_to_end
from asyncload.errors import AsyncloadError, DeadlineReached, WorkersLost
from asyncload.model.values import (
    Event,
    FileFinished,
    ProcessesStarted,
    Unchanged,
    Uploaded,
    Warned,
)
from asyncload.operations.requests import Counted, Share, share_of
from asyncload.operations.run import Run
from asyncload.operations.workers.batches import Batch, Source
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
    unpack_finished,
)
from asyncload.operations.workers.processes import Started, Starter
from asyncload.s3 import Lent
from asyncload.settings.run import Settings
from asyncload.store.protocol import OpenUpload
from asyncload.store.retries import RetryPolicy
from asyncload.transfer import TransferPolicy
from asyncload.transfer.pipeline import Pipeline

Lend = Callable[[str], Awaitable[Lent | None]]

# A worker gets another batch when it has fewer files and bytes left than these.
_FILES_AHEAD = 64
_BYTES_AHEAD = 32 * 1024 * 1024
# So many workers may be lost in a row, and so many with the same batch.
_MAX_LOST = 3
# Less than the grace of the run, which has to record what workers leave open.
_GRACE_SECONDS = 4.0


@dataclass(slots=True)
class _Sent:
    """A batch that a worker has: the places of files that have an outcome, and the bytes left."""

    batch: Batch
    left: int
    finished: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Member:
    """A worker and its batches.

    `told`: it was told to end; `ended`: it said that it ends; `lost`: its connection has ended.
    """

    number: int
    process: Started
    share: Share
    channel: Channel = field(init=False)
    sent: dict[int, _Sent] = field(default_factory=dict)
    told: bool = False
    ended: bool = False
    lost: bool = False

    def small(self) -> tuple[int, int]:
        """Return the number of its small files without an outcome, and their bytes."""
        sent = [sent for sent in self.sent.values() if not sent.batch.is_large]
        files = sum(len(each.batch.uploads) - len(each.finished) for each in sent)
        return files, sum(each.left for each in sent)

    def large(self) -> int:
        """Return the number of its large files."""
        return sum(sent.batch.is_large for sent in self.sent.values())


class Work(NamedTuple):
    """The work of all processes.

    `source` hands out the files, `policy` and `retries` are for the workers, and `pipeline` loads
    in this process; its observer receives the outcomes of all. `resize` is called with a new share
    of the limits for this process. `find_left_open` lists the open uploads of a batch's keys; at
    the end, `tell_left_open` names those that no run can resume.
    """

    source: Source
    policy: TransferPolicy
    retries: RetryPolicy
    pipeline: Pipeline
    resize: Callable[[Share], None]
    find_left_open: Callable[[Batch], Awaitable[Mapping[str, Sequence[OpenUpload]]]]
    tell_left_open: Callable[[], Awaitable[None]]


@asynccontextmanager
async def fleet_of(
    run: Run, starter: Starter, lend: Lend, processes: int, settings: Settings | None = None
) -> AsyncIterator[Fleet]:
    """Start the workers of a run; they end with the context.

    After an error or a cancellation they have the grace of the run to abort their uploads, as a run
    in one process does.

    Args:
        run: the run.
        starter: starts processes.
        lend: returns the credentials to sign with, given an access key that has expired.
        processes: their number, this one included.
        settings: the run's as workers need them; None if they need no others.
    """
    async with Group() as group:
        fleet = Fleet(run, starter, lend, processes, group, settings or run.settings)
        try:
            await fleet.start()
            yield fleet
        finally:
            await fleet.end()


class Fleet:
    """The workers of a run; see `fleet_of`.

    Attributes:
        processes: the number of processes, this one included.
    """

    def __init__(
        self,
        run: Run,
        starter: Starter,
        lend: Lend,
        processes: int,
        group: Group,
        settings: Settings,
    ) -> None:
        self._run = run
        self._settings = settings
        self._starter = starter
        self._lend = lend
        self.processes = processes
        self._group = group
        self._members: dict[int, _Member] = {}
        self._added = self._replacing = self._lost_in_a_row = self._disposing = 0
        self._work: Work | None = None
        self._is_loading_here = True
        self._is_ending = False
        self._changed = asyncio.Event()
        self._warned: set[Warned] = set()
        self._running: dict[int, Counted] = {}
        self._ended: list[Counted] = []
        run.running, run.ended = self._running, self._ended

    async def start(self) -> None:
        """Start the workers; they open volume and bucket meanwhile."""
        for index in range(1, self.processes):
            try:
                await self._add(self._share(index, self.processes))
            except OSError as error:
                self._run.observe(
                    Warned(
                        f"only {index} of {self.processes} processes can be started: "
                        f"{error.strerror or error}",
                        "raise the limit of processes (ulimit -u, --pids-limit of a container), or "
                        "use fewer --processes",
                    )
                )
                break
        self._run.observe(ProcessesStarted(1 + len(self._members)))

    async def load(self, work: Work) -> None:
        """Load all files, in this process and in the workers.

        Raises:
            Refused, StoreUnavailable: the run can't continue.
            WorkersLost: workers ended again and again.
            DeadlineReached: the deadline left no time for all files.
        """
        self._work = work
        work.resize(self._share(0, 1 + len(self._members)))
        # Each worker gets its first batch before this process takes all that is left.
        for member in list(self._members.values()):
            self._begin(member, work)
        with suppress(DeadlineReached):
            # The others end what they have begun, too.
            await work.pipeline.run(work.source)
        self._run.settle()
        self._is_loading_here = False
        self._share_out()
        while self._members or self._replacing or self._disposing:
            self._changed.clear()
            await self._changed.wait()
        # Only if no process could be started in place of one that was lost.
        self._is_loading_here = True
        self._share_out()
        while (batch := work.source.take_returned()) is not None:
            await work.pipeline.run(batch)
        await work.tell_left_open()
        if self._run.deadline.stopped:
            raise DeadlineReached

    async def end(self) -> None:
        """End the workers that still run, within the grace of the run."""
        self._is_ending = True
        for member in [member for member in self._members.values() if member.lost]:
            # Not replaced any more, and what replaces it may have been cancelled.
            self._remove(member)
        if not self._members:
            return
        for member in self._members.values():
            member.channel.send(End(now=True, out_of_time=self._run.deadline.expired))
        grace = self._run.policy.grace
        await run_to_end(self._wait_for_ends(grace.begin()), grace=grace)

    async def _wait_for_ends(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._members:
                    self._changed.clear()
                    await self._changed.wait()
        for member in self._members.values():
            member.process.kill()
            member.channel.close()

    async def _add(self, share: Share) -> _Member:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._starter.start(theirs)
            lent = await self._lend("") if process.may_borrow else None
        except BaseException:
            ours.close()
            raise
        self._added += 1
        member = _Member(self._added, process, share)
        member.channel = Channel(partial(self._receive, member), partial(self._lost, member))
        # Before the connection is made: it may end at once.
        self._members[member.number] = member
        self._running[member.number] = Counted()
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: member.channel, sock=ours)
        member.channel.send(Start(self._settings, share, lent, self._run.deadline.left))
        return member

    def _share(self, index: int, processes: int, *, spare: int = 0) -> Share:
        own_memory = self._starter.on_other_machines
        return share_of(self._settings, index, processes, spare=spare, own_memory=own_memory)

    def _begin(self, member: _Member, work: Work) -> None:
        policy = work.policy
        worth = policy.worth._replace(checks=dict(policy.worth.checks))
        policy = replace(policy, grace=Grace(_GRACE_SECONDS), worth=worth)
        member.channel.send(Begin(policy, work.retries, self._run.started))
        self._supply(member, work)

    def _supply(self, member: _Member, work: Work) -> None:
        """Give a worker as much as keeps it busy; tell it to end if nothing is left for it."""
        if member.told or member.lost or self._is_ending:
            return
        source, stopped = work.source, self._run.deadline.stopped
        while (
            not stopped
            and member.large() < work.pipeline.large_at_once
            and (batch := source.take_large()) is not None
        ):
            self._give(member, batch)
        while not stopped and (batch := self._next_small(member, source)) is not None:
            self._give(member, batch)
        if not member.sent:
            self._run.settle()
            member.told = True
            member.channel.send(End(now=False))

    def _next_small(self, member: _Member, source: Source) -> Batch | None:
        if source.has_returned:
            return source.take_small()
        files, size = member.small()
        ahead = max(_FILES_AHEAD, 2 * self._running[member.number].aim)
        if files >= min(ahead, source.fair_share) or size >= _BYTES_AHEAD:
            return None
        return source.take_small()

    def _give(self, member: _Member, batch: Batch) -> None:
        member.sent[batch.number] = _Sent(batch, batch.size)
        member.channel.send(Load(batch.pack()))

    def _share_out(self) -> None:
        """Share the limits out over the processes that have something to do."""
        members, work = list(self._members.values()), self._work
        here = int(self._is_loading_here)
        count = here + len(members)
        for index, member in enumerate(members, start=here):
            member.channel.send(Resize(self._share(index, count, spare=1 - here)))
        if work is not None:
            work.resize(self._share(0, count) if here else self._share(0, 1).least())

    def _receive(self, member: _Member, message: Any) -> None:
        try:
            if isinstance(message, News):
                self._take_news(member, message)
            elif isinstance(message, Ask):
                self._group.create_task(self._answer(member, message.used))
            else:
                assert isinstance(message, Ended), "a worker sends nothing else"
                member.ended = True
                member.channel.close()
                if message.error is not None:
                    raise message.error
        except Exception as error:  # an observer may raise any error
            self._fail(error)

    def _take_news(self, member: _Member, news: News) -> None:
        for event in news.events:
            self._pass_on(event)
        work = self._work
        if work is not None:
            pipeline = work.pipeline
            for number, place, packed in news.finished:
                sent = member.sent[number]
                upload = sent.batch.uploads[place]
                sent.finished.add(place)
                sent.left -= upload.source.size
                self._conclude(unpack_finished(packed, upload), pipeline)
            for number in news.done:
                sent = member.sent.pop(number)
                self._lost_in_a_row = 0
                if len(sent.finished) < len(sent.batch.uploads):
                    self._run.deadline.stopped = True
        before, self._running[member.number] = self._running[member.number], news.counted
        if before.aim and before.allowed != news.counted.allowed:
            self._run.report_limit()
        if work is not None and (news.finished or news.done):
            self._supply(member, work)

    def _conclude(self, event: FileFinished, pipeline: Pipeline) -> None:
        """Emit the outcome of a worker's file, once its source was deleted or moved if asked."""
        if pipeline.tools.dispose is not None and isinstance(event.outcome, Uploaded | Unchanged):
            self._disposing += 1
            self._group.create_task(self._dispose(event, event.outcome, pipeline))
        else:
            self._emit(event, pipeline)

    async def _dispose(
        self, event: FileFinished, outcome: Uploaded | Unchanged, pipeline: Pipeline
    ) -> None:
        # Not in the worker: if that is lost, its files are looked for again.
        assert pipeline.tools.dispose is not None, "it was asked for"
        try:
            done = await pipeline.tools.dispose(outcome)
            self._emit(event._replace(source=done), pipeline)
        finally:
            self._disposing -= 1
            self._changed.set()

    def _emit(self, event: FileFinished, pipeline: Pipeline) -> None:
        pipeline.observe(event)
        if not self._is_ending:
            pipeline.outage.observe(event)

    def _pass_on(self, event: Event) -> None:
        """Emit a worker's event; a warning that several of them have only once."""
        if isinstance(event, Warned):
            if event in self._warned:
                return
            self._warned.add(event)
        self._run.observe(event)

    async def _answer(self, member: _Member, used: str) -> None:
        try:
            reply = Credentials(await self._lend(used), None)
        except AsyncloadError as error:
            reply = Credentials(None, error)
        member.channel.send(reply)

    def _lost(self, member: _Member) -> None:
        """Handle the end of a worker's connection."""
        member.lost = True
        if member.ended or self._is_ending:
            self._remove(member)
            self._share_out()
        else:
            self._replacing += 1
            self._group.create_task(self._replace(member))

    def _remove(self, member: _Member) -> None:
        if self._members.pop(member.number, None) is not None:
            self._ended.append(self._running.pop(member.number))
        self._changed.set()

    async def _replace(self, member: _Member) -> None:
        """Give a lost worker's files to others, and start one in its place."""
        try:
            status = await member.process.status()
            self._remove(member)
            if self._is_ending:
                return
            what = f"{member.process.name} {describe_status(status)}"
            self._lost_in_a_row += 1
            self._check_losses(what, await self._give_back(member))
            self._run.observe(
                Warned(
                    f"{what}: its unfinished files are loaded by another one",
                    "its memory may be short: see --processes and --memory"
                    if status == -signal.SIGKILL
                    else "",
                )
            )
            await self._add_in_place(member)
        finally:
            self._replacing -= 1
            self._changed.set()

    async def _give_back(self, member: _Member) -> list[int]:
        """Give the rest of a lost worker's batches back; return how many workers each has lost."""
        losses = []
        for sent in member.sent.values():
            assert self._work is not None, "a worker that has a batch was given work"
            rest = sent.batch.without(sent.finished)
            losses.append(rest.losses)
            if rest.is_large:
                # The lost worker may have sent parts of it: they are resumed as by a later run.
                rest = rest._replace(left_open=await self._work.find_left_open(rest))
            self._work.source.give_back(rest)
        return losses

    def _check_losses(self, what: str, of_batches: list[int]) -> None:
        remote = self._starter.on_other_machines
        # Those of a cluster may all be lost at once, and then be replaced.
        most = _MAX_LOST * self.processes if remote else _MAX_LOST
        if self._lost_in_a_row >= most or max(of_batches, default=0) >= _MAX_LOST:
            raise WorkersLost(
                f"{what}, as did {max(self._lost_in_a_row, *of_batches) - 1} others before it",
                hint="see the logs of the Dask workers, or load without --dask"
                if remote
                else "if the system's memory is short, lower --memory, raise the limit, or use "
                "--processes 1",
            )

    async def _add_in_place(self, lost: _Member) -> None:
        work = self._work
        try:
            added = await self._add(lost.share)
        except OSError as error:
            self._run.observe(
                Warned(f"no worker process can be started in its place: {error.strerror or error}")
            )
            self._share_out()
            if work is not None:
                for member in self._members.values():
                    self._supply(member, work)
            return
        if work is not None:
            self._begin(added, work)

    def _fail(self, error: Exception) -> None:
        """End the run with an error."""
        if not self._is_ending:
            self._group.create_task(_raise(error))


async def _raise(error: Exception) -> None:
    raise error


def describe_status(status: int | None) -> str:
    """Describe how a process ended, by its exit status; negative for a signal."""
    if status is None:
        return "has ended unexpectedly"
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"has ended unexpectedly, with status {status}"
