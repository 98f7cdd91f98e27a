"""Results of reading small files together into one buffer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from asyncload.errors import FileFailed
from asyncload.model.checksums import CRC64NVME, Crc
from asyncload.model.values import FileState, PlannedUpload
from asyncload.store.protocol import ObjectInfo


class Digest(Protocol):
    """A running digest, as in hashlib."""

    def update(self, data: memoryview, /) -> None: ...


Beat = Callable[[], None]
"""Called after each progress of a read."""


class LoadedFile(NamedTuple):
    """A small file read whole, in one version, or an answer from the web: its bytes and digests.

    `crc` is by the requested algorithm, `digest` in hex and `md5` in bytes, if requested.
    `mtime_ns` is the modification time, in nanoseconds since 1970. `info` is stored with the bytes,
    besides the metadata about the run; None for a CSV. `version` identifies the version of the
    file; None if it is not a file of the volume.
    """

    upload: PlannedUpload
    body: memoryview
    crc: int
    digest: str | None = None
    md5: bytes | None = None
    mtime_ns: int = 0
    info: ObjectInfo | None = None
    version: FileState | None = None


class Digests(NamedTuple):
    """Which digests of a small file to compute while its bytes are in the processor's cache.

    `digest` is what the store wants besides, by its name in `hashlib`. `md5_at` holds the paths of
    files whose MD5 is wanted, and no `digest`, if they have that size in bytes.
    """

    crc: Crc = CRC64NVME
    digest: str | None = None
    md5: bool = False
    md5_at: Mapping[str, int] = MappingProxyType({})


def load_bytes(
    upload: PlannedUpload,
    body: memoryview,
    digests: Digests,
    mtime_ns: int = 0,
    info: ObjectInfo | None = None,
) -> LoadedFile:
    """Compute the digests of bytes in memory, while they are in the processor's cache."""
    listed = digests.md5_at.get(upload.source.path) == len(body)
    return LoadedFile(
        upload,
        body,
        digests.crc.update(body, 0),
        # Most files that are listed with this size are not sent.
        hashlib.new(digests.digest, body).hexdigest() if digests.digest and not listed else None,
        hashlib.md5(body, usedforsecurity=False).digest() if digests.md5 or listed else None,
        mtime_ns,
        info,
    )


class UnloadedFile(NamedTuple):
    """A file of a batch that could not be read, with its error."""

    upload: PlannedUpload
    error: FileFailed


class OutgrownFile(NamedTuple):
    """A file that outgrew its place in the batch."""

    upload: PlannedUpload
    size: int


CRC_ONLY = Digests()


BatchItem = LoadedFile | UnloadedFile | OutgrownFile


class ReadBatch(NamedTuple):
    """The results of a batch's first files, and its other files, still to be read.

    `stuck`: a thread may still write into the buffer, not over the files in `items` but in the
    space after them.
    """

    items: Sequence[BatchItem]
    others: Sequence[PlannedUpload] = ()
    stuck: bool = False


class BatchReader(Protocol):
    """Loads small files whole: from a volume, or from memory."""

    async def read_batch(
        self, uploads: Sequence[PlannedUpload], buffer: memoryview, digests: Digests = CRC_ONLY
    ) -> ReadBatch:
        """Load files into a buffer, one after the other."""
