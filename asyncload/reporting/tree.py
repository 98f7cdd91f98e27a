"""Objects of a bucket as a tree of folders, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from asyncload.model.values import Event, FileFinished, Unchanged, Uploaded
from asyncload.reporting.text import format_count, format_size, printable

MAX_OBJECTS = 1000
"""Of a run; further ones are counted."""


class RunTree:
    """An observer that remembers the first objects that a run has put, or has found to be there."""

    def __init__(self) -> None:
        self._objects: list[tuple[str, int]] = []
        self._others = 0

    def observe(self, event: Event) -> None:
        """Remember the object of a file that is in the bucket."""
        if isinstance(event, FileFinished) and isinstance(event.outcome, Uploaded | Unchanged):
            if len(self._objects) < MAX_OBJECTS:
                self._objects.append((event.outcome.key, event.outcome.size))
            else:
                self._others += 1

    def lines(self, bucket: str) -> Iterator[str]:
        """Yield the tree, and the number of objects that are not in it."""
        yield from tree_lines(bucket, self._objects)
        if self._others:
            yield f"and {format_count(self._others, 'more object')}; see --json or the manifest"


def tree_lines(bucket: str, objects: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Yield a bucket's keys as a tree of folders, in key order, with sizes."""
    root: dict[str, Any] = {}
    for key, size in sorted(objects):
        *folders, name = key.split("/")
        node = root
        for folder in folders:
            # An object may have the name of a folder.
            node = node.setdefault(f"{folder}/", {})
        node[name] = size
    yield f"s3://{bucket}"
    yield from _below(root, "")


def _below(node: dict[str, Any], indent: str) -> Iterator[str]:
    for place, (name, content) in enumerate(node.items(), 1):
        last = place == len(node)
        shown = printable(name.removesuffix("/"))
        line = f"{indent}{'└──' if last else '├──'} {shown}"
        if isinstance(content, int):
            yield f"{line}  {format_size(content)}"
        else:
            yield line
            yield from _below(content, f"{indent}{'    ' if last else '│   '}")
