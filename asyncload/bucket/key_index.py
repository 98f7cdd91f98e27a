"""Which of a plan's keys are taken, by what a listing said: compact, and in any order. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from asyncload.model.values import PlannedUpload

_BUCKETS = 256
_MD5_SIZE = 16
_NO_MD5 = bytes(_MD5_SIZE)


class Known(NamedTuple):
    """What is known of a key before anything is sent.

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
    """What listings said of the keys of a plan.

    They were of whole partitions, or of ranges of keys. There a key counts as looked for only if it
    lies in its range by the order of UTF-8 bytes, in which S3 lists, and as well by the order of a
    tree of folders, in which some stores do: so it makes no difference which of them a store has.

    Keys are kept as their hashes, in 32 bytes each. Two keys of one hash would be mixed up: so
    what it says is good for deciding what to look at, and for proving equality by an MD5.
    """

    def __init__(self) -> None:
        # Hashes of partitions; sorted, once it is sealed.
        self._listed = array("q")
        self._ranges: list[tuple[str, str]] = []
        self._starts: list[str] = []
        self._hashes = tuple(array("q") for _ in range(_BUCKETS))
        self._sizes = tuple(array("q") for _ in range(_BUCKETS))
        self._md5s = tuple(bytearray() for _ in range(_BUCKETS))
        self._any = False

    def add(self, objects: Iterable[tuple[str, int, bytes]], wanted: Callable[[str], bool]) -> None:
        """Take in keys that are taken: (key, size, MD5 or nothing), of those that are `wanted`."""
        for key, size, md5 in objects:
            if wanted(key):
                key_hash = hash(key)
                bucket = key_hash % _BUCKETS
                self._hashes[bucket].append(key_hash)
                self._sizes[bucket].append(size)
                self._md5s[bucket].extend(md5 or _NO_MD5)
                self._any = True

    def close(self, partition: str) -> None:
        """Take in that this partition was listed to its end: what was not in it is free."""
        self._listed.append(hash(partition))

    def cover(self, start: str, end: str) -> None:
        """Take in that all keys behind `start` up to `end` were listed."""
        self._ranges.append((start, end))

    def uncover(self) -> None:
        """Forget which ranges were listed: the store's order is not known."""
        self._ranges.clear()

    def join(self) -> None:
        """Make ranges ready to be asked for; others can still be added, and be joined later."""
        joined: list[tuple[str, str]] = []
        for start, end in sorted(self._ranges):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        self._ranges = joined
        self._starts = [start for start, _ in joined]

    def covers(self, start: str, end: str) -> bool:
        """Whether all keys from `start` up to `end` lie in a range that was listed."""
        at = bisect_left(self._starts, start) - 1
        if at < 0:
            return False
        begin, last = self._ranges[at]
        return end <= last and _in_tree(begin) < _in_tree(start) and _in_tree(end) <= _in_tree(last)

    def seal(self) -> None:
        """Make it ready to be asked; nothing can be added any more."""
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
        """Return what is known of an upload's key."""
        return self.find_key(upload.key, upload.partition)

    def find_key(self, key: str, partition: str) -> Known:
        """Return what is known of a key in a partition."""
        if self._any:
            key_hash = hash(key)
            bucket = key_hash % _BUCKETS
            hashes = self._hashes[bucket]
            at = bisect_left(hashes, key_hash)
            if at < len(hashes) and hashes[at] == key_hash:
                start = at * _MD5_SIZE
                md5 = bytes(self._md5s[bucket][start : start + _MD5_SIZE])
                return Known("existing", self._sizes[bucket][at], md5 if md5 != _NO_MD5 else b"")
        return FREE if self._was_listed(partition) or self.covers(key, key) else UNKNOWN

    def _was_listed(self, partition: str) -> bool:
        if not self._listed:
            return False
        partition_hash = hash(partition)
        at = bisect_left(self._listed, partition_hash)
        return at < len(self._listed) and self._listed[at] == partition_hash


def _in_tree(key: str) -> str:
    """Return a text that compares as its key does where folders are listed in order of names."""
    return key.replace("/", "\0")
