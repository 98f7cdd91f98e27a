"""An index of a plan's keys that exist, built from listings: compact, filled in any order. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from asyncload.model.values import PlannedUpload

_BUCKETS = 256
_MD5_SIZE = 16
_NO_MD5 = bytes(_MD5_SIZE)


class Known(NamedTuple):
    """What is known about a key before anything is sent.

    `free`: the listing of its partition has no such object. `existing`: it has one, of `size`
    bytes; `md5` is its ETag if that has the form of an MD5, else empty. `unknown`: it was not
    listed, or the listing was denied.
    """

    state: Literal["free", "existing", "unknown"]
    size: int = 0
    md5: bytes = b""


FREE = Known("free")
UNKNOWN = Known("unknown")


class KeyIndex:
    """What listings say about the keys of a plan.

    Listings cover whole partitions, or ranges of keys. A key counts as covered by a range only if
    it lies in it both by the order of UTF-8 bytes, in which S3 lists, and by the order of a tree of
    folders, in which some stores list; so the store's order does not matter.

    Keys are kept as hashes, in 32 bytes each, and two keys with the same hash can't be
    distinguished. So a result may decide what to ask for, and an MD5 may prove equality, but
    nothing else.

    Args:
        others: indexes that answer for the partitions of these names, instead of this one.
    """

    def __init__(self, others: Mapping[str, KeyIndex] = MappingProxyType({})) -> None:
        self._others = others
        # Hashes of partitions; sorted after `seal`.
        self._listed = array("q")
        self._ranges: list[tuple[str, str]] = []
        self._starts: list[str] = []
        self._hashes = tuple(array("q") for _ in range(_BUCKETS))
        self._sizes = tuple(array("q") for _ in range(_BUCKETS))
        self._md5s = tuple(bytearray() for _ in range(_BUCKETS))
        self._any = False

    def add(self, objects: Iterable[tuple[str, int, bytes]], wanted: Callable[[str], bool]) -> None:
        """Add existing keys as (key, size, MD5 or nothing), of those that are `wanted`."""
        for key, size, md5 in objects:
            if wanted(key):
                key_hash = hash(key)
                bucket = key_hash % _BUCKETS
                self._hashes[bucket].append(key_hash)
                self._sizes[bucket].append(size)
                self._md5s[bucket].extend(md5 or _NO_MD5)
                self._any = True

    def close(self, partition: str) -> None:
        """Record that a partition was listed to its end: its other keys are free."""
        self._listed.append(hash(partition))

    def cover(self, start: str, end: str) -> None:
        """Record that all keys after `start` up to `end` were listed."""
        self._ranges.append((start, end))

    def uncover(self) -> None:
        """Forget which ranges were listed: the store's order is unknown."""
        self._ranges.clear()

    def join(self) -> None:
        """Make ranges ready for `covers`; more can be added and joined later."""
        joined: list[tuple[str, str]] = []
        for start, end in sorted(self._ranges):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        self._ranges = joined
        self._starts = [start for start, _ in joined]

    def covers(self, start: str, end: str) -> bool:
        """Return whether all keys from `start` up to `end` lie in a listed range."""
        at = bisect_left(self._starts, start) - 1
        if at < 0:
            return False
        begin, last = self._ranges[at]
        return end <= last and _in_tree(begin) < _in_tree(start) and _in_tree(end) <= _in_tree(last)

    def seal(self) -> None:
        """Make it ready for `find`; nothing can be added afterwards."""
        self._listed = array("q", sorted(self._listed))
        self.join()
        for bucket, hashes in enumerate(self._hashes):
            order = sorted(range(len(hashes)), key=hashes.__getitem__)
            sizes, md5s = self._sizes[bucket], self._md5s[bucket]
            sorted_md5s = b"".join(md5s[at * 16 : at * 16 + 16] for at in order)
            sorted_hashes = [hashes[at] for at in order]
            sorted_sizes = [sizes[at] for at in order]
            hashes[:], sizes[:] = array("q", sorted_hashes), array("q", sorted_sizes)
            md5s[:] = sorted_md5s

    def find(self, upload: PlannedUpload) -> Known:
        """Return what is known about an upload's key."""
        return self.find_key(upload.key, upload.partition)

    def find_key(self, key: str, partition: str) -> Known:
        """Return what is known about a key in a partition."""
        if self._others and (other := self._others.get(partition)) is not None:
            return other.find_key(key, partition)
        if self._any:
            key_hash = hash(key)
            bucket = key_hash % _BUCKETS
            hashes = self._hashes[bucket]
            at = bisect_left(hashes, key_hash)
            if at < len(hashes) and hashes[at] == key_hash:
                start = at * _MD5_SIZE
                md5 = bytes(self._md5s[bucket][start : start + _MD5_SIZE])
                return Known("existing", self._sizes[bucket][at], md5 if md5 != _NO_MD5 else b"")
        return FREE if self.was_listed(partition) or self.covers(key, key) else UNKNOWN

    def was_listed(self, partition: str) -> bool:
        """Return whether a partition was listed to its end; not before `seal`."""
        if not self._listed:
            return False
        partition_hash = hash(partition)
        at = bisect_left(self._listed, partition_hash)
        return at < len(self._listed) and self._listed[at] == partition_hash


def _in_tree(key: str) -> str:
    """Return a text that sorts as its key does if folders are listed in order of names."""
    return key.replace("/", "\0")
