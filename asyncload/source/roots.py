"""The folders of a run's volumes, and the files that were listed for each."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asyncload.errors import UsageError
from asyncload.model.names import to_text
from asyncload.source.file_list import FileList, below_root, roots_of
from asyncload.source.folders import split_volume, status_of


class Root(NamedTuple):
    """A folder of a run's volumes.

    `name` begins the paths of its files; "" if the run has one volume. `listed` are the files to
    load; None for all.
    """

    folder: Path
    name: str = ""
    listed: FileList | None = None


def folders_of(roots: Sequence[Root]) -> Path | Mapping[str, Path]:
    """Return the folder of a single volume, or several by their names."""
    if not roots[0].name:
        return roots[0].folder
    return {root.name: root.folder for root in roots}


def find_roots(volumes: Sequence[Path], *, archives: bool = False) -> tuple[Root, ...]:
    """Return the folders of volumes; one that is a single file is in its folder, with a list.

    Raises:
        UsageError: see `check_volume`; or of several, some do not exist, are the same, or one is
            inside another.
    """
    if len(volumes) == 1:
        folder, file = split_volume(volumes[0], archives=archives)
        return (Root(folder, listed=None if file is None else _list_of([file])),)
    if missing := [volume for volume in volumes if not _exists(volume)]:
        message, details = named_volumes(list(map(str, missing)), "does not exist", "do not exist")
        raise UsageError(message, details=details, hint="check the paths and mounts")
    found = [split_volume(volume, archives=archives) for volume in volumes]
    _check_apart(volumes)
    files: dict[Path, list[str]] = {}
    roots: dict[Path, Root] = {}
    for folder, file in found:
        roots[folder] = Root(folder, _name_of(folder))
        if file is not None:
            files.setdefault(folder, []).append(file)
    for folder, names in files.items():
        roots[folder] = roots[folder]._replace(listed=_list_of(names))
    return tuple(roots.values())


def named_volumes(names: Sequence[str], one: str, more: str) -> tuple[str, Sequence[str]]:
    """Return message and details of an error of some of several volumes.

    `one` and `more` say what is wrong with one of them, or with more.
    """
    if len(names) == 1:
        return f"the volume {names[0]} {one}, so no volume was loaded", ()
    return f"{len(names):,} volumes {more}, so no volume was loaded:", [f"  {n}" for n in names]


def share_list(
    listed: FileList, roots: Sequence[Root]
) -> tuple[Mapping[str, FileList], Sequence[bytes]]:
    """Return the part of a list of files for each folder, and the names that are in none."""
    parts: dict[str, list[bytes]] = {root.name: [] for root in roots}
    paths = {root.name: roots_of(os.fsencode(root.folder)) for root in roots}
    unplaced = []
    for name in listed.names():
        for root, absolute in paths.items():
            below = below_root(name, absolute)
            if below is not None:
                parts[root].append(below.lstrip(b"/") or b".")
                break
        else:
            unplaced.append(name)
    shared = {
        root: FileList(b"\0".join(part), listed.origin, nul=True) for root, part in parts.items()
    }
    return shared, unplaced


def _name_of(folder: Path) -> str:
    return to_text(os.fsencode(folder))


def _list_of(files: Sequence[str]) -> FileList:
    return FileList(b"\0".join(map(os.fsencode, files)), origin="", nul=True)


def _exists(volume: Path) -> bool:
    try:
        volume.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It is there, and can't be examined: the next step says why.
        return True
    return True


def _check_apart(volumes: Sequence[Path]) -> None:
    """Check that no file is in two volumes, by any links and mounts.

    Raises:
        UsageError: volumes are the same, or one is inside another.
    """
    seen: dict[object, Path] = {}
    for volume in volumes:
        identity = _identity(os.path.realpath(os.fsencode(volume)))
        if identity in seen:
            raise UsageError(
                f"the volumes {seen[identity]} and {volume} are the same", hint="name it once"
            )
        seen[identity] = volume
    identities: dict[bytes, object] = {}
    for volume in volumes:
        folder = os.path.realpath(os.fsencode(volume))
        while folder != b"/":
            folder = os.path.dirname(folder)  # noqa: PTH120  # of bytes
            if folder not in identities:
                identities[folder] = _identity(folder)
            if (outer := seen.get(identities[folder])) is not None:
                raise UsageError(
                    f"the volume {volume} is inside the volume {outer}, so its files would be "
                    "loaded twice",
                    hint=f"omit it, or name other folders than {outer}",
                )


def _identity(path: bytes) -> object:
    """Return what identifies a folder, however it is reached; of a file, its path."""
    status = status_of(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino
    return path
