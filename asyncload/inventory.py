"""Which of a plan's keys are taken, by what a listing said: compact, and in any order. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from asyncload.model import PlannedUpload

_BUCKETS = 256
_MD5_SIZE = 16
_NO_MD5 = bytes(_MD5_SIZE)


class Known(NamedTuple):
    """What is known of a key before anything is sent.

    `free`: there was no object when its partition was listed. `taken`: there was, of `size`
    bytes, and where its ETag has the form of an MD5, `md5` is that. `unknown`: nobody has looked,
    or nobody may.
    """

    state: Literal["free", "taken", "unknown"]
    size: int = 0
    md5: bytes = b""


FREE = Known("free")
UNKNOWN = Known("unknown")


class Inventory:
    """What listings of partitions said of the keys of a plan.

    Keys are kept as their hashes, in 32 bytes each. Two keys of one hash would be mixed up: so
    what it says is good for deciding what to look at, and for proving equality by an MD5.
    """

    def __init__(self) -> None:
        self._listed: set[str] = set()
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
        self._listed.add(partition)

    def seal(self) -> None:
        """Make it ready to be asked; nothing can be added any more."""
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
        if upload.partition not in self._listed:
            return UNKNOWN
        if not self._any:
            return FREE
        key_hash = hash(upload.key)
        bucket = key_hash % _BUCKETS
        hashes = self._hashes[bucket]
        at = bisect_left(hashes, key_hash)
        if at == len(hashes) or hashes[at] != key_hash:
            return FREE
        start = at * _MD5_SIZE
        md5 = bytes(self._md5s[bucket][start : start + _MD5_SIZE])
        return Known("taken", self._sizes[bucket][at], md5 if md5 != _NO_MD5 else b"")
