"""Decide which members of an archive are loaded, and refuse unsafe ones one by one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from asyncload.errors import ArchiveUnreadable, MemberRefused
from asyncload.model.names import MEMBER
from asyncload.model.values import (
    Archive,
    Excluded,
    ExcludedReason,
    Failed,
    Member,
    SourceFile,
)
from asyncload.source.archives.decoders import METHODS, STORED
from asyncload.source.archives.directory import Directory, Entry
from asyncload.source.archives.names import check_name, decode_name, shown_name
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.name_kinds import FileKind, file_kind, is_zip

MAX_RATIO = 1000
"""Deflate compresses up to 1,032:1, and data to that degree only if it is made for it."""

_HEADER = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = {
    6: "Implode",
    9: "Deflate64",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    99: "AES encryption",
}


# What macOS and Windows leave in archives and folders, in lower case.
_LEFTOVERS = (b".ds_store", b"thumbs.db", b"desktop.ini")

Judge = Callable[[str], ExcludedReason | None]
"""Returns why a member with this name is not loaded; None if it is."""


class _Candidate(NamedTuple):
    """A CSV or an archive among the members, and why it can't be loaded or is excluded, if so."""

    entry: Entry
    name: str
    kind: FileKind
    excluded: ExcludedReason | None
    refused: MemberRefused | None


def count_csvs(directory: Directory, rules: ArchiveRules, judge: Judge) -> int:
    """Return how many members are CSVs that are not excluded."""
    found = _candidates(directory.entries, rules, judge)
    return sum(one.kind != "archive" and not one.excluded for one in found)


def expand(
    archive: str,
    directory: Directory,
    rules: ArchiveRules,
    judge: Judge,
    wanted: Callable[[str], bool] | None = None,
) -> Iterator[Archive | SourceFile | Excluded | Failed]:
    """Yield an archive, its CSVs as source files, and what is excluded or refused.

    A refused member fails alone. If the CSVs exceed the limit, the archive fails as a whole.

    Args:
        archive: its path in the volume.
        directory: its directory.
        rules: how archives are treated.
        judge: decides about each CSV and archive in it by name.
        wanted: if given, only members are expanded for whose names it returns true.
    """
    candidates = list(_candidates(directory.entries, rules, judge))
    chosen = [one for one in candidates if wanted is None or wanted(one.name)]
    found = list(_expand(archive, directory, chosen))
    sizes = {one.path: one.size for one in found if isinstance(one, SourceFile)}
    total = sum(sizes.values())
    if total > rules.limit:
        error = ArchiveUnreadable(
            f"the CSVs of the archive have {total:,} bytes, more than the {rules.limit:,} of "
            "--archive-limit",
            hint="raise --archive-limit if you trust the archive, or use --exclude",
        )
        yield Failed(archive, None, 0, error)
        return
    users = [one for one in candidates if not _is_leftover(one.entry.name)]
    excluded = sum(_path_in(archive, one) not in sizes for one in users)
    others = sum(not _is_leftover(entry.name) for entry in directory.entries) - len(users)
    yield Archive(archive, directory.state, len(sizes), excluded, others)
    yield from found


def _path_in(archive: str, one: _Candidate) -> str:
    return f"{archive}{MEMBER}{one.name}"


def _is_leftover(name: bytes) -> bool:
    """Return whether a member with this name is a folder, or holds nothing of the user's."""
    *folders, last = name.replace(b"\\", b"/").lower().split(b"/")
    return not last or last in _LEFTOVERS or last.startswith(b"._") or b"__macosx" in folders


def _expand(
    archive: str, directory: Directory, candidates: Sequence[_Candidate]
) -> Iterator[SourceFile | Excluded | Failed]:
    times = Counter(one.name for one in candidates if not one.excluded and not one.refused)
    overlapping = _overlapping(directory.entries)
    for one in candidates:
        path, entry = _path_in(archive, one), one.entry
        if one.excluded:
            yield Excluded(path, one.excluded)
            continue
        refused = one.refused or _refusal(
            one, directory.state.size, again=times[one.name] > 1, overlaps=entry in overlapping
        )
        if refused:
            yield Failed(path, None, 0, refused)
            continue
        place = entry.stored, entry.offset, entry.crc, entry.method
        member = Member(directory.state, entry.size, *place)
        yield SourceFile(path, entry.size, directory.state.mtime_ns, member)


def _candidates(
    entries: Sequence[Entry], rules: ArchiveRules, judge: Judge
) -> Iterator[_Candidate]:
    for entry in entries:
        refused = None
        try:
            name = decode_name(entry.name, utf8=entry.utf8, extra=entry.extra, encoding=rules.names)
        except MemberRefused as error:
            name, refused = shown_name(entry.name), error
        kind = file_kind(name.replace("\\", "/").rpartition("/")[2])
        if kind == "other":
            continue
        excluded = judge(name)
        # As outside of an archive.
        if entry.link:
            excluded = excluded or "symlink"
        elif kind == "archive" and not is_zip(name):
            excluded = excluded or "archive"
        if refused is None:
            try:
                check_name(name)
            except MemberRefused as error:
                refused = error
        yield _Candidate(entry, name, kind, excluded, refused)


def _refusal(one: _Candidate, size: int, *, again: bool, overlaps: bool) -> MemberRefused | None:
    """Return why a member is refused, in an archive of `size` bytes; None if it is not."""
    entry = one.entry
    if one.kind == "archive":
        return MemberRefused(
            "the member is an archive itself", hint="unpack it into the volume, or use --exclude"
        )
    if again:
        return MemberRefused(
            "the archive has several members with this name", hint="repack the archive"
        )
    if entry.flags & _ENCRYPTED:
        return MemberRefused(
            "the member is encrypted", hint="unpack the archive with its password, and load that"
        )
    if entry.disk:
        return MemberRefused(
            "the archive is split into several files", hint="join them: zip -s 0 SPLIT --out ONE"
        )
    if entry.method not in METHODS:
        name = _METHODS.get(entry.method, f"method {entry.method}")
        return MemberRefused(
            f"the member is compressed by {name}, which is not supported",
            hint="repack the archive with Deflate, which every ZIP program uses by default",
        )
    end = entry.offset + _HEADER + len(entry.name) + entry.stored
    if entry.offset < 0 or end > size or (entry.method == STORED and entry.stored != entry.size):
        return MemberRefused(
            "the archive's directory contradicts itself about the member",
            hint="copy the archive again, or repack it",
        )
    if overlaps:
        return MemberRefused(
            "the member overlaps another one in the archive", hint="repack the archive"
        )
    if entry.size > MAX_RATIO * entry.stored:
        return MemberRefused(
            f"the member would be more than {MAX_RATIO:,} times as large as it is compressed",
            hint="unpack the archive if you trust it, and load that",
        )
    return None


def _overlapping(entries: Sequence[Entry]) -> set[Entry]:
    """Return the members that share bytes with another one.

    A member has at least its header, its name and its compressed bytes.
    """
    found: set[Entry] = set()
    last, last_end = None, 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if last is not None and entry.offset < last_end:
            found |= {last, entry}
        end = entry.offset + _HEADER + len(entry.name) + entry.stored
        if end > last_end:
            last, last_end = entry, end
    return found
