"""Plan what is sent where. Pure: no loop, no disk, no network.

`LoadPlan` holds a volume's files compactly (under 50 bytes a file) so that a million of them fit in
memory. It yields large files first, and finds files that map to one key before anything is sent.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice, repeat

from asyncload.errors import InvalidKey, KeyCollision, SourceTooLarge
from asyncload.model.names import split_member, to_bytes, to_text
from asyncload.model.values import (
    Archive,
    Failed,
    FileState,
    Member,
    PlannedUpload,
    SourceFile,
)
from asyncload.planning.dates import Dates
from asyncload.planning.keys import KeyLayout
from asyncload.planning.partitions import PartitionCounts

MIB = 1024 * 1024
MAX_PARTS = 10_000
"""S3's limit on the parts of one multipart upload."""
MAX_OBJECT_SIZE = 5 * 1024 * 1024 * MIB
"""S3's limit on one object in bytes: 5 TiB."""

PUT_LIMIT = 16 * MIB
"""Larger files are uploaded as multipart uploads; in bytes."""

PARTS_AT_ONCE = 8
"""So many parts must fit the memory, and are in progress at first: some are hashed while others are
sent. Twelve were no faster on two cores.
"""

# From so many parts on, larger parts are better than more parts, up to this size.
_PARTS_ENOUGH = 128
_ROOMY = 16 * MIB

# Part sizes of asyncload, the AWS CLI and SDKs, rclone, s3cmd, s5cmd and others, in MiB or MB.
_USUAL_MIB = (8, 5, 16, 15, 10, 50, 64, 32, 100, 25, 20, 128, 256, 512, 1024)
_SIZES_TRIED = 16

_COLLISIONS_NAMED = 5
_HASH_BUCKETS = 256


@dataclass(frozen=True, slots=True)
class PartLayout:
    """How a file is cut into parts: `count` parts of `part_size` bytes, the last one shorter.

    Source: "Amazon S3 multipart upload limits" in the S3 user guide.
    """

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """The number of parts; an empty file has one empty part."""
        return max(1, -(-self.size // self.part_size))

    def length(self, number: int) -> int:
        """Return the length in bytes of the part with this number, from 1."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """Yield (part number from 1, offset, length) with offset and length in bytes."""
        for number in range(1, self.count + 1):
            yield number, (number - 1) * self.part_size, self.length(number)

    def holds(self, sizes: Mapping[int, int]) -> bool:
        """Return whether parts with these numbers and sizes in bytes fit this layout."""
        return all(
            1 <= number <= self.count and size == self.length(number)
            for number, size in sizes.items()
        )


def lay_out_parts(size: int, *, min_size: int, max_size: int) -> PartLayout:
    """Cut a file of `size` bytes into parts of at least `min_size` and at most `max_size` bytes.

    The part size is a whole number of MiB: for files of over a thousand MiB a 128th of the file up
    to 16 MiB, and larger only if 10,000 parts require it. A part costs half a millisecond besides
    its bytes, so larger parts are faster; but only so many fit the memory, and a failed part is
    sent again as a whole.

    Raises:
        SourceTooLarge: the file is over 5 TiB, or needs parts larger than `max_size`.
    """
    if size > MAX_OBJECT_SIZE:
        raise SourceTooLarge(
            f"the file is {size:,} bytes, over S3's limit of {MAX_OBJECT_SIZE:,} (5 TiB) per "
            "object",
            hint="split the file",
        )
    needed = -(-size // (MAX_PARTS * MIB)) * MIB
    roomy = min(
        size // (_PARTS_ENOUGH * MIB) * MIB, _ROOMY, max_size // (PARTS_AT_ONCE * MIB) * MIB
    )
    part_size = max(min_size, needed, roomy)
    if part_size > max_size:
        raise SourceTooLarge(
            f"the file needs parts of {part_size // MIB} MiB, more than fit the memory for parts",
            hint=f"use --memory {part_size // MIB}MiB or more",
        )
    return PartLayout(size, part_size)


def plausible_part_sizes(size: int, count: int, likely: int) -> list[int]:
    """Return part sizes that may have cut `size` bytes into `count` parts, the most likely first.

    All in bytes. Programs use few part sizes: `likely` is first, then the usual ones, then whole
    MiB; at most 16, because each costs an MD5 of the file.
    """
    if count == 1:
        return [max(size, 1)]
    least, most = -(-size // count), (size - 1) // (count - 1)
    usual = [likely, *(mib * MIB for mib in _USUAL_MIB), *(mb * 1_000_000 for mb in _USUAL_MIB)]
    whole = range(-(-least // MIB) * MIB, most + 1, MIB)
    sizes = dict.fromkeys(p for p in usual if least <= p <= most)
    return list(islice(dict.fromkeys((*sizes, *whole[:_SIZES_TRIED])), _SIZES_TRIED))


class LoadPlan:
    """The files of a volume and their object keys.

    `partitions` counts the files planned for each partition, `excluded` the excluded entries by
    reason. `last_partition` is that of the last file, "" without one.

    `has_backslashes`: whether a key has a backslash, which some stores don't keep. `undated` counts
    the files without a date. `archives` holds those that may be deleted or moved
    after the load, by path; `dropped` the paths of files for which `drop` was called.

    Args:
        layout: makes the keys.
        dates: determines the date of each file; None if all have the layout's.
        exact: whether the files keep times and versions, which takes more memory.
        clears: whether source files, and so archives, are deleted or moved after the load.
        put_limit: files of more bytes than this are *large*: they are yielded first, the largest
            first, so that none remains at the end of a run.
    """

    def __init__(
        self,
        layout: KeyLayout,
        *,
        put_limit: int,
        dates: Dates | None = None,
        exact: bool = False,
        clears: bool = False,
    ) -> None:
        self.archives: dict[str, Archive] = {}
        self._clears = clears
        self.files = 0
        self.size = 0
        self.failures: list[Failed] = []
        self.excluded: Counter[str] = Counter()
        self.layout = layout
        self.dates = dates
        self.undated = 0
        self.has_backslashes = False
        self._put_limit = put_limit
        self._large: list[tuple[SourceFile, date | None]] = []
        self._small: _Sources = _ExactSources() if exact else _CompactSources()
        self._members = _CompactMembers()
        self.dropped: set[str] = set()
        self._hashes = tuple(array("q") for _ in range(_HASH_BUCKETS))
        self._sorted = False
        self.partitions = PartitionCounts()
        self.last_partition = ""

    def add(self, source: SourceFile) -> None:
        """Plan one more file; a file without a valid key becomes a failure."""
        try:
            day = self._day_of(source)
            key, partition, _ = self.layout.locate(source.path, day)
        except InvalidKey as error:
            self.add_failure(Failed(source.path, None, source.size, error))
            return
        self.partitions.add(partition)
        self.last_partition = partition
        self.has_backslashes = self.has_backslashes or "\\" in key
        self.files += 1
        self.size += source.size
        key_hash = hash(key)
        self._hashes[key_hash % _HASH_BUCKETS].append(key_hash)
        if source.size > self._put_limit:
            self._large.append((source, day))
        elif source.member is None:
            self._small.add(source, day)
        else:
            self._members.add(source, source.member, day)

    def _day_of(self, source: SourceFile) -> date | None:
        if self.dates is None:
            return None
        try:
            return self.dates.day_of(source)
        except InvalidKey:
            self.undated += 1
            raise

    def add_failure(self, failure: Failed) -> None:
        """Add a file or folder that failed before anything was sent."""
        self.files += 1
        self.size += failure.size
        self.failures.append(failure)

    def add_archive(self, archive: Archive) -> None:
        """Keep in mind an archive whose members are added as source files."""
        if self._clears and archive.members:
            self.archives[archive.path] = archive

    @property
    def has_large(self) -> bool:
        """Whether any file is over the put limit."""
        return bool(self._large)

    @property
    def large_sizes(self) -> list[int]:
        """The sizes of the files over the put limit, in bytes, in any order."""
        return [source.size for source, _ in self._large if source.path not in self.dropped]

    def large(self) -> Iterator[PlannedUpload]:
        """Yield the files over the put limit, largest first."""
        for source, day in sorted(self._large, key=lambda large: (-large[0].size, large[0].path)):
            if source.path not in self.dropped:
                yield PlannedUpload(source, *self.layout.locate(source.path, day), day)

    def small(self) -> Iterator[PlannedUpload]:
        """Yield the files up to the put limit, in the order of the scan, members at the end."""
        for source, day in chain(self._small, self._members):
            if not self.dropped or source.path not in self.dropped:
                yield PlannedUpload(source, *self.layout.locate(source.path, day), day)

    def holds(self, key: str) -> bool:
        """Return whether a file is planned for this key, or for another key with the same hash."""
        if not self._sorted:
            for hashes in self._hashes:
                hashes[:] = array("q", sorted(hashes))
            self._sorted = True
        key_hash = hash(key)
        hashes = self._hashes[key_hash % _HASH_BUCKETS]
        at = bisect_left(hashes, key_hash)
        return at < len(hashes) and hashes[at] == key_hash

    def uploads(self) -> Iterator[PlannedUpload]:
        """Yield all files, the large ones first."""
        yield from self.large()
        yield from self.small()

    def drop(self, upload: PlannedUpload) -> None:
        """Plan a file no longer, because another one for its key has the same bytes."""
        self.dropped.add(upload.source.path)
        archive = self.archives.get(split_member(upload.source.path)[0])
        if archive is not None:
            archive = archive._replace(members=archive.members - 1, excluded=archive.excluded + 1)
            self.archives[archive.path] = archive
        self.partitions.add(upload.partition, -1)
        self.files -= 1
        self.size -= upload.source.size

    def absorb(self, later: LoadPlan) -> None:
        """Plan the files of another plan after those of this one.

        Both are of one layout, without `exact` and without members.
        """
        large, small = later.sources()
        assert isinstance(self._small, _CompactSources)
        assert isinstance(small, _CompactSources)
        self.files += later.files
        self.size += later.size
        self.failures += later.failures
        self.has_backslashes = self.has_backslashes or later.has_backslashes
        self._large += large
        self._small.absorb(small)
        self._sorted = False
        for hashes, others in zip(self._hashes, later.key_hashes(), strict=True):
            hashes.extend(others)
        self.partitions.absorb(later.partitions)

    def possible_duplicates(self) -> list[list[PlannedUpload]]:
        """Return groups of files for one key that may have the same bytes, each by their paths.

        Members of archives are among them, all have one size, and the members one CRC-32.
        """
        groups = [sorted(found, key=_path_of) for _, found in _collisions([self])]
        return [group for group in groups if _may_be_equal(group)]

    def check_collisions(self) -> None:
        """Check that no two files map to one key.

        Raises:
            KeyCollision: some do; the message names them and their keys.
        """
        if collisions := self.find_collisions():
            raise collision_error(collisions, several=bool(self.layout.volumes))

    def sources(self) -> tuple[list[tuple[SourceFile, date | None]], _Sources]:
        """Return the files over the put limit, and those up to it, in the order of the scan."""
        return self._large, self._small

    def key_hashes(self) -> tuple[array[int], ...]:
        """Return the hashes of the keys, in buckets, in any order."""
        return self._hashes

    def find_collisions(self) -> list[tuple[str, list[str]]]:
        """Return the keys that several files map to, each with its paths."""
        return find_collisions([self])


def find_collisions(plans: Sequence[LoadPlan]) -> list[tuple[str, list[str]]]:
    """Return the keys that several files of any of these plans map to, each with its paths."""
    return [(key, sorted(map(_path_of, found))) for key, found in _collisions(plans)]


def _collisions(plans: Sequence[LoadPlan]) -> list[tuple[str, list[PlannedUpload]]]:
    """Return the keys of several files, in order, with the files.

    A file that was listed twice is not several: the second time it is found to be loaded.
    """
    suspects: set[int] = set()
    for of_plans in zip(*(plan.key_hashes() for plan in plans), strict=True):
        hashes = list(chain.from_iterable(of_plans))
        if len(set(hashes)) != len(hashes):
            suspects.update(value for value, times in Counter(hashes).items() if times > 1)
    if not suspects:
        return []
    uploads: dict[str, list[PlannedUpload]] = defaultdict(list)
    for upload in chain.from_iterable(plan.uploads() for plan in plans):
        if hash(upload.key) in suspects:
            uploads[upload.key].append(upload)
    return [
        (key, found)
        for key, found in sorted(uploads.items())
        if len({(upload.source.path, upload.source.member) for upload in found}) > 1
    ]


def _path_of(upload: PlannedUpload) -> str:
    return upload.source.path


def _may_be_equal(group: Sequence[PlannedUpload]) -> bool:
    members = [upload.source.member for upload in group if upload.source.member is not None]
    same_size = len({upload.source.size for upload in group}) == 1
    same_crc = len({member.crc for member in members}) == 1
    # Two files for one key are a mistake, even if they are equal.
    return same_size and same_crc and len(group) - len(members) <= 1


class _ExactSources:
    """Source files in order, with all that is known of them."""

    def __init__(self) -> None:
        self._sources: list[tuple[SourceFile, date | None]] = []

    def add(self, source: SourceFile, day: date | None = None) -> None:
        self._sources.append((source, day))

    def __iter__(self) -> Iterator[tuple[SourceFile, date | None]]:
        return iter(self._sources)


class _CompactSources:
    """Many source files in order: slices of paths, joined and deflated, and arrays of the rest.

    The times of modification are not kept, and days only if the files have their own.
    """

    _SLICE = 4096

    def __init__(self) -> None:
        self._packed: list[tuple[bytes, array[int], array[int]]] = []
        self._paths: list[str] = []
        self._sizes = array("q")
        self._days = array("l")

    def add(self, source: SourceFile, day: date | None = None) -> None:
        self._paths.append(source.path)
        self._sizes.append(source.size)
        if day is not None:
            self._days.append(day.toordinal())
        if len(self._paths) == self._SLICE:
            self._pack()

    def absorb(self, later: _CompactSources) -> None:
        """Append the source files of another one."""
        self._packed = [*self.packed(), *later.packed()]

    def packed(self) -> list[tuple[bytes, array[int], array[int]]]:
        """Return all source files as slices: deflated paths, sizes, and days if they have any."""
        if self._paths:
            self._pack()
        return self._packed

    def _pack(self) -> None:
        joined = b"\0".join(map(to_bytes, self._paths))
        # Neighbours share most of their paths, so the fastest level finds nearly all of it.
        self._packed.append((zlib.compress(joined, 1), self._sizes, self._days))
        self._paths, self._sizes, self._days = [], array("q"), array("l")

    def __iter__(self) -> Iterator[tuple[SourceFile, date | None]]:
        for packed, sizes, days in self._packed:
            paths = zlib.decompress(packed).split(b"\0")
            yield from zip(map(SourceFile, map(to_text, paths), sizes), _days(days), strict=False)
        yield from zip(map(SourceFile, self._paths, self._sizes), _days(self._days), strict=False)


_Sources = _ExactSources | _CompactSources


def _days(ordinals: array[int]) -> Iterator[date | None]:
    """Yield the days, or None without end if there are none."""
    return map(date.fromordinal, ordinals) if ordinals else repeat(None)


class _CompactMembers:
    """Many members of archives: as source files, with arrays of where they are."""

    def __init__(self) -> None:
        self._sources = _CompactSources()
        self._versions: list[FileState] = []
        self._version_at = array("I")
        self._stored = array("Q")
        self._offsets = array("Q")
        self._crcs = array("I")
        self._methods = array("H")

    def add(self, source: SourceFile, member: Member, day: date | None) -> None:
        self._sources.add(source, day)
        # The members of an archive follow each other.
        if not self._versions or self._versions[-1] != member.version:
            self._versions.append(member.version)
        self._version_at.append(len(self._versions) - 1)
        self._stored.append(member.stored)
        self._offsets.append(member.offset)
        self._crcs.append(member.crc)
        self._methods.append(member.method)

    def __iter__(self) -> Iterator[tuple[SourceFile, date | None]]:
        places = zip(
            self._version_at, self._stored, self._offsets, self._crcs, self._methods, strict=True
        )
        for (source, day), (version_at, *place) in zip(self._sources, places, strict=True):
            member = Member(self._versions[version_at], source.size, *place)
            yield source._replace(member=member), day


def collision_error(
    collisions: list[tuple[str, list[str]]], *, several: bool = False, started: bool = False
) -> KeyCollision:
    """Return the error of files that map to one key.

    `several`: of several volumes. `started`: files were uploaded before the scan had ended.
    """
    lines = [f"  {key}  <-  {', '.join(paths)}" for key, paths in collisions[:_COLLISIONS_NAMED]]
    if len(collisions) > _COLLISIONS_NAMED:
        lines.append(f"  and {len(collisions) - _COLLISIONS_NAMED:,} more keys")
    return KeyCollision(
        "several files map to one object key, so the run ended before the rest was uploaded:"
        if started
        else "several files map to one object key, so nothing was uploaded:",
        details=lines,
        hint="rename a file, or load each volume in a run with its own --origin"
        if several
        else "rename a file, or separate the files with --dataset or --layout",
    )
