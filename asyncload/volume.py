"""The mounted volume: open its files safely, read them whole, notice when they change.

Everything here blocks and is meant to run in a reader thread, one call per batch of small
files or per part of a large one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from asyncload.checksums import crc64nvme
from asyncload.errors import FileFailed, SourceChanged, SourceUnreadable
from asyncload.model import PlannedUpload

_FOLDER_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# O_NONBLOCK: opening a FIFO that has taken a file's name must not hang.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# A part is read and summed up in pieces that stay in the processor's cache: a third less time.
_CACHED = 256 * 1024


class FileState(NamedTuple):
    """What must stay the same for a file to be one version: size, times and identity."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


class LoadedFile(NamedTuple):
    """A small file read whole: its bytes, their CRC64NVME, and their SHA-256 in hex if wanted."""

    upload: PlannedUpload
    body: memoryview
    crc: int
    sha256: str | None


class UnloadedFile(NamedTuple):
    """A file of a batch that could not be read, and why."""

    upload: PlannedUpload
    error: FileFailed


class OutgrownFile(NamedTuple):
    """A file that no longer fits where the plan had room for it."""

    upload: PlannedUpload
    size: int


class Digest(Protocol):
    """A running digest, as hashlib makes them."""

    def update(self, data: memoryview, /) -> None: ...


BatchItem = LoadedFile | UnloadedFile | OutgrownFile


class Volume:
    """A folder whose files are opened beneath it, never through a symbolic link.

    Use it as a context manager: it holds the folder open.

    Raises:
        SourceUnreadable: the folder can't be opened.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def open(self, path: str) -> OpenFile:
        """Open a regular file for reading; the caller closes it.

        Raises:
            SourceUnreadable: it can't be opened, is a link or no regular file.
        """
        return OpenFile(self, path, self._open(path))

    def state_of(self, path: str) -> FileState:
        """Return the state of the file that now has this path."""
        with self.open(path) as file:
            return file.state()

    def read_batch(
        self, uploads: Sequence[PlannedUpload], buffer: memoryview, *, sha256: bool = False
    ) -> list[BatchItem]:
        """Read small files one after the other into `buffer`, each whole and in one version."""
        items: list[BatchItem] = []
        start = 0
        for upload in uploads:
            try:
                item = self._load(upload, buffer[start:], sha256)
            except FileFailed as error:
                item = UnloadedFile(upload, error)
            if isinstance(item, LoadedFile):
                start += len(item.body)
            items.append(item)
        return items

    def _load(self, upload: PlannedUpload, room: memoryview, sha256: bool) -> BatchItem:
        with self.open(upload.source.path) as file:
            before = file.state()
            if before.size > len(room):
                return OutgrownFile(upload, before.size)
            body = room[: before.size]
            file.read_into(body, 0)
            file.check_unchanged(before)
        digest = hashlib.sha256(body).hexdigest() if sha256 else None
        return LoadedFile(upload, body, crc64nvme(body), digest)

    def _open(self, path: str) -> int:
        folders = path.split("/")
        if not {"", ".", ".."}.isdisjoint(folders):
            raise SourceUnreadable("its path leads out of the volume")
        parent = self._fd
        try:
            for folder in folders[:-1]:
                child = os.open(folder, _FOLDER_FLAGS, dir_fd=parent)
                if parent != self._fd:
                    os.close(parent)
                parent = child
            fd = os.open(folders[-1], _FILE_FLAGS, dir_fd=parent)
        except OSError as error:
            raise _unreadable(error) from error
        finally:
            if parent != self._fd:
                os.close(parent)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SourceUnreadable("it is no longer a regular file", hint="look at what made it")
        return fd


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open source file; leaving its context closes it."""

    volume: Volume
    path: str
    fd: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def state(self) -> FileState:
        """Return the state of the open file."""
        status = os.fstat(self.fd)
        return FileState(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
        )

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the file's bytes from `offset`.

        Raises:
            SourceChanged: the file ends before the buffer is full.
            SourceUnreadable: the read failed.
        """
        done = 0
        while done < len(buffer):
            try:
                read = os.preadv(self.fd, [buffer[done:]], offset + done)
            except OSError as error:
                raise _unreadable(error) from error
            if not read:
                raise SourceChanged(
                    f"it ended at byte {offset + done:,} while it was being read",
                    hint="load a volume that nothing writes to, or run again",
                )
            done += read

    def read_part(
        self,
        buffer: memoryview,
        offset: int,
        expected: FileState,
        digest: Digest | None = None,
    ) -> int:
        """Fill `buffer` from `offset`, feed it to `digest`, and return its CRC64NVME.

        Raises:
            SourceChanged: the file is no longer as `expected`.
            SourceUnreadable: the read failed.
        """
        crc = 0
        for start in range(0, len(buffer), _CACHED):
            piece = buffer[start : start + _CACHED]
            self.read_into(piece, offset + start)
            if digest is not None:
                digest.update(piece)
            crc = crc64nvme(piece, crc)
        self.check_unchanged(expected)
        return crc

    def check_unchanged(self, expected: FileState) -> None:
        """Raise `SourceChanged` where the open file is not as `expected`."""
        _check_same(expected, self.state())

    def check_in_place(self, expected: FileState) -> None:
        """Raise `SourceChanged` where the file's path now leads elsewhere or to another state."""
        self.check_unchanged(expected)
        try:
            now = self.volume.state_of(self.path)
        except SourceUnreadable as error:
            raise SourceChanged(
                f"it was taken away while it was being uploaded: {error}", hint="run again"
            ) from error
        _check_same(expected, now)


def _check_same(expected: FileState, now: FileState) -> None:
    if now == expected:
        return
    changes = [
        f"{name} {before} -> {after}"
        for name, before, after in zip(FileState._fields, expected, now, strict=True)
        if before != after
    ]
    raise SourceChanged(
        f"it changed while it was being read ({', '.join(changes)})",
        hint="load a volume that nothing writes to, or run again",
    )


def _unreadable(error: OSError) -> SourceUnreadable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    hints = {
        errno.EACCES: "give the user that runs asyncload read permission",
        errno.ENOENT: "it was there when the volume was scanned; run again",
        errno.ELOOP: "symbolic links are not followed",
        errno.ENOTDIR: "symbolic links are not followed",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
        errno.EIO: "the medium or the mount is failing",
    }
    return SourceUnreadable(f"it can't be read: {reason}", hint=hints.get(error.errno or 0, ""))
