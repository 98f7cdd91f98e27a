"""Results of reading small files together into one buffer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from asyncload.errors import FileFailed
from asyncload.model.checksums import CRC64NVME, Crc
from asyncload.model.values import PlannedUpload


class Digest(Protocol):
    """A running digest, as in hashlib."""

    def update(self, data: memoryview, /) -> None: ...


Beat = Callable[[], None]
"""Called after each progress of a read."""


class LoadedFile(NamedTuple):
    """A small file read whole, in one version: its bytes and their digests.

    `crc` is by the requested algorithm, `sha256` in hex and `md5` in bytes, if requested.
    `mtime_ns` is the modification time, in nanoseconds since 1970.
    """

    upload: PlannedUpload
    body: memoryview
    crc: int
    sha256: str | None = None
    md5: bytes | None = None
    mtime_ns: int = 0


class Digests(NamedTuple):
    """Which digests of a small file to compute while its bytes are in the processor's cache.

    `md5_at` holds the paths of files whose MD5 is wanted, and no SHA-256, if they have that size in
    bytes.
    """

    crc: Crc = CRC64NVME
    sha256: bool = False
    md5: bool = False
    md5_at: Mapping[str, int] = MappingProxyType({})


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
