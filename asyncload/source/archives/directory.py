"""Read an archive's central directory by zipfile, in bounded memory.

zipfile reads the directory at once, as long as the archive says it is, and makes an object of each
entry. So its length and the number of entries are limited before.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from typing import NamedTuple

from asyncload.errors import ArchiveUnreadable
from asyncload.source.archives.members import ArchiveFile
from asyncload.source.batches import Beat
from asyncload.source.file_state import FileState
from asyncload.source.heartbeat import unwatched

MAX_MEMBERS = 100_000
MAX_DIRECTORY = 32 * 1024 * 1024
"""In bytes."""

_SLICE = 1024 * 1024
_ENTRY = b"PK\1\2"
_UTF8 = 0x800
_UNIX = 3
_END = struct.Struct("<4sH16x")
_END_SIGNATURE = b"PK\5\6"
_IN_ZIP64 = 0xFFFF


class Entry(NamedTuple):
    """A member as the directory describes it; `name` are the bytes of its name.

    `size` and `stored` are its lengths without and with compression, `offset` is where its local
    header begins, all in bytes. `disk` is the number of the part of a split archive. `link`: it is
    a symbolic link, whose bytes are its target.
    """

    name: bytes
    utf8: bool
    extra: bytes
    size: int
    stored: int
    offset: int
    crc: int
    method: int
    flags: int
    disk: int
    link: bool


class Directory(NamedTuple):
    """The entries of an archive, and its state when they were read."""

    state: FileState
    entries: list[Entry]


def read_directory(file: ArchiveFile, beat: Beat = unwatched) -> Directory:
    """Return an archive's directory; `beat` is called after each progress.

    Raises:
        ArchiveUnreadable: the file is not an archive, is damaged, or has too many members.
        SourceChanged: the file changed meanwhile.
        SourceUnreadable: the file can't be read.
    """
    state = file.state()
    try:
        with zipfile.ZipFile(_Directory(file, state.size, beat)) as archive:
            entries = [_entry(info) for info in archive.infolist()]
            end = state.size - _END.size - len(archive.comment)
    # All that zipfile raises for bytes that are not an archive, depending on its version.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as error:
        raise ArchiveUnreadable(
            f"the archive can't be read: {error}",
            hint="check that it is a complete ZIP archive, or use --exclude",
        ) from error
    _check_whole(file, end)
    file.check_unchanged(state)
    return Directory(state, entries)


def _check_whole(file: ArchiveFile, end: int) -> None:
    """Check that an archive, with its end record at `end`, is not the last of several files."""
    record = bytearray(_END.size)
    file.read_into(memoryview(record), end)
    signature, number = _END.unpack(record)
    if signature == _END_SIGNATURE and number not in (0, _IN_ZIP64):
        raise ArchiveUnreadable(
            "the archive is split into several files",
            hint="join them, for example with zip -s 0 SPLIT.zip --out ONE.zip",
        )


def _entry(info: zipfile.ZipInfo) -> Entry:
    utf8 = bool(info.flag_bits & _UTF8)
    # zipfile decodes other names by a code page that has a character for each byte.
    name = info.orig_filename.encode("utf-8" if utf8 else "cp437")
    return Entry(
        name,
        utf8,
        info.extra,
        info.file_size,
        info.compress_size,
        info.header_offset,
        info.CRC,
        info.compress_type,
        info.flag_bits,
        info.volume,
        info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16),
    )


class _Directory(io.RawIOBase):
    """The archive as zipfile may read it: never much at once."""

    def __init__(self, file: ArchiveFile, size: int, beat: Beat) -> None:
        self._file = file
        self._size = size
        self._beat = beat
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        at = offset + (self._size if whence == io.SEEK_END else 0)
        if at < 0:
            raise OSError("a position before the start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def read(self, length: int = -1, /) -> bytes:
        rest = max(self._size - self._at, 0)
        length = rest if length < 0 else min(length, rest)
        if length > MAX_DIRECTORY:
            raise ArchiveUnreadable(
                f"the directory of the archive is over {MAX_DIRECTORY // _SLICE} MiB",
                hint="split the archive into smaller ones",
            )
        data = bytearray(length)
        view = memoryview(data)
        for start in range(0, length, _SLICE):
            self._file.read_into(view[start : start + _SLICE], self._at + start, self._beat)
        self._at += length
        # Each entry begins with these bytes, so there are not more entries than that.
        if data.count(_ENTRY) > MAX_MEMBERS:
            raise ArchiveUnreadable(
                f"the archive has more than {MAX_MEMBERS:,} members",
                hint="split the archive into smaller ones",
            )
        return bytes(data)
