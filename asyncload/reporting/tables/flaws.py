"""What keeps an engine from reading the files of a dataset as one table. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncload.reporting.text import format_count
from asyncload.source.tables.values import CheckedFile, FindingKind

_ROWS: frozenset[FindingKind] = frozenset(
    {"not a CSV", "long line", "quoting", "ragged rows", "unreadable rows"}
)
"""Kinds of findings about rows that an engine rejects, or reads as other values."""


@dataclass(slots=True)
class Flaws:
    """Collects them: of each kind the first file, and the number of files."""

    _found: dict[str, tuple[str, int]] = field(default_factory=dict)
    _start: tuple[str, int] | None = None

    def add(self, checked: CheckedFile) -> None:
        """Add a file."""
        seen = set()
        for finding in checked.findings:
            if finding.kind in _ROWS and finding.kind not in seen:
                seen.add(finding.kind)
                self._count(finding.kind, f"{checked.path}: {finding.message}")
        if checked.mixed_encodings:
            self._count("encoding", f"{checked.path}: the file has mixed encodings")
        if checked.columns:
            first, lines = self._start = self._start or (checked.path, checked.skipped_lines)
            if checked.skipped_lines != lines:
                text = f"{checked.path} has {checked.skipped_lines:,} lines before its table"
                self._count("lines", f"{text}, and {first} has {lines:,}")

    def _count(self, kind: str, example: str) -> None:
        first, files = self._found.get(kind, (example, 0))
        self._found[kind] = first, files + 1

    def messages(self) -> Iterator[str]:
        """Yield a message of each kind."""
        for first, files in self._found.values():
            yield first if files == 1 else f"{first}; and {format_count(files - 1, 'more file')}"
