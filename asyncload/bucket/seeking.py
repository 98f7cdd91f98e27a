"""Decide how a listing is sought through: where each page begins, and whether pages pay. Pure.

One page of a listing tells of all planned partitions that it passes. So partitions of few files are
looked up in the order of keys, and each page begins where the last one ended, or right before the
next planned partition, whichever is further.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAX_PAGE = 1000
"""S3's limit on the keys of a page."""

SPAN_FILES = 900
"""Files of one span: where each has one object, one page tells of all of them."""

_PROBE = 64
# A HEAD costs as much as so many entries of a page.
_ENTRIES_FOR_ONE = 8
_LAST = "\U0010ffff"


def end_of(prefix: str) -> str:
    """Return what is behind all keys of a prefix."""
    return prefix + _LAST


class Span:
    """Planned partitions that follow each other in the order of keys, and how far they are known.

    Args:
        partitions: the names and the numbers of their files, in the order of keys.

    Attributes:
        start: a page is to begin behind it.
        files: how many are not known of.
    """

    def __init__(self, partitions: list[tuple[str, int]]) -> None:
        self._partitions = partitions
        self._at = 0
        self.start = partitions[0][0]
        self.files = sum(files for _, files in partitions)

    def pass_to(self, end: str) -> int:
        """Go on to behind `end`, up to where everything was listed; return for how many files.

        Files of a partition that it lies in count once all of the partition was listed.
        """
        before = self.files
        while self.files and end >= end_of(self._partitions[self._at][0]):
            self.files -= self._partitions[self._at][1]
            self._at += 1
        if self.files:
            self.start = max(end, self._partitions[self._at][0])
        return before - self.files


def cut_spans(partitions: Iterable[tuple[str, int]]) -> Iterator[Span]:
    """Cut partitions into spans of 900 files; the last partition of each may go beyond that."""
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


class Pace:
    """Decides whether another page is worth asking for, by what the latest ones told.

    Where each dataset has a long history, a page passes few planned partitions: then it is cheaper
    to ask for each key by HEAD. A page of a new span is tried nevertheless, but a small one, so
    that a walk that pays nowhere costs one small page for each span, about 0.1 % of its files.
    """

    def __init__(self) -> None:
        self._paid = True

    def page_size(self, files: int) -> int:
        """Return how many keys to ask for where `files` are not known of."""
        return min(MAX_PAGE if self._paid else _PROBE, files * _ENTRIES_FOR_ONE)

    def judge(self, settled: int, listed: int) -> bool:
        """Return whether a page of `listed` keys that told of `settled` files has paid."""
        self._paid = settled * _ENTRIES_FOR_ONE >= listed
        return self._paid


def is_in_order(keys: Iterable[str], prefix: str, start: str) -> bool:
    """Whether the keys of a page that was to begin behind `start` are listed as S3 lists them."""
    last = start
    for key in keys:
        if key <= last or not key.startswith(prefix):
            return False
        last = key
    return True
