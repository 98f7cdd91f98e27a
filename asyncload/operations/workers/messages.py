"""Messages between this process and its workers: pickled tuples over a pair of sockets.

Both ends are processes of one user and one version, so pickle carries no foreign data.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

from asyncload.errors import AsyncloadError
from asyncload.model.values import (
    Checksum,
    Event,
    FileFinished,
    FileState,
    PlannedUpload,
    Unchanged,
    Uploaded,
)
from asyncload.operations.requests import Counted, Share
from asyncload.operations.workers.batches import PackedBatch
from asyncload.s3 import Lent
from asyncload.settings.run import Settings
from asyncload.store.retries import RetryPolicy
from asyncload.transfer import TransferPolicy

_LENGTH = 4


class Start(NamedTuple):
    """To a worker, first of all: open volume and bucket.

    `seconds_left` is the time until the run must have ended, None for no limit.
    """

    settings: Settings
    share: Share
    lent: Lent | None
    seconds_left: float | None


class Begin(NamedTuple):
    """To a worker, before the first batch: the store was probed."""

    policy: TransferPolicy
    retries: RetryPolicy
    started: datetime


class Load(NamedTuple):
    """To a worker: load this batch, packed."""

    batch: PackedBatch


class Resize(NamedTuple):
    """To a worker: use another share of the limits."""

    share: Share


class Credentials(NamedTuple):
    """To a worker: the answer to `Ask`, credentials or an error."""

    lent: Lent | None
    error: AsyncloadError | None


class End(NamedTuple):
    """To a worker: end when all batches are loaded, or now, as if a signal had arrived.

    `out_of_time`: because of the deadline; uploads stay open for the next run to resume.
    """

    now: bool
    out_of_time: bool = False


class Ask(NamedTuple):
    """From a worker: which credentials are to be used instead of those with this access key?"""

    used: str


class News(NamedTuple):
    """From a worker: what has happened since the last news.

    `finished` are outcomes: the batch's number, the place of the file in it, and the packed event.
    `events` are all other events, `done` the numbers of batches that are complete.
    """

    finished: list[tuple[int, int, Any]]
    events: list[Event]
    done: list[int]
    counted: Counted


class Ended(NamedTuple):
    """From a worker, last of all: why it ends, None if it was told to."""

    error: BaseException | None


class Channel(asyncio.Protocol):
    """One end of a pair of sockets, in an event loop.

    Args:
        receive: called with each message.
        lost: called once when the other end is closed or gone.
    """

    def __init__(self, receive: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message, unless this end is closed or the other one is gone."""
        # A connection that was closed, or has just broken, stays until the event loop's next turn.
        if self._transport is not None and not self._transport.is_closing():
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.writelines((len(data).to_bytes(_LENGTH), data))

    def close(self) -> None:
        """Close this end once everything is sent; `lost` is called then."""
        if self._transport is not None:
            self._transport.close()

    # asyncio's side of the protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._data
        buffer += data
        at = 0
        while len(buffer) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(buffer[at : at + _LENGTH])
            if len(buffer) < end:
                break
            message = pickle.loads(memoryview(buffer)[at + _LENGTH : end])  # noqa: S301  # ours
            at = end
            self._receive(message)
        del buffer[:at]

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        self._lost()


_Kind = Literal[0, 1]
_UPLOADED: _Kind = 0
_UNCHANGED: _Kind = 1


def pack_finished(event: FileFinished) -> Any:
    """Return a file's outcome without what the plan knows of the file."""
    outcome, seconds = event.outcome, event.seconds
    if isinstance(outcome, Uploaded | Unchanged):
        kind = _UPLOADED if isinstance(outcome, Uploaded) else _UNCHANGED
        proof = outcome.checksum
        others = [tuple(each) for each in outcome.checksums.values() if each != proof]
        replaced = isinstance(outcome, Uploaded) and outcome.replaced
        version = outcome.version and tuple(outcome.version)
        return kind, outcome.size, *proof, outcome.mtime_ns, replaced, others, version, seconds
    return event


def unpack_finished(packed: Any, upload: PlannedUpload) -> FileFinished:
    """Return the event of a file's outcome."""
    if isinstance(packed, FileFinished):
        return packed
    kind, size, algorithm, digest, mtime_ns, replaced, others, version, seconds = packed
    proof = Checksum(algorithm, digest)
    checksums = {algorithm: proof} | {name: Checksum(name, value) for name, value in others}
    state = version and FileState(*version)
    (path, planned, *_), key, partition, dataset, day = upload
    outcome = (
        Uploaded(path, key, size, proof, mtime_ns, replaced, checksums, state)
        if kind == _UPLOADED
        else Unchanged(path, key, size, proof, mtime_ns, checksums, state)
    )
    return FileFinished(outcome, partition, dataset, seconds, planned, day)
