"""Open files beneath a folder, segment by segment: no link and no race leads out of it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass

from asyncload.errors import SourceUnreadable
from asyncload.source.file_state import unreadable

_FOLDER_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# O_NONBLOCK: opening a FIFO that has replaced a file must not hang.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# As in Linux.
_MAX_LINKS = 40


@dataclass(frozen=True, slots=True)
class Beneath:
    """A folder whose files are opened by paths below it.

    Each folder of a path is opened by its name in the previous one, which stays open meanwhile. So
    `..` in a link leads back to the previous folder even if folders are moved in the meantime, and
    never above the root.

    Args:
        root: the open folder's descriptor.
        real: its absolute path without links, to locate absolute links below it.
        follow_links: whether links are followed.
    """

    root: int
    real: bytes
    follow_links: bool = False

    def open(self, path: bytes) -> int:
        """Open a file for reading; the caller closes the descriptor.

        Raises:
            SourceUnreadable: it can't be opened, or its path contains a link that must not be
                followed.
            TooManyOpenFiles: it can't be opened now.
        """
        opened = [self.root]
        try:
            return self._walk(path.split(b"/")[::-1], opened)
        finally:
            for fd in opened[1:]:
                close(fd)

    def _walk(self, names: list[bytes], opened: list[int]) -> int:
        """Open the path with these names, given last to first; folders are added to `opened`."""
        links = 0
        while True:
            name = names.pop()
            if name == b"..":
                self._leave(opened)
                continue
            folder = opened[-1]
            last = not names
            try:
                fd = os.open(name, _FILE_FLAGS if last else _FOLDER_FLAGS, dir_fd=folder)
            except OSError as error:
                target = self._target(name, folder, error) if self.follow_links else None
                links += 1
                if target is None or links > _MAX_LINKS:
                    raise unreadable(error, _status(name, folder, error)) from error
                if target.startswith(b"/"):
                    target = self._below(target)
                    while len(opened) > 1:
                        close(opened.pop())
                names += [part for part in reversed(target.split(b"/")) if part not in (b"", b".")]
                continue
            if last:
                return fd
            opened.append(fd)

    def _leave(self, opened: list[int]) -> None:
        if len(opened) == 1:
            raise SourceUnreadable("a symbolic link in the file's path leads out of the volume")
        close(opened.pop())

    def _target(self, name: bytes, folder: int, error: OSError) -> bytes | None:
        """Return the target of a link; None if it is not a link."""
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            return None
        with suppress(OSError):
            return os.readlink(name, dir_fd=folder)  # beneath a descriptor
        return None

    def _below(self, target: bytes) -> bytes:
        real = self.real.rstrip(b"/")
        if target == real or target.startswith(real + b"/"):
            return target[len(real) :]
        raise SourceUnreadable("a symbolic link in the file's path leads out of the volume")


def close(fd: int) -> None:
    """Close a descriptor that was only read: an error has no consequence."""
    with suppress(OSError):
        os.close(fd)


def _status(name: bytes, folder: int, error: OSError) -> os.stat_result | None:
    """Return the status of a path that can't be opened; None if there is none."""
    if error.errno == errno.EACCES:
        with suppress(OSError):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)  # as above
    return None
