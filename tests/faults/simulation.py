"""Whole loads in virtual time, into a store in memory whose every request may meet a fault.

`simulate(seed, volume)` runs one and holds it to what must be true whatever happens. The same
seed is the same run, to the last wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncload.calls import RetryPolicy
from asyncload.errors import (
    AsyncloadError,
    BodyDamaged,
    Refused,
    ServerError,
    StoreUnavailable,
    Throttled,
)
from asyncload.loading import load_into
from asyncload.model import UploadLeftOpen
from asyncload.settings import Settings
from tests.faults.proxy import Rates, draw
from tests.faults.virtual_time import InlineExecutor, VirtualTimeLoop
from tests.support.loads import NOW, Recorder
from tests.support.memory_store import MemoryStore

DEADLINE = 30.0
"""Seconds after which the real store gives a call up."""
LONGEST = 24 * 3600.0
"""Seconds of virtual time that no run may take."""


class FaultyStore(MemoryStore):
    """Its requests fail, dawdle, are damaged or lose their replies, by hash of what they are.

    Attributes:
        orphans: uploads that were opened in a request whose reply was lost.
    """

    def __init__(self, seed: int, rates: Rates) -> None:
        super().__init__(least_part=0)
        self.seed = seed
        self.rates = rates
        self.orphans: set[str] = set()
        self._attempts: Counter[tuple[object, ...]] = Counter()

    async def head(self, key):
        return await self._meet(("head", key), lambda: super(FaultyStore, self).head(key))

    async def put(self, key, body, checksum, **options):
        return await self._meet(
            ("put", key), lambda: super(FaultyStore, self).put(key, body, checksum, **options)
        )

    async def create_multipart(self, key, **options):
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

    async def upload_part(self, key, upload_id, number, *arguments, **options):
        send = super().upload_part
        return await self._meet(
            ("part", key, number), lambda: send(key, upload_id, number, *arguments, **options)
        )

    async def complete_multipart(self, key, *arguments, **options):
        complete = super().complete_multipart
        return await self._meet(("complete", key), lambda: complete(key, *arguments, **options))

    async def abort_multipart(self, key, upload_id):
        abort = super().abort_multipart
        return await self._meet(("abort", key), lambda: abort(key, upload_id))

    async def _meet(self, what: tuple[object, ...], call: Callable[[], Awaitable[Any]]) -> Any:
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
    """Reads the volume, and has it changed before the `hop`-th time that it is read."""

    def __init__(self, hop: int, change: Callable[[], object]) -> None:
        self._hops = hop
        self._change = change

    def submit(self, fn, /, *args, **kwargs):
        self._hops -= 1
        if not self._hops:
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
    """What a simulated run came to."""

    store: MemoryStore
    recorder: Recorder
    ended_by: AsyncloadError | None = None
    seconds: float = 0.0
    tasks_left: int = 0
    wrong: list[str] = field(default_factory=list)


def run_virtually(
    store: MemoryStore,
    volume: Path,
    seed: int,
    executor: InlineExecutor | None = None,
    **options: Any,
) -> Simulated:
    """Load a volume into a store in virtual time; the waits are drawn from the seed, too."""
    result = Simulated(store, Recorder())
    settings = Settings(volume=volume, bucket="lake", manifest=False, **options)

    async def main() -> None:
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
        result.seconds = asyncio.get_running_loop().time()
        result.tasks_left = len(asyncio.all_tasks()) - 1

    random.seed(seed)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    return result


def simulate(
    seed: int,
    volume: Path,
    contents: dict[str, bytes],
    make_store: Callable[[int, Rates], FaultyStore] = FaultyStore,
) -> Simulated:
    """Run a seed: what is there already, what changes when, and the options are drawn from it."""
    store = make_store(seed, Rates())
    for name, body in contents.items():
        share = draw("there", seed, name)
        if share < 0.1:
            store.objects[key_of(name)] = body if share < 0.07 else body + b"!"
    before = dict(store.objects)
    names = sorted(contents)
    changed = names[int(draw("changed", seed) * len(names))]
    versions = {name: {body} for name, body in contents.items()}
    versions[changed].add(contents[changed] + b"one more line\n")
    hop = int(draw("hop", seed) * 30)
    try:
        result = run_virtually(
            store,
            volume,
            seed,
            # About half of the hops are beyond a run's end: then nothing changes.
            ChangingVolume(hop, lambda: append(volume / changed, b"one more line\n")),
            concurrency=1 + int(draw("concurrency", seed) * 8),
            overwrite=draw("overwrite", seed) < 0.2,
        )
    finally:
        (volume / changed).write_bytes(contents[changed])
    result.wrong = list(find_wrong(result, versions, before))
    return result


def append(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)


def key_of(name: str) -> str:
    return f"Raw/Local/CSV/{name[0].upper()}{name[1:-4]}/2022/05/02/{name}"


def find_wrong(result: Simulated, versions: dict[str, set[bytes]], before: dict[str, bytes]):
    """Yield each broken promise, in words."""
    store, outcomes = result.store, result.recorder.outcomes
    for name, bodies in versions.items():
        held, outcome = store.objects.get(key_of(name)), outcomes.get(name)
        if outcome is None and result.ended_by is None:
            yield f"{name} has no outcome"
        if outcome is not None and outcome.status != "failed" and held not in bodies:
            yield f"{name} is called {outcome.status}, and the store holds something else"
        if held not in bodies | {None, before.get(key_of(name))}:
            yield f"{name}: the object is no whole version"
    told = {e.upload_id for e in result.recorder.events if isinstance(e, UploadLeftOpen)}
    for upload_id in store.uploads.keys() - told - store.orphans:
        yield f"{upload_id} is open, and nobody said so"
    if result.tasks_left:
        yield f"{result.tasks_left} tasks are alive"
    if store.in_flight:
        yield f"{store.in_flight} requests are in flight"
