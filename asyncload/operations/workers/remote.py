"""What the workers of a Dask cluster run for a load: a proof of what they see, and its processes.

Only the version of this package is asked of a worker before it is known to be the same.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from distributed import Client, Queue

from asyncload.aio.groups import Group
from asyncload.errors import FileFailed
from asyncload.model.version import VERSION
from asyncload.operations.bucket import s3_options
from asyncload.operations.opening import open_volume
from asyncload.operations.workers.processes import Interpreters
from asyncload.s3 import open_endpoint
from asyncload.settings.run import Settings
from asyncload.source.volume import Volume

# Besides bytes a queue carries these two: the first process is alive; nothing more will come.
PING = None
END = b""
_SILENCE_SECONDS = 30.0
_CHUNK = 256 * 1024
# So much of each file is compared.
_HEAD = 64 * 1024


class Proof(NamedTuple):
    """What a process sees: files of the volume, and the store that it would send them to.

    `files` are size, time of modification and checksum of the first 64 KiB, or an error.
    """

    files: list[tuple[int, int, int] | str]
    store: str


def version_here() -> str:
    """Return the version of asyncload."""
    return VERSION


async def see(settings: Settings, paths: Sequence[str]) -> Proof:
    """Return what this process sees at these paths.

    Raises:
        UsageError, SourceUnreadable: the volume can't be opened.
        UsageError, StoreRefused: the store can't be opened; see `open_endpoint`.
    """
    # In a thread: a volume that does not respond must not stop the event loop.
    files = await asyncio.to_thread(_look_at_all, settings, paths)
    async with open_endpoint(s3_options(settings)) as endpoint:
        return Proof(files, f"{endpoint.url} in {endpoint.region}")


def _look_at_all(settings: Settings, paths: Sequence[str]) -> list[tuple[int, int, int] | str]:
    volume, _ = open_volume(settings)
    with volume:
        return [_look_at(volume, path) for path in paths]


def _look_at(volume: Volume, path: str) -> tuple[int, int, int] | str:
    try:
        with volume.open(path) as file:
            state = file.state()
            head = memoryview(bytearray(min(state.size, _HEAD)))
            file.read_into(head, 0)
    except FileFailed as error:
        return error.message
    # Other attributes may differ between machines that mount the same volume.
    return state.size, state.mtime_ns if "mtime" in volume.trust else 0, zlib.crc32(head)


async def serve(name: str, dask_worker: Any) -> int:
    """Start a worker process, and pass its messages to and from the first process until it ends.

    They go through two queues of the scheduler, so that only it has to be reached.

    Args:
        name: of the two queues.
        dask_worker: given by Dask.

    Returns:
        The exit status of the process, negative for a signal.
    """
    scheduler, security = dask_worker.scheduler.address, dask_worker.security
    interpreters = Interpreters()
    try:
        ours, theirs = socket.socketpair()
        with theirs:
            child = await interpreters.start(theirs)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        try:
            async with (
                Client(
                    scheduler, security=security, asynchronous=True, set_as_default=False
                ) as client,
                queue_of(down(name), client) as from_first,
                queue_of(up(name), client) as to_first,
                Group() as group,
            ):
                passing = group.create_task(pass_to(writer, from_first, _SILENCE_SECONDS))
                await pass_from(reader, to_first)
                group.stop(passing)
                await to_first.put(END)
        finally:
            # The process ends when its connection does.
            writer.close()
        while (status := await child.status()) is None:
            # It may not even have begun.
            child.kill()
        return status
    finally:
        # If the Dask worker ends, nothing can be awaited any more.
        interpreters.kill()


def down(name: str) -> str:
    """Return the name of the queue of messages to a worker process."""
    return f"{name}-down"


def up(name: str) -> str:
    """Return the name of the queue of messages from a worker process."""
    return f"{name}-up"


@asynccontextmanager
async def queue_of(name: str, client: Any) -> AsyncIterator[Any]:
    """Open a queue of the scheduler."""
    queue = await Queue(name, client)
    try:
        yield queue
    finally:
        # Dask counts a queue as opened by its constructor, and once more when it is awaited.
        queue.close()
        queue.close()


async def pass_from(reader: asyncio.StreamReader, queue: Any) -> None:
    """Pass what a connection receives into a queue, until it ends."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await queue.put(data)


async def pass_to(writer: asyncio.StreamWriter, queue: Any, silence: float | None) -> None:
    """Send what arrives in a queue to a connection, and close that at the end.

    It is also closed if nothing arrives for `silence`, a time in seconds.
    """
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(silence):
                data = await queue.get()
            if data == END:
                break
            if data is not PING:
                writer.write(data)
    writer.close()
