"""What a run came to, counted as it goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

from asyncload.model.values import (
    ConcurrencySettled,
    Event,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    ManifestWritten,
    MarkerFailed,
    Outcome,
    PartitionUnmarked,
    PartKept,
    RequestsMade,
    RunStarted,
    Scanned,
    Skipped,
    StaleUploadAborted,
    StoreJudged,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
    Warned,
)

FAILURES_KEPT = 10_000
"""Failures beyond these are counted, and told as they happen, but not kept for the end."""

NAMED = 20
"""So many files of a group are named at the end, and so many groups; the others are counted."""


@dataclass(slots=True)
class FailureGroup:
    """Files that failed alike, by the same kind of error with the same hint.

    `first` are those that are named, `files` counts all.
    """

    kind: str
    hint: str
    files: int = 0
    first: list[Failed] = field(default_factory=list)

    def add(self, failed: Failed) -> None:
        """Count a file in."""
        self.files += 1
        if len(self.first) < NAMED:
            self.first.append(failed)


@dataclass(slots=True)
class Report:
    """A run's totals; an observer of its events. Sizes are in bytes.

    `verified_by` counts the files that landed by the algorithm that proved it, `replaced` those
    that took the place of other bytes. `failures` are the first files that failed, `skipped` the
    first that were skipped, and `failure_groups` counts all that failed. `kept` are bytes that an
    earlier run had sent; `aborted` counts the uploads of earlier runs that were aborted. `unmarked`
    are partitions that got no success marker because a file is missing. `store` says what the
    store's answers are worth, as far as that was found out. `excluded` counts what was
    not loaded, by reason. `requests`, `retries`, `sent` and `concurrency` are known at the end of a
    run. `run_id` names the run, `manifest` is the key of its record, None where there is none.
    """

    run_id: str = ""
    bucket: str = ""
    day: date | None = None
    started: datetime | None = None
    files: int = 0
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    failure_groups: dict[tuple[str, str], FailureGroup] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    left_open: list[UploadLeftOpen] = field(default_factory=list)
    verified_by: Counter[str] = field(default_factory=Counter)
    replaced: int = 0
    kept: int = 0
    aborted: int = 0
    requests: int = 0
    retries: int = 0
    sent: int = 0
    concurrency: ConcurrencySettled | None = None
    markers_failed: list[MarkerFailed] = field(default_factory=list)
    unmarked: list[PartitionUnmarked] = field(default_factory=list)
    store: StoreJudged | None = None
    warnings: list[Warned] = field(default_factory=list)
    manifest: str | None = None

    def observe(self, event: Event) -> None:
        """Count an event in."""
        if isinstance(event, FileFinished):
            self._count(event.outcome)
        elif isinstance(event, Excluded):
            self.excluded[event.reason] += 1
        elif isinstance(event, Scanned | LoadStarted):
            self.files, self.size = event.files, event.size
        else:
            self._count_besides(event)

    def _count_besides(self, event: Event) -> None:
        """Count what concerns parts of files, or the run."""
        if isinstance(event, PartKept):
            self.kept += event.size
        elif isinstance(event, StaleUploadAborted):
            self.aborted += 1
        elif isinstance(event, UploadLeftOpen):
            self.left_open.append(event)
        elif isinstance(event, MarkerFailed):
            self.markers_failed.append(event)
        elif isinstance(event, StoreJudged):
            self.store = event
        elif isinstance(event, PartitionUnmarked):
            self.unmarked.append(event)
        elif isinstance(event, Warned):
            self.warnings.append(event)
        else:
            self._describe_run(event)

    def _describe_run(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.run_id, self.bucket = event.run_id, event.bucket
            self.day, self.started = event.day, event.started
        elif isinstance(event, RequestsMade):
            self.requests, self.retries = event.requests, event.retries
            self.sent = event.sent
        elif isinstance(event, ConcurrencySettled):
            self.concurrency = event
        elif isinstance(event, ManifestWritten):
            self.manifest = event.key

    def _count(self, outcome: Outcome) -> None:
        kind = outcome.status
        self.counts[kind] += 1
        self.sizes[kind] += outcome.size
        if isinstance(outcome, Uploaded | Unchanged):
            self.verified_by[outcome.checksum.algorithm] += 1
        if isinstance(outcome, Uploaded):
            self.replaced += outcome.replaced
        if isinstance(outcome, Skipped) and len(self.skipped) < NAMED:
            self.skipped.append(outcome)
        if isinstance(outcome, Failed):
            self._count_failure(outcome)

    def _count_failure(self, failed: Failed) -> None:
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(failed)
        kind, hint = type(failed.error).__name__, failed.error.hint
        group = self.failure_groups.get((kind, hint))
        if group is None:
            # Where each hint is another one, the last group takes what is left.
            if len(self.failure_groups) >= NAMED:
                kind, hint = "", ""
            group = self.failure_groups.setdefault((kind, hint), FailureGroup(kind, hint))
        group.add(failed)

    @property
    def landed(self) -> int:
        """Files whose bytes are in the raw zone."""
        return self.counts["uploaded"] + self.counts["unchanged"]

    @property
    def not_reached(self) -> int:
        """Files that were found, and have no outcome because the run ended before."""
        return self.files - sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        """0 where every file landed or was skipped as asked for, 3 where something is missing."""
        done = self.landed + self.counts["skipped"] == self.files
        return 0 if done and not self.markers_failed else 3
