"""Hear of files that appear or change in a volume: by events of the file system, if it has them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from asyncload.errors import UsageError
from asyncload.model.names import below_volume, to_text
from asyncload.model.values import FileState, SourceFile
from asyncload.source.file_state import trusted
from asyncload.source.roots import Root
from asyncload.source.scanner import Scanner

if TYPE_CHECKING:
    from asyncload.source.scanners import NamedScanner

_MOUNTS = Path("/proc/self/mountinfo")
# File systems that report no events, or none of what other machines do.
_SILENT = frozenset(
    {
        "9p",
        "afs",
        "autofs",
        "beegfs",
        "ceph",
        "cifs",
        "drvfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)


class Seen(NamedTuple):
    """What was found at some paths: the files to load, and the paths without one.

    `folders`: whether one of the paths is a folder, so that other files may be there, too.
    """

    files: Sequence[SourceFile]
    others: Sequence[str]
    folders: bool


def has_events(volume: Path) -> bool:
    """Return whether the file system of a volume reports all changes to its files."""
    try:
        mounts = _MOUNTS.read_bytes()
    except OSError:
        # As on macOS.
        return True
    kind = file_system_of(os.fsencode(os.path.realpath(volume)), mounts)
    return kind not in _SILENT and not kind.startswith("fuse")


def file_system_of(path: bytes, mounts: bytes) -> str:
    """Return the type of the file system at a path, "" if it is not known. Pure.

    Args:
        path: an absolute path without links.
        mounts: the content of /proc/self/mountinfo, see proc(5).
    """
    best, kind = b"", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(b" - ")
        words = fields.split(b" ")
        if len(words) < 5:
            continue
        point = _unescaped(words[4])
        inside = path == point or path.startswith(point.rstrip(b"/") + b"/")
        # The last of equal ones is on top.
        if inside and len(point) >= len(best):
            best, kind = point, rest.split(b" ")[0].decode("ascii", "replace")
    return kind


def _unescaped(point: bytes) -> bytes:
    for code, char in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(code, char)
    return point


def check_events() -> None:
    """Check that events can be received.

    Raises:
        UsageError: the library for it is not installed.
    """
    try:
        import watchfiles  # noqa: F401  # late: an extra, which only `watch` needs
    except ImportError as error:
        raise UsageError(
            "asyncload watch needs the package watchfiles",
            hint=f"run {sys.executable} -m pip install 'asyncload-s3[watch]', or use --poll",
        ) from error


async def changes(root: Root) -> AsyncIterator[set[str]]:
    """Yield the paths at which something happened: relative, or below the name of the folder.

    Raises:
        OSError: the system has no room for more watched folders, or the volume is gone.
    """
    from watchfiles import awatch  # late: see above

    folder = os.path.realpath(root.folder)  # noqa: ASYNC240  # of a volume that is open
    watching = awatch(
        folder,
        watch_filter=None,
        step=50,
        rust_timeout=1_000,
        yield_on_timeout=True,
        force_polling=False,
        ignore_permission_denied=True,
    )
    start = len(folder.rstrip("/")) + 1
    async for found in watching:
        paths = {to_text(os.fsencode(path[start:])) for _, path in found if path[start:]}
        yield {below_volume(root.name, path) for path in paths} if root.name else paths


def look_at(scanner: Scanner | NamedScanner, paths: Iterable[str]) -> Seen:
    """Look at paths of which something was heard. Blocks.

    A path that can't be examined now counts as one without a file: a later scan finds it.
    """
    files: list[SourceFile] = []
    others: list[str] = []
    folders = False
    for path in paths:
        try:
            found = scanner.examine(path)
        except OSError:
            found = None
        if isinstance(found, SourceFile):
            files.append(found)
        else:
            others.append(path)
            folders = folders or os.path.isdir(scanner.path_of(path))  # noqa: PTH112  # of bytes
    return Seen(files, others, folders)


def version_of(source: SourceFile, trust: Sequence[str]) -> tuple[int, ...]:
    """Return the attributes that identify a version of a file, by a scanner that notes them."""
    assert isinstance(source.version, FileState), "the scanner notes versions"
    return trusted(source.version, trust)
