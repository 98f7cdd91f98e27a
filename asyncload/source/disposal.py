"""Delete or move source files that have been loaded, each only in the version that was loaded.

Everything here blocks, and runs in a reader thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from asyncload.errors import UsageError
from asyncload.model.names import split_volume, to_bytes
from asyncload.model.values import Disposed
from asyncload.source.beneath import close
from asyncload.source.file_state import TRUST, FileState, differences, reason_of, state_of

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A file system without hard links, or a kernel that forbids one to the file of another user.
_NO_LINKS = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
)
_TAKEN = Disposed("kept", "the target folder already has a file of this name", failed=True)


class Disposal:
    """Deletes files of a volume, or moves them into a folder, with their paths below the volume.

    Folders stay where they are. A file is moved by a new link to it and the removal of the old one,
    so that no file is ever overwritten, and none is lost in between.

    Args:
        volume: the volume's folder; or several, as for `Volume`.
        target: the folder to move to; None to delete.
        trust: the attributes that identify a version of a file, see `file_state.TRUST`.

    Raises:
        UsageError: the target can't be used, or a volume is read-only.
    """

    def __init__(
        self,
        volume: Path | Mapping[str, Path],
        target: Path | None,
        *,
        trust: Sequence[str] = TRUST,
    ) -> None:
        self._trust = trust
        self._names = frozenset[str]() if isinstance(volume, Path) else frozenset(volume)
        folders = {"": volume} if isinstance(volume, Path) else volume
        self._folders = {name: os.fsencode(folder) for name, folder in folders.items()}
        self._target = None if target is None else os.fsencode(target)
        for folder in folders.values():
            _check_folders(folder, target)

    @property
    def deletes(self) -> bool:
        """Whether files are deleted, not moved."""
        return self._target is None

    def foresee(self, path: str) -> Disposed:
        """Return what `dispose` would do with the file at a path, if it does not change."""
        if self._target is None:
            return Disposed("deleted")
        folder, below = split_volume(path, self._names)
        roots = (self._target, self._folders[folder])
        there, here = (os.path.join(root, to_bytes(below)) for root in roots)  # noqa: PTH118  # of bytes
        with suppress(OSError):
            if not os.path.samestat(os.lstat(there), os.lstat(here)):
                return _TAKEN
        return Disposed("moved")

    def dispose(self, path: str, version: FileState) -> Disposed:
        """Delete or move the file at a path, if it still is the version that was loaded."""
        folder, below = split_volume(path, self._names)
        try:
            return self._dispose(self._folders[folder], to_bytes(below).split(b"/"), version)
        except FileExistsError:
            return _TAKEN
        except FileNotFoundError:
            if self._is_moved(below, version):
                # By another run over the same volume.
                return Disposed("moved")
            return Disposed("gone", "the file was already removed or renamed")
        except OSError as error:
            action = "deleted" if self._target is None else "moved"
            return Disposed(
                "kept", f"the file could not be {action}: {reason_of(error)}", failed=True
            )

    def _is_moved(self, below: str, version: FileState) -> bool:
        """Return whether the version of a file that was loaded is in the target folder."""
        if self._target is None:
            return False
        try:
            there = state_of(os.lstat(os.path.join(self._target, to_bytes(below))))  # noqa: PTH118  # of bytes
        except OSError:
            return False
        # A move changes ctime.
        return not differences(version, there, ("size", "mtime", "inode"))

    def _dispose(self, volume: bytes, segments: list[bytes], version: FileState) -> Disposed:
        *folders, name = segments
        with _Folder(volume, folders) as source:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            if differences(version, state_of(status), self._trust):
                return Disposed("kept", "the file changed after it was loaded")
            if self._target is None:
                os.unlink(name, dir_fd=source)
                return Disposed("deleted")
            with _Folder(self._target, folders, create=True) as target:
                _move(name, source, target, status)
            return Disposed("moved")


class _Folder:
    """Opens a folder below another one, through no link; its descriptor is the context's value."""

    def __init__(self, root: bytes, folders: Sequence[bytes], *, create: bool = False) -> None:
        self._fd = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for folder in folders:
                if create:
                    # If it exists, the next step says whether it is a folder.
                    with suppress(FileExistsError):
                        os.mkdir(folder, dir_fd=self._fd)
                below = os.open(folder, _FOLDER, dir_fd=self._fd)
                close(self._fd)
                self._fd = below
        except BaseException:
            close(self._fd)
            raise

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_exception: object) -> None:
        close(self._fd)


def _move(name: bytes, source: int, target: int, status: os.stat_result) -> None:
    try:
        os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except FileExistsError:
        # A killed run may have left both names of the file.
        there = os.stat(name, dir_fd=target, follow_symlinks=False)
        if not os.path.samestat(there, status):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Reserve the name, then replace the empty file.
        close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=target))
        try:
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
        except OSError:
            os.unlink(name, dir_fd=target)
            raise
        return
    os.unlink(name, dir_fd=source)


def _check_folders(volume: Path, target: Path | None) -> None:
    """Check that files of a volume can be deleted, or moved to the target."""
    try:
        if os.statvfs(volume).f_flag & os.ST_RDONLY:
            raise UsageError(
                f"--then: the volume {volume} is read-only, so its files must stay",
                hint="mount it writable, or omit --then",
            )
        if target is not None:
            _check_target(volume, target)
    except OSError as error:
        raise UsageError(
            f"--then: {error.filename or volume} can't be used: {reason_of(error)}",
            hint="create the folder, and make it writable",
        ) from error


def _check_target(volume: Path, target: Path) -> None:
    below, above = os.path.realpath(target), os.path.realpath(volume)
    status = os.stat(target)  # noqa: PTH116  # names the path in its error
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "", str(target))
    if os.path.commonpath([below, above]) == above:
        raise UsageError(
            f"--then: the folder {target} is inside {volume}, the folder of the volume, from which "
            "its files could be loaded again",
            hint="give a folder outside of the volume, on the same file system",
        )
    if status.st_dev != os.stat(volume).st_dev:  # noqa: PTH116  # as above
        raise UsageError(
            f"--then: the folder {target} is on another file system than the volume",
            hint="a move must be a rename: give a folder on the volume's file system",
        )
    if not os.access(target, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "", str(target))
