"""The bytes of a CSV from its beginning to its end, inflated if it is compressed."""

from __future__ import annotations

import bz2
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from isal import igzip

from asyncload.errors import SourceUnreadable
from asyncload.model.values import SourceFile
from asyncload.source.file_state import FileState
from asyncload.source.name_kinds import compressed_csv
from asyncload.source.volume import OpenFile, Volume

if TYPE_CHECKING:
    from asyncload.source.archives.members import OpenMember

_PIECE = 1024 * 1024
_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


class Stream(Protocol):
    """Bytes that are read in order."""

    def read(self, size: int, /) -> bytes: ...


class _Plain(io.RawIOBase):
    """An open file or member; reading fails if the file changes meanwhile."""

    def __init__(
        self, file: OpenFile | OpenMember, state: FileState, beat: Callable[[], None]
    ) -> None:
        self._file = file
        self._state = state
        self._beat = beat
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = memoryview(buffer)[: self._state.size - self._offset]
        self._file.read_part(piece, self._offset, self._state, beat=self._beat)
        self._offset += len(piece)
        return len(piece)


class _Inflated:
    """The inflated bytes of a compressed file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except Exception as error:
            if isinstance(error, EOFError | OSError | ValueError) or _is_of_zstd(error):
                raise SourceUnreadable(
                    f"the compressed data is damaged: {error}",
                    hint="test it with gzip -t, zstd -t or bzip2 -t, and compress the CSV again",
                ) from error
            raise
        return data


def _is_of_zstd(error: Exception) -> bool:
    return type(error).__name__ == "ZstdError"


def _gzip(file: Any) -> Any:
    return igzip.IGzipFile(fileobj=file)  # type: ignore[no-untyped-call]  # it has no types


def _zstd(file: Any) -> Any:
    return import_module(_ZSTD).ZstdFile(file)


_INFLATING: dict[str, Callable[[Any], Any]] = {
    ".csv.gz": _gzip,
    ".csv.bz2": bz2.BZ2File,
    ".csv.zst": _zstd,
}


@contextmanager
def open_stream(
    volume: Volume, source: SourceFile, beat: Callable[[str], None]
) -> Iterator[Stream]:
    """Open a file, or a member of an archive, to be read and inflated in order.

    Raises:
        SourceUnreadable: it can't be read, or its compressed data is damaged.
        SourceChanged: it changes while it is read.
        MemberDamaged: the member is not as its archive states.
        TooManyOpenFiles: it can't be opened now.
    """

    def progress() -> None:
        beat(source.path)

    with volume.open_source(source) as file:
        plain = io.BufferedReader(_Plain(file, file.state(), progress), _PIECE)
        ending = compressed_csv(source.path)
        yield plain if ending is None else _Inflated(_INFLATING[ending](plain))
