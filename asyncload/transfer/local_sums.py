"""Checksums of a large file: combined from parts that were read anyway, or read again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from asyncload.aio.buffers import Buffer, BufferPool
from asyncload.model.checksums import (
    CRC64NVME,
    CRCS,
    MD5_OF_PARTS,
    Crc,
    PartsMd5,
    count_of_parts,
    md5_digest,
    md5_of_parts,
    sha256_digest,
)
from asyncload.model.values import Checksum
from asyncload.planning.plan import PartLayout, plausible_part_sizes
from asyncload.source.batches import Digest
from asyncload.source.file_state import FileState
from asyncload.source.readers import Readable, Readers


class LocalSums:
    """The known checksums of an open file, which must stay in the state `state`.

    `crcs` are the values and lengths of the parts by `crc`, `md5s` their MD5s, both by part number.
    """

    def __init__(
        self,
        file: Readable,
        state: FileState,
        layout: PartLayout,
        crc: Crc,
        readers: Readers,
        buffers: BufferPool,
    ) -> None:
        self.crcs: dict[int, tuple[int, int]] = {}
        self.md5s: dict[int, bytes] = {}
        self._file = file
        self._state = state
        self._layout = layout
        self._crc = crc
        self._readers = readers
        self._buffers = buffers
        self._computed: dict[str, Checksum | None] = {}

    def cut(self, layout: PartLayout) -> None:
        """Use another part layout, of which no part has been read yet."""
        self._layout = layout
        self._computed.pop(MD5_OF_PARTS, None)

    async def checksum(self, algorithm: str) -> Checksum | None:
        """Return the file's checksum by an algorithm; None if it can't be computed.

        Raises:
            SourceChanged: the file is no longer in its state.
            SourceUnreadable: the file can't be read.
        """
        if algorithm not in self._computed:
            self._computed[algorithm] = await self._compute(algorithm)
        return self._computed[algorithm]

    async def like(self, theirs: Checksum) -> Checksum | None:
        """Return the file's checksum to compare with an object's; None if it can't be computed.

        For an MD5 of parts, the usual part sizes are tried; the result is the one that is equal, if
        any. Raises as `checksum` does.
        """
        if theirs.algorithm != MD5_OF_PARTS:
            return await self.checksum(theirs.algorithm)
        if self._layout.count == count_of_parts(theirs):
            ours = await self.checksum(MD5_OF_PARTS)
            if ours == theirs:
                return ours
        sizes = plausible_part_sizes(
            self._layout.size, count_of_parts(theirs), likely=self._layout.part_size
        )
        digests = [PartsMd5(size) for size in sizes if size != self._layout.part_size]
        if digests:
            # One read for all of them: an MD5 costs less than reading the file again.
            await self._read(CRC64NVME, digests)
        return next((theirs for md5 in digests if md5.checksum() == theirs), None)

    async def _compute(self, algorithm: str) -> Checksum | None:
        count = self._layout.count
        if algorithm == self._crc.name and len(self.crcs) == count:
            return self._crc.checksum(self._crc.combine(self.crcs[n] for n in sorted(self.crcs)))
        if algorithm == MD5_OF_PARTS and len(self.md5s) == count:
            return md5_of_parts(self.md5s[number] for number in sorted(self.md5s))
        if algorithm in CRCS:
            crc = CRCS[algorithm]
            return crc.checksum(crc.combine(await self._read(crc)))
        if algorithm == MD5_OF_PARTS:
            parts = PartsMd5(self._layout.part_size)
            await self._read(CRC64NVME, [parts])
            return parts.checksum()
        if algorithm == "MD5":
            md5 = hashlib.md5(usedforsecurity=False)
            await self._read(CRC64NVME, [md5])
            return md5_digest(md5.digest())
        if algorithm == "SHA256":
            sha256 = hashlib.sha256()
            await self._read(CRC64NVME, [sha256])
            return sha256_digest(sha256.digest())
        return None

    async def _read(self, crc: Crc, digests: Sequence[Digest] = ()) -> list[tuple[int, int]]:
        values = []
        async with self._buffer() as buffer:
            for _, offset, length in self._layout.parts():
                view = memoryview(buffer)[:length]
                value = await self._readers.read_part(
                    self._file, view, offset, self._state, digests, crc
                )
                values.append((value, length))
        return values

    @asynccontextmanager
    async def _buffer(self) -> AsyncIterator[Buffer]:
        """Lend a buffer for a part; it is discarded after a failed read, which may still write."""
        buffer = await self._buffers.acquire(self._layout.part_size)
        try:
            yield buffer
        except BaseException:
            self._buffers.discard(buffer)
            raise
        self._buffers.release(buffer)
