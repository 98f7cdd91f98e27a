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
    ManifestWritten,
    MarkerFailed,
    Outcome,
    PartitionUnmarked,
    PartKept,
    Scanned,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
    UploadSwept,
    Warned,
)

FAILURES_KEPT = 10_000
"""Failures beyond these are counted, and told as they happen, but not kept for the end."""


@dataclass(slots=True)
class Report:
    """A run's totals; an observer of its events. Sizes are in bytes.

    `verified_by` counts the files that landed by the algorithm that proved it, `replaced` those
    that took the place of other bytes; `kept` are bytes that an earlier run had sent; `swept`
    counts the uploads of earlier runs that were aborted. `unmarked` are the partitions that got no
    success marker because a file is missing. `run_id` names the run, `manifest` is the
    key of its record, None where there is none.
    """

    files: int = 0
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    left_open: list[UploadLeftOpen] = field(default_factory=list)
    verified_by: Counter[str] = field(default_factory=Counter)
    replaced: int = 0
    kept: int = 0
    swept: int = 0
    markers_failed: list[MarkerFailed] = field(default_factory=list)
    unmarked: list[PartitionUnmarked] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    run_id: str = ""
    manifest: str | None = None

    def observe(self, event: Event) -> None:
        """Count an event in."""
        if isinstance(event, FileFinished):
            self._count(event.outcome)
        elif isinstance(event, LeftOut):
            self.left_out[event.reason] += 1
        elif isinstance(event, Scanned | LoadStarted):
            self.files, self.size = event.files, event.size
            if isinstance(event, LoadStarted):
                self.run_id = event.run_id
        else:
            self._count_besides(event)

    def _count_besides(self, event: Event) -> None:
        """Count what is no file."""
        if isinstance(event, ManifestWritten):
            self.manifest = event.key
        elif isinstance(event, PartKept):
            self.kept += event.size
        elif isinstance(event, UploadSwept):
            self.swept += 1
        elif isinstance(event, UploadLeftOpen):
            self.left_open.append(event)
        elif isinstance(event, MarkerFailed):
            self.markers_failed.append(event)
        elif isinstance(event, PartitionUnmarked):
            self.unmarked.append(event)
        elif isinstance(event, Warned):
            self.warnings.append(event)

    def _count(self, outcome: Outcome) -> None:
        kind = outcome.status
        self.counts[kind] += 1
        self.sizes[kind] += outcome.size
        if isinstance(outcome, Uploaded | Unchanged):
            self.verified_by[outcome.checksum.algorithm] += 1
        if isinstance(outcome, Uploaded):
            self.replaced += outcome.replaced
        if isinstance(outcome, Failed) and len(self.failures) < FAILURES_KEPT:
            self.failures.append(outcome)

    @property
    def landed(self) -> int:
        """Files whose bytes are in the raw zone."""
        return self.counts["uploaded"] + self.counts["unchanged"]

    @property
    def exit_code(self) -> int:
        """0 where every file landed or was skipped as asked for, 3 where something is missing."""
        done = self.landed + self.counts["skipped"] == self.files
        return 0 if done and not self.markers_failed else 3
