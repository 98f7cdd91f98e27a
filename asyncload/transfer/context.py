"""Objects that all transfers of a run share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from asyncload.aio.buffers import BufferPool
from asyncload.aio.deadline import Deadline
from asyncload.bucket.key_index import Known
from asyncload.model.values import Event, PlannedUpload
from asyncload.source.batches import BatchReader
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore, OpenUpload
from asyncload.transfer.concluding import Dispose
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.upload_records import UploadRecords
from asyncload.transfer.window import PartWindow


class KnownKeys(Protocol):
    """What is known about the keys of a plan, such as a `KeyIndex`."""

    def find(self, upload: PlannedUpload) -> Known:
        """Return what is known about an upload's key."""


async def no_change(_: str) -> None:
    """Do nothing; the default for `before_change`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTools:
    """What a put of bytes in memory needs, wherever they come from.

    `readers` loads the same bytes again if the store finds them damaged. `before_change` is awaited
    with an object's partition before the object is written.
    """

    store: ObjectStore
    readers: BatchReader
    policy: TransferPolicy
    before_change: Callable[[str], Awaitable[None]] = no_change


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTools(PutTools):
    """The store, the volume, the limits, and the listing of the bucket.

    `key_index` and `left_open` are the objects and the open multipart uploads of each key, the
    latest first, as listed before the run. `part_memory` is the size in bytes that parts are laid
    out for: the memory of all processes together, so that the parts of a file do not depend on the
    number of processes. `now` returns the time in UTC. No work is started after
    `deadline` is reached. `records` say which open uploads are ours; without them none is resumed.
    `dispose` is awaited for each loaded file; None leaves the files where they are.
    """

    readers: Readers
    buffers: BufferPool
    window: PartWindow
    key_index: KnownKeys
    left_open: Mapping[str, Sequence[OpenUpload]]
    observe: Callable[[Event], None]
    now: Callable[[], datetime]
    deadline: Deadline
    part_memory: int
    records: UploadRecords | None = None
    dispose: Dispose | None = None
