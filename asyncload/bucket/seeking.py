"""Decide where each page of a listing begins, and whether pages are worth asking for. Pure.

One page covers all planned partitions that it passes. So partitions of few files are looked up in
the order of keys, and each page begins at the end of the last one or right before the next planned
partition, the later of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAX_PAGE = 1000
"""S3's limit on the keys of a page."""

SPAN_FILES = 900
"""Files of one span: if each has one object, one page covers all of them."""

_PROBE = 64
# A HEAD costs as much as so many entries of a page.
_ENTRIES_FOR_ONE = 8
_LAST = "\U0010ffff"


def end_of(prefix: str) -> str:
    """Return the first text after all keys with a prefix."""
    return prefix + _LAST


class Span:
    """Consecutive planned partitions in the order of keys, and how far they are known.

    Args:
        partitions: their names and numbers of files, in the order of keys.

    Attributes:
        start: the next page begins after it.
        files: the number of files still unknown.
    """

    def __init__(self, partitions: list[tuple[str, int]]) -> None:
        self._partitions = partitions
        self._at = 0
        self.start = partitions[0][0]
        self.files = sum(files for _, files in partitions)

    def pass_to(self, end: str) -> int:
        """Advance to `end`, up to which all was listed; return the number of files covered.

        Files of a partition count once the whole partition was listed.
        """
        before = self.files
        while self.files and end >= end_of(self._partitions[self._at][0]):
            self.files -= self._partitions[self._at][1]
            self._at += 1
        if self.files:
            self.start = max(end, self._partitions[self._at][0])
        return before - self.files


def cut_spans(partitions: Iterable[tuple[str, int]]) -> Iterator[Span]:
    """Cut partitions into spans of 900 files; the last partition of each may exceed that."""
    span: list[tuple[str, int]] = []
    files = 0
    for partition, count in partitions:
        span.append((partition, count))
        files += count
        if files >= SPAN_FILES:
            yield Span(span)
            span, files = [], 0
    if span:
        yield Span(span)


class AdaptivePages:
    """Decides from the latest pages whether another page is worth asking for.

    If each dataset has a long history, a page passes few planned partitions: then a HEAD for each
    key is cheaper. The first page of each span is tried nevertheless, but a small one, so that a
    walk that never pays costs one small page per span, about 0.1 % of its files.
    """

    def __init__(self) -> None:
        self._paid = True

    def page_size(self, files: int) -> int:
        """Return how many keys to ask for if `files` are unknown."""
        return min(MAX_PAGE if self._paid else _PROBE, files * _ENTRIES_FOR_ONE)

    def judge(self, covered: int, listed: int) -> bool:
        """Return whether a page of `listed` keys that covered `covered` files has paid."""
        self._paid = covered * _ENTRIES_FOR_ONE >= listed
        return self._paid


def is_in_order(keys: Iterable[str], prefix: str, start: str) -> bool:
    """Return whether a page that was to begin after `start` is in S3's order."""
    last = start
    for key in keys:
        if key <= last or not key.startswith(prefix):
            return False
        last = key
    return True
