"""What a run came to, counted as it goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from asyncload.model import (
    Event,
    Failed,
    FileFinished,
    LeftOut,
    LoadStarted,
    Outcome,
    Scanned,
    UploadLeftOpen,
)

FAILURES_KEPT = 10_000
"""Failures beyond these are counted, and told as they happen, but not kept for the end."""


@dataclass(slots=True)
class Report:
    """A run's totals; an observer of its events. Sizes are in bytes."""

    files: int = 0
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    left_open: list[UploadLeftOpen] = field(default_factory=list)

    def observe(self, event: Event) -> None:
        """Count an event in."""
        if isinstance(event, FileFinished):
            self._count(event.outcome)
        elif isinstance(event, LeftOut):
            self.left_out[event.reason] += 1
        elif isinstance(event, Scanned | LoadStarted):
            self.files, self.size = event.files, event.size
        elif isinstance(event, UploadLeftOpen):
            self.left_open.append(event)

    def _count(self, outcome: Outcome) -> None:
        kind = outcome.status
        self.counts[kind] += 1
        self.sizes[kind] += outcome.size
        if isinstance(outcome, Failed) and len(self.failures) < FAILURES_KEPT:
            self.failures.append(outcome)

    @property
    def landed(self) -> int:
        """Files whose bytes are in the raw zone."""
        return self.counts["uploaded"] + self.counts["unchanged"]

    @property
    def exit_code(self) -> int:
        """0 where every file landed, 3 where some failed or were not reached."""
        return 0 if self.landed == self.files else 3
