"""An open member of an archive, which is read like a file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from isal import isal_zlib

from asyncload.errors import MemberDamaged
from asyncload.model.checksums import CRC32, CRC64NVME, Crc
from asyncload.model.values import Member
from asyncload.source.archives.decoders import (
    BZIP2,
    DEFLATED,
    LZMA,
    LZMA_HEADER,
    STORED,
    Bzip2,
    Deflate,
    Lzma,
)
from asyncload.source.archives.inflating import Inflating, damaged
from asyncload.source.batches import Beat, Digest
from asyncload.source.file_state import FileState
from asyncload.source.heartbeat import unwatched

_HEADER = struct.Struct("<4s2xHH16xHH")
_SIGNATURE = b"PK\3\4"
_ENCRYPTED = 1
# Of LZMA only.
_MARKED_END = 2
_HASHED = 256 * 1024


class ArchiveFile(Protocol):
    """An open archive; `OpenFile` is one."""

    def state(self) -> FileState: ...

    def read_into(self, buffer: memoryview, offset: int, beat: Beat = unwatched, /) -> None: ...

    def check_unchanged(self, expected: FileState, /) -> None: ...

    def check_in_place(self, expected: FileState, /) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class OpenMember:
    """A member of an open archive; leaving its context closes the archive.

    A compressed member is a stream: parts in order are inflated once. To read an earlier part
    again, the member is inflated again from its beginning. A stored one can be read anywhere.

    Its CRC-32 is compared as soon as all of its bytes have been read, in any order.
    """

    file: ArchiveFile
    member: Member
    _offset: int = field(init=False)
    _flags: int = field(init=False)
    _stream: Inflating | None = field(default=None, init=False)
    _sums: dict[int, tuple[int, int]] = field(default_factory=dict, init=False)
    _reached_end: bool = field(default=False, init=False)
    _complete: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.file.check_unchanged(self.member.version)
        self._offset = self._find_data()

    def _find_data(self) -> int:
        """Return where the member's bytes begin, behind its local header."""
        member = self.member
        header = bytearray(_HEADER.size)
        self.file.read_into(memoryview(header), member.offset)
        signature, flags, method, name, extra = _HEADER.unpack(header)
        offset: int = member.offset + _HEADER.size + name + extra
        if signature != _SIGNATURE or method != member.method or flags & _ENCRYPTED:
            raise damaged("its header does not agree with the archive's directory")
        if offset + member.stored > member.version.size:
            raise damaged("it reaches beyond the end of the archive")
        self._flags = flags
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive."""
        self.file.close()

    @property
    def in_order(self) -> bool:
        """Whether parts should be read in order, and not at the same time."""
        return self.member.method != STORED

    def state(self) -> FileState:
        """Return the archive's state, with the member's size."""
        return self.member.version._replace(size=self.member.size)

    def read_into(self, buffer: memoryview, offset: int, beat: Beat = unwatched) -> None:
        """Fill `buffer` with the member's bytes from `offset`.

        Raises:
            MemberDamaged: the member is not as the archive states.
            SourceChanged: the archive is no longer as it was when it was scanned.
            SourceUnreadable: the read failed.
        """
        try:
            if self.in_order:
                self._inflate_into(buffer, offset, beat)
            else:
                self.file.read_into(buffer, self._offset + offset, beat)
        except MemberDamaged:
            # If the archive changed, that is the cause.
            self.file.check_unchanged(self.member.version)
            raise
        self.file.check_unchanged(self.member.version)

    def _inflate_into(self, buffer: memoryview, offset: int, beat: Beat) -> None:
        stream = self._stream
        if stream is None or offset == 0:
            stream = self._stream = self._begin()
        elif offset < stream.position:
            # The parts that follow continue the other stream.
            stream = self._begin()
        stream.skip(offset - stream.position, beat)
        stream.read_into(buffer, beat)
        if stream.position == self.member.size:
            stream.check_end(beat)

    def _begin(self) -> Inflating:
        read, offset, stored = self.file.read_into, self._offset, self.member.stored
        if self.member.method == DEFLATED:
            return Inflating(read, offset, stored, Deflate())
        if self.member.method == BZIP2:
            return Inflating(read, offset, stored, Bzip2())
        assert self.member.method == LZMA, "others are refused"
        header = bytearray(LZMA_HEADER.size)
        if stored < len(header):
            raise damaged("its compressed data is cut off")
        read(memoryview(header), offset)
        decoder = Lzma(header, self.member.size, marked=bool(self._flags & _MARKED_END))
        return Inflating(read, offset + len(header), stored - len(header), decoder)

    def sum_up(
        self,
        buffer: memoryview,
        offset: int,
        digests: Sequence[Digest] = (),
        crc: Crc = CRC64NVME,
        beat: Beat = unwatched,
    ) -> int:
        """Feed bytes read from `offset` to `digests`, and return their CRC.

        Raises:
            MemberDamaged: now all bytes have been read, and their CRC-32 is not the stated one.
        """
        value = check = 0
        for start in range(0, len(buffer), _HASHED):
            piece = buffer[start : start + _HASHED]
            for digest in digests:
                digest.update(piece)
            value = crc.update(piece, value)
            check = isal_zlib.crc32(piece, check)
            beat()
        self._sums[offset] = check, len(buffer)
        # So that it is not tried after each part.
        self._reached_end |= offset + len(buffer) == self.member.size
        if self._reached_end:
            self._check_sum()
        return value

    def read_part(
        self,
        buffer: memoryview,
        offset: int,
        _expected: FileState,
        digests: Sequence[Digest] = (),
        crc: Crc = CRC64NVME,
        beat: Beat = unwatched,
    ) -> int:
        """Do what `OpenFile.read_part` does; the expected state is that of the scan."""
        self.read_into(buffer, offset, beat)
        return self.sum_up(buffer, offset, digests, crc, beat)

    def check_in_place(self) -> None:
        """Raise `SourceChanged` if the archive's path now leads elsewhere or to another state.

        Raises:
            TooManyOpenFiles: it can't be opened now.
        """
        assert self._complete, "a member is completed after all of its bytes were read"
        self.file.check_in_place(self.member.version)

    def _check_sum(self) -> None:
        """Compare the CRC-32 of all bytes, if all have been read."""
        at = value = 0
        while at < self.member.size:
            check, length = self._sums.get(at, (0, 0))
            if not length:
                return
            value = CRC32.join(value, check, length)
            at += length
        if value != self.member.crc:
            raise damaged(
                f"its CRC-32 is {value:08x}, and the archive's directory says {self.member.crc:08x}"
            )
        self._complete = True
