"""Count the files of each partition, for any number of partitions, in the order of keys. Pure.

Each file at the top of a volume is a partition of its own, so there can be a million of them.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter

_RECENT = 8192
# So many names of each sorted run are inflated at once.
_BLOCK = 256


class PartitionCounts:
    """Counts files by partition, in a few bytes for each partition.

    Partitions that arrive close together are counted together, then sorted, and their names, which
    are similar, are deflated. Reading merges these sorted runs.
    """

    def __init__(self) -> None:
        self._recent: Counter[str] = Counter()
        self._runs: list[list[bytes]] = []

    def add(self, partition: str, files: int = 1) -> None:
        """Count one more file, or other numbers of them."""
        self._recent[partition] += files
        if len(self._recent) == _RECENT:
            self._end_run()

    def absorb(self, other: PartitionCounts) -> None:
        """Count the files of another one, too."""
        self._runs += other.sorted_runs()

    def sorted_runs(self) -> list[list[bytes]]:
        """Return all counts as sorted runs, each in deflated blocks."""
        if self._recent:
            self._end_run()
        return self._runs

    def _end_run(self) -> None:
        self._runs.append(list(_deflate(sorted(self._recent.items()))))
        self._recent.clear()

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each partition and the number of its files, in the order of their UTF-8 bytes."""
        runs: list[Iterable[tuple[str, int]]] = [sorted(self._recent.items())]
        runs += map(_inflate, self._runs)
        # Texts compare by code points, which gives the order of their UTF-8 bytes.
        for partition, counted in groupby(heapq.merge(*runs), key=itemgetter(0)):
            yield partition, sum(files for _, files in counted)


def _deflate(counts: Iterable[tuple[str, int]]) -> Iterator[bytes]:
    rest = iter(counts)
    while block := list(islice(rest, _BLOCK)):
        # Keys contain no line breaks.
        yield zlib.compress("\n".join([f"{name}\n{files}" for name, files in block]).encode(), 1)


def _inflate(run: Iterable[bytes]) -> Iterator[tuple[str, int]]:
    for block in run:
        words = zlib.decompress(block).decode().split("\n")
        yield from zip(words[::2], map(int, words[1::2]), strict=True)
