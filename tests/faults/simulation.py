"""Whole loads in virtual time, into a store in memory whose every request may meet a fault.

`simulate(seed, volume)` runs one and holds it to what must always be true, also after a stop or
a refusal at any point. The same seed is the same run, to the last wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from asyncload.errors import (
    AsyncloadError,
    BodyDamaged,
    BucketNotFound,
    Refused,
    RequestRejected,
    ServerError,
    StoreUnavailable,
    Throttled,
    TimedOut,
)
from asyncload.model.values import ObjectKey, UploadLeftOpen
from asyncload.operations.load import load_into
from asyncload.s3.fast.connection import ConnectionPool
from asyncload.settings.run import Settings
from asyncload.store.protocol import PutResult
from asyncload.store.retries import RetryPolicy
from asyncload.transfer import TransferPolicy
from tests.faults.proxy import Rates, draw
from tests.faults.virtual_net import Network
from tests.faults.virtual_time import InlineExecutor, VirtualTimeLoop
from tests.support.loads import NOW, Recorder
from tests.support.memory_store import MemoryStore, Upload

DEADLINE = 30.0
"""Seconds after which the real store gives a call up."""
LONGEST = 24 * 3600.0
"""Seconds of virtual time that no run may take."""
GRACE = TransferPolicy().grace.left()
"""Seconds of virtual time that a run has for all that it tidies up once it is to end."""
BOUND = GRACE + 4.5
"""Seconds of virtual time that it may take to end: an upload that is just begun, its abort, and
the record's may come so late that they get their least, a second each; and the connections that
are just being made are waited for for half a second."""

RECORDS = "_asyncload/"
"""The prefix of a run's records, which it may finish when it is to stop."""

_REJECTED = ("put", "part", "complete")


class FaultyStore(MemoryStore):
    """Its requests fail, dawdle, are damaged or lose their replies, by hash of what they are.

    Puts and parts travel by the fast lane's own connections, through a virtual network.

    Args:
        seed: that everything is drawn from.
        rates: how much of what.
        refuse_at: the number of the request that is answered by an error that ends the run.

    Attributes:
        orphans: uploads that were opened in a request whose reply was lost.
        foreign: the parts of uploads that another program has under way, by upload id.
        begun: when each request was begun, its kind, and its key or prefix, in order.
        refused: when the run was refused, by a request of which kind, for which key.
    """

    def __init__(self, seed: int, rates: Rates, *, refuse_at: int = 0) -> None:
        super().__init__(min_part=0)
        self.seed = seed
        self.rates = rates
        self.network = Network(seed, self._serve)
        self.orphans: set[str] = set()
        self.foreign: dict[str, dict[int, bytes]] = {}
        self.begun: list[tuple[float, str, str]] = []
        self.refused: tuple[float, str, str] | None = None
        self._refuse_at = refuse_at
        self._attempts: Counter[tuple[object, ...]] = Counter()
        self._pool = ConnectionPool("store.invalid", 80, None)
        self._travelling: dict[int, Callable[[], Awaitable[Any]]] = {}
        self._answers: dict[int, Any] = {}

    def begin_foreign(self, key: str, body: bytes) -> None:
        """Let another program upload the same to a key: its first part is there."""
        upload_id = f"foreign-{len(self.foreign)}"
        part = body[: 64 * 1024]
        self.uploads[upload_id] = Upload(ObjectKey(key), parts={1: part})
        self.foreign[upload_id] = {1: part}

    async def close(self) -> None:
        """Close the connections, and let the server finish what it has begun."""
        await self._pool.close()
        await self.network.drain()

    def _begin(self, kind: str, key: str = "") -> None:
        now = asyncio.get_running_loop().time()
        self.begun.append((now, kind, key))
        if len(self.begun) == self._refuse_at:
            self.refused = now, kind, key
            raise BucketNotFound("simulated", code="NoSuchBucket", status=404)

    async def _answer(self, call, body=b""):
        if call in ("check_bucket", "list_objects", "list_uploads", "list_parts"):
            self._begin(call)
        await super()._answer(call, body)

    async def head(self, key):
        self._begin("head", key)
        return await self._meet(("head", key), lambda: super(FaultyStore, self).head(key))

    async def put(self, key, body, checksum, **options):
        put = super().put
        return await self._travel(("put", key), body, lambda: put(key, body, checksum, **options))

    async def create_multipart(self, key, **options):
        self._begin("create", key)
        create = super().create_multipart
        opened = []

        async def open_one():
            opened.append(await create(key, **options))
            return opened[0]

        try:
            return await self._meet(("create", key), open_one)
        except BaseException:
            self.orphans.update(opened)
            raise

    async def upload_part(self, key, upload_id, number, body, *arguments, **options):
        send = super().upload_part
        return await self._travel(
            ("part", key, number),
            body,
            lambda: send(key, upload_id, number, body, *arguments, **options),
        )

    async def complete_multipart(self, key, *arguments, **options):
        self._begin("complete", key)
        complete = super().complete_multipart
        return await self._meet(("complete", key), lambda: complete(key, *arguments, **options))

    async def abort_multipart(self, key, upload_id):
        self._begin("abort", key)
        abort = super().abort_multipart
        return await self._meet(("abort", key), lambda: abort(key, upload_id))

    async def _travel(
        self, what: tuple[object, ...], body: Any, call: Callable[[], Awaitable[Any]]
    ) -> PutResult:
        """Send a request by a connection, and return what the server made of it."""
        self._begin(str(what[0]), str(what[1]))
        number = len(self.begun)
        # The buffer is lent again once the request is over, while the server may still read.
        sent = bytes(body)
        self._travelling[number] = partial(self._meet, what, call)
        head = f"PUT /{number} HTTP/1.1\r\nhost: store\r\ncontent-length: {len(sent)}\r\n\r\n"
        try:
            async with asyncio.timeout(DEADLINE):
                reply = await self._pool.send(head.encode(), memoryview(sent))
        except TimeoutError as error:
            raise TimedOut("simulated: no answer in time") from error
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"simulated: {error}") from error
        if reply.early:
            raise StoreUnavailable("simulated: a success before the body was read")
        # An answer of some status and any length need not be about anything that was done.
        answer = self._answers.pop(number, PutResult('"nothing"', None))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _serve(self, number: int) -> None:
        try:
            self._answers[number] = await self._travelling.pop(number)()
        except AsyncloadError as error:
            self._answers[number] = error

    async def _meet(self, what: tuple[object, ...], call: Callable[[], Awaitable[Any]]) -> Any:
        # A record's key has the run's id, which no two runs share.
        what = tuple(RECORDS if str(part).startswith(RECORDS) else part for part in what)
        self._attempts[what] += 1
        identity = (self.seed, *what, self._attempts[what])
        share, which, rates = draw(*identity), draw("which", *identity), self.rates
        await asyncio.sleep(0.01 + 0.1 * which)
        if (share := share - rates.errors) < 0:
            raise ServerError("simulated", code="InternalError", status=500)
        if (share := share - rates.throttles) < 0:
            raise Throttled("simulated", code="SlowDown", status=503)
        if (share := share - rates.delays) < 0:
            return await self._dawdle(which, call)
        if what[0] in ("put", "part") and (share := share - rates.corruption) < 0:
            raise BodyDamaged("simulated", code="BadDigest", status=400)
        if what[0] in _REJECTED and (share := share - rates.rejections) < 0:
            raise RequestRejected("simulated", code="InvalidArgument", status=400)
        answer = await call()
        if share - rates.lost_replies < 0:
            raise StoreUnavailable("simulated: the reply was lost")
        return answer

    async def _dawdle(self, which: float, call: Callable[[], Awaitable[Any]]) -> Any:
        """Take up to twice as long as a call may; too late may be done or not."""
        seconds = 2 * DEADLINE * which
        if seconds <= DEADLINE:
            await asyncio.sleep(seconds)
            return await call()
        if int(seconds * 1000) % 2:
            await call()
        await asyncio.sleep(DEADLINE)
        raise StoreUnavailable("simulated: no answer in time")


class ChangingVolume(InlineExecutor):
    """Reads the volume, and has it changed before the `reads`-th time that it is read."""

    def __init__(self, reads: int, change: Callable[[], object]) -> None:
        self._reads_left = reads
        self._change = change

    def submit(self, fn, /, *args, **kwargs):
        self._reads_left -= 1
        if not self._reads_left:
            self._change()
        return super().submit(fn, *args, **kwargs)


class StormyStore(MemoryStore):
    """Throttles every request for its first `seconds`, then serves all."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def put(self, key, body, checksum, **options):
        await asyncio.sleep(0.02)
        if asyncio.get_running_loop().time() < self.seconds:
            raise Throttled("simulated", code="SlowDown", status=503)
        return await super().put(key, body, checksum, **options)


@dataclass
class Simulated:
    """What a simulated run came to.

    `steps` are the turns of its event loop, `stopped` says when it was told to stop, as a signal
    does it.
    """

    store: MemoryStore
    recorder: Recorder
    ended_by: AsyncloadError | None = None
    seconds: float = 0.0
    steps: int = 0
    stopped: float | None = None
    was_cancelled: bool = False
    tasks_left: int = 0
    unhandled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run_virtually(
    store: MemoryStore,
    volume: Path,
    seed: int,
    executor: InlineExecutor | None = None,
    *,
    stop_at: int = 0,
    **options: Any,
) -> Simulated:
    """Load a volume into a store in virtual time; the waits are drawn from the seed, too.

    The run is told to stop before that turn of the event loop.
    """
    result = Simulated(store, Recorder())
    settings = Settings(volume=volume, bucket="lake", **{"manifest": False} | options)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        network = getattr(store, "network", None)
        loop.network = network

        def stop() -> None:
            if not result.steps:
                result.stopped = loop.time()
                task.cancel()

        loop.at_step(stop_at, stop)
        loop.set_exception_handler(lambda _, context: result.unhandled.append(context["message"]))
        loading = load_into(
            store,
            settings,
            observer=result.recorder,
            now=NOW,
            retries=RetryPolicy(),
            executor=executor or InlineExecutor(),
        )
        try:
            async with asyncio.timeout(LONGEST):
                await loading
        except (Refused, StoreUnavailable) as error:
            result.ended_by = error
        except asyncio.CancelledError:
            result.was_cancelled = True
        result.seconds, result.steps = loop.time(), loop.steps
        left = asyncio.all_tasks() - {task}
        if network is not None:
            left -= network.tasks
            await store.close()
        result.tasks_left = len(left)

    random.seed(seed)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    return result


def simulate(
    seed: int,
    volume: Path,
    contents: dict[str, bytes],
    make_store: Callable[..., FaultyStore] = FaultyStore,
    *,
    stop_at: int = 0,
    refuse_at: int = 0,
) -> Simulated:
    """Run a seed: what is there already, what changes when, and the options are drawn from it.

    Args:
        seed: the seed.
        volume: a folder that holds the contents; it is as before afterwards.
        contents: of each file.
        make_store: makes the store.
        stop_at: before which turn of the event loop the run is told to stop; 0 for never.
        refuse_at: the number of the request that is answered by an error that ends it; 0 for none.
    """
    store = make_store(seed, Rates(), refuse_at=refuse_at)
    for name, body in contents.items():
        share = draw("there", seed, name)
        if share < 0.1:
            store.objects[key_of(name)] = body if share < 0.07 else body + b"!"
        if draw("foreign", seed, name) < 0.1:
            store.begin_foreign(key_of(name), body)
    before = dict(store.objects)
    names = sorted(contents)
    changed = names[int(draw("changed", seed) * len(names))]
    versions = {name: {body} for name, body in contents.items()}
    versions[changed].add(contents[changed] + b"one more line\n")
    reads = int(draw("hop", seed) * 30)
    try:
        result = run_virtually(
            store,
            volume,
            seed,
            # About half of these reads are beyond a run's end: then nothing changes.
            ChangingVolume(reads, lambda: append(volume / changed, b"one more line\n")),
            stop_at=stop_at,
            concurrency=1 + int(draw("concurrency", seed) * 8),
            overwrite=draw("overwrite", seed) < 0.2,
            manifest=draw("manifest", seed) < 0.3,
        )
    finally:
        (volume / changed).write_bytes(contents[changed])
    result.wrong = [
        *find_wrong(result, versions, before),
        *find_open_untold(result),
        *find_disobedience(result),
    ]
    return result


def simulate_with_an_end(
    seed: int, volume: Path, contents: dict[str, bytes], make_store: Any = FaultyStore
) -> Simulated:
    """Run a seed, which also says whether and when the run is stopped or refused."""
    share, when = draw("end", seed), draw("when", seed)
    return simulate(
        seed,
        volume,
        contents,
        make_store,
        stop_at=1 + int(when * 250) if share < 0.2 else 0,
        refuse_at=1 + int(when * 40) if 0.2 <= share < 0.3 else 0,
    )


def append(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)


def key_of(name: str) -> str:
    return f"Raw/Local/CSV/{name[0].upper()}{name[1:-4]}/2022/05/02/{name}"


def find_wrong(result: Simulated, versions: dict[str, set[bytes]], before: dict[str, bytes]):
    """Yield each broken promise, in words."""
    store, outcomes = result.store, result.recorder.outcomes
    ended = result.ended_by is not None or result.was_cancelled
    for name, bodies in versions.items():
        held, outcome = store.objects.get(key_of(name)), outcomes.get(name)
        if outcome is None and not ended:
            yield f"{name} has no outcome"
        if outcome is not None and outcome.status != "failed" and held not in bodies:
            yield f"{name} is called {outcome.status}, and the store holds something else"
        if held not in bodies | {None, before.get(key_of(name))}:
            yield f"{name}: the object is no whole version"
    yield from result.unhandled
    if result.tasks_left:
        yield f"{result.tasks_left} tasks are alive"
    if store.in_flight:
        yield f"{store.in_flight} requests are in flight"
    if store.network.links:
        yield f"{len(store.network.links)} connections are open"


def find_open_untold(result: Simulated):
    """Yield the uploads of this run that stay open, and those of others that it ended."""
    store = result.store
    told = {e.upload_id for e in result.recorder.events if isinstance(e, UploadLeftOpen)}
    for upload_id in store.uploads.keys() - told - store.orphans - store.foreign.keys():
        yield f"{upload_id} is open, and nobody said so"
    for upload_id, parts in store.foreign.items():
        if upload_id not in store.uploads or store.uploads[upload_id].parts != parts:
            yield f"{upload_id} was not left alone"


def find_disobedience(result: Simulated):
    """Yield how a run that was told to stop, or was refused, did not end at once."""
    store = result.store
    if result.was_cancelled and result.stopped is None:
        yield "the run ended as cancelled, though nothing requested it"
    if result.stopped is not None:
        yield from find_late("stop", result, result.stopped)
    if store.refused is not None:
        when, kind, key = store.refused
        if kind == "abort" or key.startswith(RECORDS):
            # It ends nothing: the upload is told as left open, and the record as not written.
            return
        if not isinstance(result.ended_by, BucketNotFound) and not result.was_cancelled:
            yield "the run was refused, and ended otherwise"
        if kind in ("part", "complete"):
            # The upload that met it is aborted first; its last step gets a second, however late.
            when += GRACE + 1
        yield from find_late("refusal", result, when)


def find_late(what: str, result: Simulated, since: float):
    """Yield what began after a time, and whether the run took longer than it may."""
    # At the very moment others may be beginning, too.
    late = {
        kind
        for at, kind, key in result.store.begun
        if at > since and kind not in ("create", "abort") and not key.startswith(RECORDS)
    }
    if late:
        yield f"after the {what}, {', '.join(sorted(late))} began"
    if result.seconds > since + BOUND:
        yield f"it took {result.seconds - since:.0f} s after the {what} to end"
