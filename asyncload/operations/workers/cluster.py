"""The workers of a run on a Dask cluster: connect, compare, and start a process beside each one.

Each Dask worker starts a worker process, like those of `--processes`, and passes its messages to
and from this process (`remote`). Dask knows which workers there are, reaches them, and sees them
end.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from asyncload.aio.groups import Group
from asyncload.errors import ClusterUnusable, UsageError
from asyncload.model.names import split_member
from asyncload.model.version import VERSION
from asyncload.operations.workers.processes import Started
from asyncload.planning.plan import LoadPlan
from asyncload.settings.run import Settings

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_LIST_SECONDS = 5.0
_END_SECONDS = 2.0
_PING_SECONDS = 5.0
# For a worker that is started again.
_REPLACEMENT_SECONDS = 3.0
_PAUSE = 0.1
# So many large and so many small files are compared, the latter of the first ones in the plan.
_LARGE_SAMPLES = 4
_SMALL_SAMPLES = 12
_AMONG = 6_000


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Cluster]:
    """Connect to the scheduler of a Dask cluster.

    Raises:
        UsageError: Dask is not installed.
        ClusterUnusable: the scheduler can't be reached.
    """
    client = await _connect(address)
    try:
        async with Group() as group:
            cluster = Cluster(client, address, group)
            try:
                yield cluster
            finally:
                cluster.give_up()
    finally:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await client.close()


async def _connect(address: str) -> Any:
    is_first = "distributed" not in sys.modules
    try:
        # Late: an extra, which takes long to import.
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--dask needs the package distributed",
            hint=f"run {sys.executable} -m pip install 'asyncload-s3[dask]', "
            "and the same on all workers",
        ) from error
    if is_first:
        # It would print what is reported anyway.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return await Client(
            address, asynchronous=True, set_as_default=False, timeout=_CONNECT_SECONDS
        )
    except (OSError, ValueError) as error:
        raise ClusterUnusable(
            f"--dask: no scheduler can be reached at {address}: {error}",
            hint="check that it runs (`dask scheduler`), its host and port, and Dask's "
            "configuration if the cluster uses TLS",
        ) from error


class Expected(NamedTuple):
    """What the workers must see: at `paths`, with these settings, what `proof` says."""

    settings: Settings
    paths: Sequence[str]
    proof: Any


class Cluster:
    """Starts worker processes, at most one for each worker of a Dask cluster. See `Starter`.

    Args:
        client: Dask's, connected to the scheduler.
        address: the scheduler's.
        group: runs the tasks that pass messages.
    """

    on_other_machines = True

    def __init__(self, client: Any, address: str, group: Group) -> None:
        self._client = client
        self._address = address
        self._group = group
        self._expected: Expected | None = None
        self._compared: set[str] = set()
        self._used: dict[str, _Placed] = {}

    async def compare(self, settings: Settings, plan: LoadPlan) -> int:
        """Check that all workers see what this process sees; return their number.

        Raises:
            ClusterUnusable: there are none, one does not answer, or one has another version of
                asyncload, sees another volume, or would send to another store.
        """
        workers = await self._workers()
        if not workers:
            raise ClusterUnusable(
                f"--dask: the scheduler {self._address} has no workers",
                hint=f"start some: `dask worker {self._address}`",
            )
        await self._compare_versions(workers)
        paths = samples(plan)
        async with Group() as group:
            from asyncload.operations.workers.remote import see  # late: it imports Dask

            seeing = group.create_task(self._ask(workers, see, settings, paths))
            self._expected = Expected(settings, paths, await see(settings, paths))
            answers = await seeing
        self._compare_proofs(answers)
        return len(workers)

    async def _workers(self) -> list[str]:
        try:
            # Dask tries for longer to connect again; this process loads alone by then.
            async with asyncio.timeout(_LIST_SECONDS):
                found = await self._client.scheduler.identity(n_workers=-1)
        except OSError as error:
            raise self._unanswered(error) from error
        return list(found["workers"])

    async def _compare_versions(self, workers: list[str]) -> None:
        from asyncload.operations.workers.remote import version_here  # late: see above

        for worker, answer in (await self._ask(workers, version_here)).items():
            if answer == VERSION:
                continue
            if isinstance(answer, Exception):
                has = f"can't run it: {type(answer).__name__}: {answer}"
            else:
                has = f"has {answer}"
            raise ClusterUnusable(
                f"--dask: this process has asyncload {VERSION}, and the worker {worker} {has}",
                hint=f"install 'asyncload-s3[dask]=={VERSION}' on all workers",
            )

    def _compare_proofs(self, answers: dict[str, Any]) -> None:
        assert self._expected is not None, "this process has seen the volume"
        for worker, proof in answers.items():
            found = difference(self._expected, proof)
            if found is not None:
                what, hint = found
                raise ClusterUnusable(f"--dask: the worker {worker} {what}", hint=hint)
        self._compared.update(answers)

    async def _ask(self, workers: list[str], function: Any, *arguments: Any) -> dict[str, Any]:
        """Run a function in some workers; return their answers, which may be errors."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answers: dict[str, Any] = await self._client.run(
                    function, *arguments, workers=workers, on_error="return"
                )
        except OSError as error:
            raise self._unanswered(error) from error
        return answers

    def _unanswered(self, error: OSError) -> ClusterUnusable:
        reason = str(error) or "no answer in time"
        return ClusterUnusable(
            f"--dask: the cluster of {self._address} does not answer: {reason}",
            hint="see the logs of the scheduler and of the workers",
        )

    async def start(self, sock: socket.socket) -> Started:
        """See `Starter`."""
        worker = await self._free_worker()
        private = is_private(self._address) and is_private(worker)
        placed = self._used[worker] = _Placed(worker, self._group, may_borrow=private)
        copy = sock.dup()
        copy.setblocking(False)
        placed.begin(self._serve(placed, copy))
        return placed

    async def _free_worker(self) -> str:
        """Return a worker without a process of this run; wait a moment for one to be free."""
        clock = asyncio.get_running_loop().time
        until = clock() + _REPLACEMENT_SECONDS
        while True:
            try:
                for worker in await self._workers():
                    if worker in self._used:
                        continue
                    if worker not in self._compared:
                        await self._compare_new(worker)
                    return worker
            except ClusterUnusable as error:
                raise OSError(error.message) from error
            if clock() > until:
                raise OSError("no other Dask worker is free")
            await asyncio.sleep(_PAUSE)

    async def _compare_new(self, worker: str) -> None:
        from asyncload.operations.workers.remote import see  # late: see above

        assert self._expected is not None, "the other workers were compared"
        settings, paths, _ = self._expected
        await self._compare_versions([worker])
        self._compare_proofs(await self._ask([worker], see, settings, paths))

    async def _serve(self, placed: _Placed, sock: socket.socket) -> None:
        """Let a worker start a process, and pass messages until that ends or is lost."""
        from asyncload.operations.workers.remote import (  # late: see above
            down,
            pass_to,
            queue_of,
            serve,
            up,
        )

        name = f"asyncload-{secrets.token_hex(8)}"
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        try:
            async with (
                queue_of(down(name), self._client) as to_worker,
                queue_of(up(name), self._client) as from_worker,
                Group() as group,
            ):
                receiving = group.create_task(pass_to(writer, from_worker, None))
                sending = group.create_task(_send(reader, to_worker))
                answers = await self._client.run(
                    serve, name, workers=[placed.address], on_error="return"
                )
                answer = answers[placed.address]
                if not isinstance(answer, Exception):
                    placed.exit_status = answer
                    # All that it has sent.
                    await receiving
                group.stop(receiving)
                group.stop(sending)
        except OSError:
            # The scheduler is gone, and with it the connection to this worker.
            pass
        finally:
            self._used.pop(placed.address, None)
            placed.ended.set()
            writer.close()

    async def end(self) -> None:
        """Wait a moment for the workers, which were told to end."""
        for placed in list(self._used.values()):
            await placed.status()

    def give_up(self) -> None:
        """Pass no more messages; processes that hear nothing more end."""
        for placed in self._used.values():
            placed.kill()


class _Placed:
    """A worker process beside a Dask worker. See `Started`."""

    def __init__(self, address: str, group: Group, *, may_borrow: bool) -> None:
        self.address = address
        self.name = f"the process of the Dask worker {address}"
        self.may_borrow = may_borrow
        self.exit_status: int | None = None
        self.ended = asyncio.Event()
        self._group = group
        self._serving: asyncio.Task[None] | None = None

    def begin(self, serving: Any) -> None:
        """Start to pass its messages."""
        self._serving = self._group.create_task(serving)

    async def status(self) -> int | None:
        """See `Started`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self.ended.wait()
        return self.exit_status

    def kill(self) -> None:
        """See `Started`. It ends once it hears nothing more."""
        assert self._serving is not None, "it was started"
        self._group.stop(self._serving)


async def _send(reader: asyncio.StreamReader, queue: Any) -> None:
    """Pass what a connection receives into a queue, and show meanwhile that this process lives."""
    from asyncload.operations.workers.remote import END, pass_from  # late: see above

    async with Group() as group:
        pinging = group.create_task(_ping(queue))
        await pass_from(reader, queue)
        group.stop(pinging)
    await queue.put(END)


async def _ping(queue: Any) -> None:
    from asyncload.operations.workers.remote import PING  # late: see above

    while True:
        await asyncio.sleep(_PING_SECONDS)
        await queue.put(PING)


def samples(plan: LoadPlan) -> list[str]:
    """Return the paths of some files of a plan; of members, those of their archives."""
    large = islice(plan.large(), _LARGE_SAMPLES)
    among = min(_AMONG, plan.files)
    small = islice(plan.small(), 0, among, max(1, among // _SMALL_SAMPLES))
    sources = [upload.source for uploads in (large, small) for upload in uploads]
    paths = [s.path if s.member is None else split_member(s.path)[0] for s in sources]
    return list(dict.fromkeys(paths))


def difference(expected: Expected, proof: Any) -> tuple[str, str] | None:
    """Return how a worker differs from this process, and a hint; None if it does not."""
    settings, paths, here = expected
    if isinstance(proof, Exception):
        return (
            f"can't load the volume: {proof}",
            "mount the volume, and put the files that options name, at the same paths everywhere",
        )
    if proof.store != here.store:
        return (
            f"would send to {proof.store}, and this process to {here.store}",
            "give --endpoint-url and --region, or configure AWS alike on all machines",
        )
    for path, ours, theirs in zip(paths, here.files, proof.files, strict=True):
        if ours != theirs:
            what = theirs if isinstance(theirs, str) else "it has other bytes or another time"
            return (
                f"sees another volume at {', '.join(map(str, settings.volumes))}: {path}: {what}",
                "mount the same volume at the same path on all machines",
            )
    return None


def is_private(address: str) -> bool:
    """Return whether only the receiver can read what is sent to an address."""
    parts = urlsplit(address)
    if parts.scheme in ("tls", "wss"):
        return True
    host = parts.hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
