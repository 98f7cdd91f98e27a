"""Folders of the volume: check and list them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from asyncload.errors import UsageError
from asyncload.model.names import to_text
from asyncload.source.file_state import means_too_many_open, permission_hint
from asyncload.source.name_kinds import compressed_csv, file_kind, is_zip

_SLICE = 10_000
_name = attrgetter("name")
# In seconds, between attempts to open a folder while too many files are open.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6)


def check_volume(root: Path) -> None:
    """Check that the volume is a folder that can be listed.

    Raises:
        UsageError: it does not exist, is not a folder or can't be listed.
    """
    try:
        found = root.exists()
        if root.is_dir():
            with list_folder(os.fsencode(root)):
                pass
    except OSError as error:
        raise UsageError(
            f"the volume {root} can't be listed: {error.strerror}",
            hint=f"{permission_hint(status_of(os.fsencode(root)))}; or name another folder",
        ) from error
    if not found:
        hint = "name a folder: asyncload run FOLDER; in a container, mount one at /data"
        if _is_several(root):
            hint = "give each volume as an argument of its own, in a variable on a line of its own"
        raise UsageError(f"the volume {root} does not exist", hint=hint)
    if not root.is_dir():
        hint = "name a folder, or a file whose name ends in .csv, .csv.gz, .csv.zst or .csv.bz2"
        if is_zip(root.name):
            hint = "--archives loads the CSVs of a ZIP archive"
        raise UsageError(f"the volume {root} is neither a folder nor a CSV", hint=hint)


def _is_several(root: Path) -> bool:
    """Return whether a path that does not exist consists of several that do."""
    paths = [path for path in re.split(r"[\s,:;]+", str(root)) if path]
    return len(paths) > 1 and all(map(os.path.exists, paths))


def split_volume(root: Path, *, archives: bool = False) -> tuple[Path, str | None]:
    """Return the folder of a volume, and the name of its file if the volume is a single one.

    That is a CSV, packed or not, or with `archives` a ZIP archive.

    Raises:
        UsageError: see `check_volume`.
    """
    name = root.name
    loadable = file_kind(name.lstrip(".")) == "csv" or compressed_csv(name) is not None
    if loadable or (archives and is_zip(name)):
        with suppress(OSError):
            if root.is_file():
                return root.parent, name
    check_volume(root)
    return root, None


def by_name(listing: Iterator[os.DirEntry[bytes]]) -> Iterator[os.DirEntry[bytes]]:
    """Yield the entries of a folder, sorted within slices of it.

    Some file systems list an entry twice while a folder changes: within a slice it is yielded once.
    """
    failure: OSError | None = None
    entries: list[os.DirEntry[bytes]] = []
    while failure is None:
        try:
            for entry in listing:
                entries.append(entry)
                if len(entries) == _SLICE:
                    break
        except OSError as error:
            # Entries that were read before the error are yielded.
            failure = error
        if not entries:
            break
        for _, same in groupby(sorted(entries, key=_name), key=_name):
            yield next(same)
        entries = []
    if failure is not None:
        raise failure


def names_at_top(root: Path, beat: Callable[[], None], *, folders: bool) -> Iterator[str]:
    """Yield the names of the folders at the top of a volume, or those of its other entries.

    A link counts as a folder, and one that is named as a CSV as both, because it may lead to
    either. Raises OSError.
    """
    with list_folder(os.fsencode(root), beat) as listing:
        for entry in listing:
            beat()
            name = to_text(entry.name)
            is_folder = is_link = entry.is_symlink()
            if not is_link:
                is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder == folders or (is_link and file_kind(name) != "other"):
                yield name


def list_folder(
    folder: bytes,
    beat: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> AbstractContextManager[Iterator[os.DirEntry[bytes]]]:
    """Start listing a folder; wait and retry while too many files are open."""
    for wait in _WAITS:
        beat()
        try:
            return os.scandir(folder)
        except OSError as error:
            if not means_too_many_open(error):
                raise
        sleep(wait)
    return os.scandir(folder)


class Link(Protocol):
    """An entry that may be a link to a folder."""

    def is_dir(self) -> bool: ...


def leads_to_folder(link: Link) -> bool:
    """Return whether a link leads to a folder, as far as can be seen."""
    try:
        return link.is_dir()
    except OSError:
        # Its target can't be examined or does not exist: it is not a folder that we exclude.
        return False


def status_of(path: bytes) -> os.stat_result | None:
    """Return the status of a path; None if there is none."""
    with suppress(OSError):
        return os.stat(path)  # noqa: PTH116  # of bytes
    return None
