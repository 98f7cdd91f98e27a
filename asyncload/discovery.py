"""Find the CSVs of a volume: recursively, in any letter case, following no link.

The scan blocks; `scan` yields as it goes, so that a caller can run it in slices.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

from asyncload.errors import UsageError
from asyncload.globs import compile_globs
from asyncload.model import Failed, LeftOut, SourceFile
from asyncload.source.file_state import means_too_many_open, unlistable
from asyncload.source.pulse import unwatched

Found = SourceFile | LeftOut | Failed

_CSV = ".csv"
_SLICE = 10_000
_name = attrgetter("name")
# In seconds, between tries to open a folder while too many files are open.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6)
# What editors, office programs and writers of partial exports leave beside or instead of a CSV.
_TEMPORARY = re.compile(
    r"(?:^~\$|^#.*#$|~$|\.csv\.(?:tmp|temp|part|partial|swp|bak|crdownload|filepart)$"
    r"|\.(?:tmp|part|partial|crdownload)\.csv$)",
    re.IGNORECASE,
)


def check_volume(root: Path) -> None:
    """Make sure that the volume is a folder that can be listed.

    Raises:
        UsageError: it does not exist, is no folder or can't be listed.
    """
    try:
        found = root.exists()
        if root.is_dir():
            with _listing(str(root)):
                pass
    except OSError as error:
        raise UsageError(
            f"the volume {root} can't be listed: {error.strerror}",
            hint="give the user that runs asyncload read permission, or name another folder",
        ) from error
    if not found:
        raise UsageError(
            f"the volume {root} does not exist",
            hint="name a folder: asyncload run FOLDER; in a container, mount one at /data",
        )
    if not root.is_dir():
        raise UsageError(
            f"the volume {root} is not a folder",
            hint=f"name its folder, and --include {root.name!r} to load only this file",
        )


class Scanner:
    """Walks a volume and says of each entry that looks like a CSV what is to become of it.

    Args:
        root: the volume's folder; it may itself be a link.
        include: path patterns (see `globs`); where there are any, only files that match one
            are loaded.
        exclude: path patterns of files that are not loaded.
        modified_before: files modified later are left out; a time in seconds since 1970.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        root: Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        modified_before: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = str(root)
        self._only = bool(include)
        self._included = compile_globs(include)
        self._filtered = bool(include or exclude)
        self._excluded = compile_globs(exclude)
        self._modified_before = modified_before
        self._sleep = sleep

    def scan(self, tell: Callable[[str], None] = unwatched) -> Iterator[Found]:
        """Yield the volume's CSVs, what is left out, and folders that can't be listed.

        Folder by folder, each folder's files before its sub-folders, by name (in a folder of
        very many entries: by name within slices of it, so that memory stays flat).

        Args:
            tell: is called with what is about to be looked at: that may take long, or for ever.
        """
        folders = [("", False)]
        while folders:
            folder, hidden = folders.pop()
            prefix = f"{folder}/" if folder else ""
            below: list[tuple[str, bool]] = []
            try:
                at = f"{self._root}/{folder}"
                with _listing(at, partial(tell, folder or "."), self._sleep) as listing:
                    while entries := sorted(islice(listing, _SLICE), key=_name):
                        for entry in entries:
                            path = prefix + entry.name
                            tell(path)
                            if entry.is_dir(follow_symlinks=False):
                                below.append((path, hidden or entry.name.startswith(".")))
                            elif found := self._judge(entry, path, hidden):
                                yield found
            except OSError as error:
                yield _unlistable(folder or ".", error)
            folders.extend(sorted(below, reverse=True))

    def _judge(self, entry: os.DirEntry[str], path: str, hidden: bool) -> Found | None:
        name = entry.name
        temporary = bool(_TEMPORARY.search(name)) and _CSV in name.lower()
        if not temporary and name[-4:].lower() != _CSV:
            visible = not hidden and not name.startswith(".")
            linked_folder = visible and entry.is_symlink() and _leads_to_folder(entry)
            return LeftOut(path, "symlink") if linked_folder else None
        if hidden or name.startswith("."):
            return LeftOut(path, "hidden")
        if temporary:
            return LeftOut(path, "temporary")
        if self._filtered and self._is_filtered_out(path):
            return LeftOut(path, "excluded")
        if entry.is_symlink():
            return LeftOut(path, "symlink")
        try:
            if not entry.is_file(follow_symlinks=False):
                return LeftOut(path, "not a regular file")
            status = entry.stat(follow_symlinks=False)
            if self._modified_before is not None and status.st_mtime > self._modified_before:
                return LeftOut(path, "too recent")
            return SourceFile(path, status.st_size)
        except OSError as error:
            return _unlistable(path, error)

    def _is_filtered_out(self, path: str) -> bool:
        return self._excluded(path) or (self._only and not self._included(path))


def _listing(
    folder: str,
    tell: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    """Begin to list a folder; later, where too many files are open now."""
    for wait in _WAITS:
        tell()
        try:
            return os.scandir(folder)
        except OSError as error:
            if not means_too_many_open(error):
                raise
        sleep(wait)
    return os.scandir(folder)


def _leads_to_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:
        # It leads where we may not look, or nowhere: to no folder that we leave out.
        return False


def _unlistable(path: str, error: OSError) -> Failed:
    return Failed(path, None, 0, unlistable(error))
