"""Find the CSVs of a volume: recursively, in any letter case, following links only on request.

The scan blocks; `scan` yields as it goes, so that a caller can run it in slices.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from asyncload.errors import ArchiveUnreadable, FileFailed, SourceUnreadable
from asyncload.model.names import MEMBER, to_bytes, to_text
from asyncload.model.values import Archive, Excluded, Failed, SourceFile
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.file_list import FileList, path_below, roots_of, split_listed
from asyncload.source.file_state import state_of, unlistable
from asyncload.source.folders import by_name, leads_to_folder, list_folder, status_of
from asyncload.source.heartbeat import unwatched
from asyncload.source.name_kinds import file_kind, is_zip
from asyncload.source.selection import ListedMembers, MemberSelection, Selection

Found = SourceFile | Archive | Excluded | Failed


class Part(Protocol):
    """Decides which entries belong to a part of the volume.

    `others` is the number of files so far that belong to other parts.
    """

    others: int

    def holds(self, path: str) -> bool:
        """Return whether a file belongs to the part."""

    def reports(self, path: str) -> bool:
        """Return whether an entry that is not loaded is reported with the part."""


class _Folder(NamedTuple):
    """A folder to list: its path and, if links are followed, the folders that contain it."""

    path: str
    above: tuple[tuple[int, int], ...] = ()


class _Archive(NamedTuple):
    """A ZIP archive to open, at this path; `source` is the file, None if it is not to be loaded."""

    path: str
    source: SourceFile | None = None


class _NamedEntry:
    """An entry of a folder that was not listed; as `os.DirEntry`, by one look at it."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._status = os.stat(path, follow_symlinks=False)  # noqa: PTH116  # of bytes

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        status = os.stat(self._path) if follow_symlinks else self._status  # noqa: PTH116  # of bytes
        return stat.S_ISDIR(status.st_mode)

    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self._status.st_mode)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return os.stat(self._path) if follow_symlinks else self._status  # noqa: PTH116  # of bytes


_Entry = os.DirEntry[bytes] | _NamedEntry


class Scanner:
    """Walks a volume and decides which entries are loaded.

    Folders that hold no data by their names, or that the patterns exclude, are not entered; their
    contents, or errors in listing them, do not matter. An `include` pattern that spells such a name
    overrides this: `--include '_temporary/*.csv'`.

    Args:
        root: the volume's folder; it may itself be a link.
        include: path patterns (see `globs`); if there are any, only files that match one are
            loaded.
        exclude: path patterns of files and folders that are not loaded.
        listed: if given, exactly these files are judged, instead of all below the root.
        modified_after: files modified earlier are excluded; in seconds since 1970.
        modified_before: files modified later are excluded; in seconds since 1970.
        follow_links: whether symbolic links are followed that stay inside the volume.
        identify: whether each found file may be loaded only in the version that was found.
        compressed: whether compressed CSVs are loaded, as they are.
        archives: how ZIP archives are treated.
        part: the part of the volume that is loaded; None for all of it.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        root: Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        listed: FileList | None = None,
        modified_after: float | None = None,
        modified_before: float | None = None,
        follow_links: bool = False,
        compressed: bool = True,
        archives: ArchiveRules = ArchiveRules(),  # noqa: B008  # it is frozen
        identify: bool = False,
        part: Part | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = root
        self._root = os.fsencode(root)
        self._selection = Selection(include, exclude, compressed=compressed)
        self.listed = listed
        self._modified_after = modified_after
        self._modified_before = modified_before
        self._follow_links = follow_links
        self._archives = archives
        self._identify = identify
        self._part = part
        self._sleep = sleep

    @property
    def unused_rules(self) -> list[str]:
        """The patterns that have not matched anything so far, each with its option."""
        return self._selection.unused_rules

    @property
    def empty(self) -> Mapping[str, Mapping[str, int]]:
        """The folders of several in which nothing was found: none, as there is one."""
        return {}

    def scan(
        self, beat: Callable[[str], None] = unwatched, *, expand: bool = True
    ) -> Iterator[Found]:
        """Yield the volume's CSVs, excluded entries, and what can't be examined.

        An archive that is loaded is followed by its members. If files are listed, they come in the
        order of the list, each once. Else folder by folder, each folder's files before its
        sub-folders, by name (in a folder of very many entries: by name within slices of it, so that
        memory stays flat).

        Args:
            beat: called with each path before it is examined, which may take long.
            expand: whether archives are opened. If not, each one to load is yielded as a file.
        """
        if self._part is None:
            return self._scan(beat, expand=expand)
        scan = self._scan(beat, expand=expand)
        return (found for found in scan if _belongs(found, self._part))

    def _scan(self, beat: Callable[[str], None], *, expand: bool) -> Iterator[Found]:
        if self.listed is not None:
            yield from self._scan_listed(self.listed, beat)
            return
        folders = [_Folder("", self._identities(b"", ()))]
        while folders:
            folder = folders.pop()
            below: list[_Folder] = []
            try:
                with self._entries(folder, beat) as listing:
                    for entry in by_name(listing):
                        name = to_text(entry.name)
                        path = f"{folder.path}/{name}" if folder.path else name
                        beat(path)
                        try:
                            found = self._judge(entry, name, path, folder)
                        except OSError as error:
                            found = self._unlistable(path, error)
                        if isinstance(found, _Folder):
                            below.append(found)
                        elif isinstance(found, _Archive):
                            yield from self._open(path, beat) if expand else _as_file(found)
                        elif found is not None:
                            yield found
            except OSError as error:
                yield self._unlistable(folder.path, error)
            folders.extend(sorted(below, reverse=True))

    def examine(self, path: str) -> Found | None:
        """Judge one path as a scan would that opens no archives; None if it would not find it.

        Raises:
            OSError: it can't be examined.
        """
        *folders, name = path.split("/")
        folder = _Folder("")
        for segment in folders:
            below = f"{folder.path}/{segment}" if folder.path else segment
            judged = self._judge_folder(below, folder)
            if not isinstance(judged, _Folder):
                return None
            folder = judged
        try:
            entry = _NamedEntry(self._at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = self._judge(entry, name, path, folder)
        if isinstance(found, _Archive):
            return found.source
        return None if isinstance(found, _Folder) else found

    def expand(self, path: str, beat: Callable[[str], None] = unwatched) -> Iterator[Found]:
        """Yield the archive at a path, and its members, as a scan would."""
        return self._open(path, beat)

    def path_of(self, path: str) -> bytes:
        """Return the absolute path of one below the volume."""
        return self._at(path)

    def _scan_listed(self, listed: FileList, beat: Callable[[str], None]) -> Iterator[Found]:
        roots = roots_of(self._root)
        members = self._listed_members(listed, roots)
        # Digests, to save memory: there may be a million names.
        seen: set[bytes] = set()
        for name in listed.names():
            shown = to_text(name)
            beat(shown)
            try:
                path, _ = self._split_listed(name, roots)
            except SourceUnreadable as error:
                yield Failed(shown, None, 0, error)
                continue
            digest = hashlib.blake2b(to_bytes(path), digest_size=16).digest()
            if digest in seen:
                continue
            seen.add(digest)
            if not is_zip(path) and path not in members and self._is_of_others(path):
                continue
            try:
                found = self._judge_listed(path)
            except OSError as error:
                found = self._unlistable(path, error)
            names = members.get(path, set())
            if isinstance(found, _Archive) and names:
                yield from self._open_listed(path, names, beat)
            elif isinstance(found, _Archive):
                yield from self._open(path, beat)
            elif isinstance(found, Failed) and names:
                for member in sorted(names):
                    yield found._replace(path=f"{path}{MEMBER}{member}")
            else:
                yield found

    def _split_listed(self, name: bytes, roots: tuple[bytes, ...]) -> tuple[str, str]:
        """Return the path of a listed name, or of its archive, and the name of its member.

        Raises:
            SourceUnreadable: the name leads out of the volume.
        """
        archive, member = split_listed(name)
        if member:
            path = path_below(archive, roots)
            # A folder may be named so, too.
            if not os.path.isdir(self._root + b"/" + path):  # noqa: PTH112  # of bytes
                return to_text(path), to_text(member)
        return to_text(path_below(name, roots)), ""

    def _listed_members(self, listed: FileList, roots: tuple[bytes, ...]) -> dict[str, set[str]]:
        """Return the listed members by their archives: each is opened once, for all of them.

        An archive that is listed itself is loaded whole.
        """
        members: dict[str, set[str]] = {}
        whole: set[str] = set()
        if MEMBER.encode() not in listed.content:
            return members
        for name in listed.names():
            with suppress(SourceUnreadable):
                path, member = self._split_listed(name, roots)
                if member:
                    members.setdefault(path, set()).add(member)
                elif is_zip(path):
                    whole.add(path)
        return {path: names for path, names in members.items() if path not in whole}

    def _open_listed(
        self, path: str, names: set[str], beat: Callable[[str], None]
    ) -> Iterator[Found]:
        """Yield the listed members of an archive; all that can't be loaded fail by name."""
        left = set(names)
        for found in self._open(path, beat, names):
            if isinstance(found, Excluded) and found.reason != "excluded":
                yield _not_loadable(found.path, f"the file can't be loaded: {found.reason}", "")
            else:
                yield found
            if isinstance(found, Failed) and found.path == path:
                return
            left.discard(found.path[len(path) + len(MEMBER) :])
        for name in sorted(left):
            shown = f"{path}{MEMBER}{name}"
            if file_kind(name[name.rfind("/") + 1 :]) == "other":
                yield _not_loadable(shown, "the file is not a CSV by its name", _NAME_HINT)
            else:
                yield _not_loadable(shown, "the archive has no such member", _MEMBER_HINT)

    def _judge_listed(self, path: str) -> Found | _Archive:
        """Judge a file that the user listed: what is not excluded by an option must be loaded.

        So names of hidden and temporary files are accepted, and what can't be loaded fails.
        """
        name = path[path.rfind("/") + 1 :]
        kind = file_kind(name)
        archive = self._archives.load and is_zip(name)
        if self._selection.excludes(path) or not (archive or self._selection.includes(path)):
            return Excluded(path, "excluded")
        try:
            status = os.stat(self._at(path), follow_symlinks=False)  # noqa: PTH116  # of bytes
        except (FileNotFoundError, NotADirectoryError):
            return _not_loadable(path, "the file does not exist", _LISTED_HINT)
        if stat.S_ISDIR(status.st_mode):
            return _not_loadable(path, "the path is a folder", "list the files in it")
        packed = kind == "compressed" and not self._selection.loads_compressed(name)
        if packed or (kind in ("other", "archive") and not archive):
            hint = _ARCHIVE_HINT if kind == "archive" else _NAME_HINT
            return _not_loadable(path, "the file is not a CSV by its name", hint)
        if not stat.S_ISLNK(status.st_mode):
            found: Found | _Folder = self._judge_file(path, status)
        else:
            found = self._judge_link(path, _Folder(""))
        if isinstance(found, _Folder):
            return _not_loadable(path, "the path leads to a folder", "list the files in it")
        if isinstance(found, Excluded) and found.reason not in ("too old", "too recent"):
            hint = "--follow-symlinks follows links inside the volume" * (found.reason == "symlink")
            return _not_loadable(path, f"the file can't be loaded: {found.reason}", hint)
        return _Archive(path) if archive and isinstance(found, SourceFile) else found

    def _entries(
        self, folder: _Folder, beat: Callable[[str], None]
    ) -> AbstractContextManager[Iterator[os.DirEntry[bytes]]]:
        return list_folder(self._at(folder.path), partial(beat, folder.path or "."), self._sleep)

    def _at(self, path: str) -> bytes:
        return self._root + b"/" + to_bytes(path)

    def _judge(
        self, entry: _Entry, name: str, path: str, folder: _Folder
    ) -> Found | _Folder | _Archive | None:
        if entry.is_dir(follow_symlinks=False):
            return self._judge_folder(path, folder)
        kind = file_kind(name)
        if kind == "other":
            return self._judge_other(entry, name, path, folder)
        if reason := self._selection.judge_file(path, kind):
            return Excluded(path, reason)
        if kind == "archive" and is_zip(name) and self._archives.load:
            return self._judge_archive(entry, path, folder)
        if not self._selection.includes(path):
            return Excluded(path, "excluded")
        if kind == "archive" and is_zip(name) and not entry.is_symlink():
            return _Archive(path)
        if kind == "archive" or (
            kind == "compressed" and not self._selection.loads_compressed(name)
        ):
            return Excluded(path, kind)
        if entry.is_symlink():
            return self._judge_link(path, folder)
        if self._is_of_others(path):
            return None
        return self._judge_file(path, entry.stat(follow_symlinks=False))

    def _is_of_others(self, path: str) -> bool:
        """Return whether a file belongs to another part, before it is examined."""
        return self._part is not None and not self._part.holds(path)

    def _judge_archive(
        self, entry: _Entry, path: str, folder: _Folder
    ) -> Found | _Folder | _Archive:
        if entry.is_symlink():
            found = self._judge_link(path, folder)
        else:
            found = self._judge_file(path, entry.stat(follow_symlinks=False))
        return _Archive(path, found) if isinstance(found, SourceFile) else found

    def _open(
        self, path: str, beat: Callable[[str], None], names: Collection[str] | None = None
    ) -> Iterator[Found]:
        """Yield an archive and its CSVs, or that it is excluded with so many.

        `names`: only those of its members that the user listed.
        """
        # Late: zipfile takes longer to import than a small volume to scan.
        from asyncload.source.archives.directory import read_directory
        from asyncload.source.archives.expansion import count_csvs, expand
        from asyncload.source.volume import Volume

        load = self._archives.load
        judging = MemberSelection if names is None else ListedMembers
        judge = judging(self._selection, path)
        wanted = None if names is None else names.__contains__
        try:
            with (
                Volume(self._folder, follow_links=self._follow_links) as volume,
                volume.open(path) as file,
            ):
                directory = read_directory(file, partial(beat, path))
        except FileFailed as error:
            # So that a pattern for it is not reported as unused.
            self._selection.includes(path)
            unreadable = ArchiveUnreadable(error.message, hint=error.hint)
            yield Failed(path, None, 0, unreadable) if load else Excluded(path, "archive")
        else:
            if load:
                yield from expand(path, directory, self._archives, judge, wanted)
            elif csvs := count_csvs(directory, self._archives, judge):
                yield Excluded(path, "archive", csvs)

    def _judge_folder(self, path: str, folder: _Folder) -> Excluded | _Folder:
        if reason := self._selection.judge_folder(path, at_root=not folder.path):
            return Excluded(path, reason)
        if not self._selection.reaches(path):
            return Excluded(path, "excluded")
        return _Folder(path, self._identities(to_bytes(path), folder.above))

    def _judge_other(
        self, entry: _Entry, name: str, path: str, folder: _Folder
    ) -> Found | _Folder | None:
        """Judge an entry that is not named as a CSV: a link may lead to a folder of CSVs."""
        # So that a pattern that matches it is not reported as unused.
        self._selection.use_excludes(path)
        if name.startswith(".") or not entry.is_symlink():
            return None
        if not leads_to_folder(entry):
            return None
        return self._judge_link(path, folder)

    def _judge_link(self, path: str, folder: _Folder) -> Found | _Folder:
        if not self._follow_links:
            return Excluded(path, "symlink")
        root = os.path.realpath(self._root)
        try:
            target = os.path.realpath(self._at(path), strict=True)
            status = os.stat(target)  # noqa: PTH116  # of bytes
        except FileNotFoundError:
            return Excluded(path, "symlink to nowhere")
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Excluded(path, "symlink in a circle")
            raise
        if os.path.commonpath([root, target]) != root:
            return Excluded(path, "symlink out of the volume")
        if not stat.S_ISDIR(status.st_mode):
            return self._judge_file(path, status)
        if (status.st_dev, status.st_ino) in folder.above:
            return Excluded(path, "symlink in a circle")
        return self._judge_folder(path, folder)

    def _judge_file(self, path: str, status: os.stat_result) -> Found:
        if not stat.S_ISREG(status.st_mode):
            return Excluded(path, "not a regular file")
        if self._modified_after is not None and status.st_mtime < self._modified_after:
            return Excluded(path, "too old")
        if self._modified_before is not None and status.st_mtime > self._modified_before:
            return Excluded(path, "too recent")
        version = state_of(status) if self._identify else None
        return SourceFile(path, status.st_size, status.st_mtime_ns, version=version)

    def _identities(
        self, path: bytes, above: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[int, int], ...]:
        """Return the identities of a folder and of those that contain it, to detect circles."""
        if not self._follow_links:
            return ()
        status = status_of(self._root + b"/" + path)
        return (*above, (status.st_dev, status.st_ino)) if status else above

    def _unlistable(self, path: str, error: OSError) -> Failed:
        status = status_of(self._at(path)) if error.errno == errno.EACCES else None
        return Failed(path or ".", None, 0, unlistable(error, status))


_NAME_HINT = "only files named *.csv are loaded"
_ARCHIVE_HINT = "--archives loads the CSVs in ZIP archives"
_MEMBER_HINT = "list members as messages and records name them: ARCHIVE//NAME"
_LISTED_HINT = "paths in --files-from are relative to the volume, and end with their line"


def _belongs(found: Found, part: Part) -> bool:
    """Return whether a result of the scan belongs to a part of the volume.

    Files may be missing from every part if a folder can't be listed or an archive can't be read.
    """
    if isinstance(found, Excluded):
        return part.reports(found.path)
    if isinstance(found, Archive):
        # Each part needs to know the number of its members, to see whether it has all of them.
        return True
    if isinstance(found, Failed) and isinstance(found.error, SourceUnreadable):
        return True
    return part.holds(found.path)


def _as_file(archive: _Archive) -> Iterator[SourceFile]:
    if archive.source is not None:
        yield archive.source


def _not_loadable(path: str, message: str, hint: str) -> Failed:
    return Failed(path or ".", None, 0, SourceUnreadable(message, hint=hint))
