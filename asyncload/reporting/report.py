"""The totals of a run, counted during the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from asyncload.model.names import split_member, volume_of
from asyncload.model.values import (
    ApiRequestsMade,
    ConcurrencySettled,
    Disposed,
    Event,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ManifestWritten,
    MarkerFailed,
    Outcome,
    PartitionUnmarked,
    PartKept,
    ProcessesStarted,
    RequestsMade,
    RunStarted,
    Scanned,
    ShardJoined,
    Skipped,
    StaleUploadAborted,
    StoreJudged,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
    Warned,
)

MAX_FAILURES_KEPT = 10_000
"""Maximum number of failures kept in memory; further ones are only counted."""

MAX_NAMED = 20
"""Maximum number of files named per group, and of groups; the others are only counted."""


MAX_DATASETS = 1_000
"""Maximum number of datasets counted one by one; the files of others are counted together."""


MAX_LIMITS = 200
"""Maximum number of changes of the limit on requests that are kept."""


class DatasetTotals:
    """The files of one dataset or volume, their size in bytes, and their number by status."""

    __slots__ = ("counts", "files", "size")

    def __init__(self) -> None:
        self.files = 0
        self.size = 0
        self.counts: Counter[str] = Counter()

    def add(self, other: DatasetTotals) -> None:
        """Add the totals of another dataset."""
        self.files += other.files
        self.size += other.size
        self.counts.update(other.counts)

    def count(self, status: str, size: int) -> None:
        """Count a file."""
        self.files += 1
        self.size += size
        self.counts[status] += 1

    def forget(self, status: str, size: int) -> None:
        """Count a file no longer."""
        self.files -= 1
        self.size -= size
        self.counts[status] -= 1


@dataclass(slots=True)
class FailureGroup:
    """Files that failed with the same kind of error and the same hint.

    `first` holds the files that are named, `files` counts all.
    """

    kind: str
    hint: str
    files: int = 0
    first: list[Failed] = field(default_factory=list)

    def add(self, failed: Failed) -> None:
        """Count a file."""
        self.files += 1
        if len(self.first) < MAX_NAMED:
            self.first.append(failed)


class RequestsNow(NamedTuple):
    """The requests of a run in progress: those in flight, of the present limit, and retries."""

    in_flight: int
    limit: int
    retries: int


@dataclass(slots=True)
class Report:
    """The totals of a run; an observer of its events. Sizes are in bytes.

    `verified_by` counts loaded files by the algorithm that verified them; `replaced` counts files
    that replaced different content. `sources` counts what was done with source files after their
    load, `sources_failed` those that could not be deleted or moved because of an error, and
    `kept_sources` names the first ones that were kept, with the reason. `failures` holds the first
    failed files, `skipped` the first skipped and `replaced_files` the first that replaced different
    content; `failure_groups` counts all failures. `datasets` counts the files of each dataset, ""
    for those without a key; `other_datasets` those of datasets beyond the first 1,000. `volumes`
    counts the files of each volume if the run has several; `other_volumes` those of volumes that a
    record of the run does not name.
    `kept` is the number of bytes that an earlier run had already sent; `aborted_uploads` counts
    stale uploads of earlier runs that were aborted. `unmarked` lists partitions without a success
    marker because a file is missing. `store` says which checks the store enforces, None if it was
    not probed. `api_requests` and `api_retries` count requests to the API that a run collects from.
    `excluded` counts entries that were not loaded, by reason. `requests`, `retries`, `sent` and
    `concurrency` are set at the end of a run. `processes` is the number of processes that loaded.
    `shard` says which part of the volume was loaded; None for all of it.
    `is_early`: the volume is still scanned, so `files` and `size` are what was found so far.
    `limits` are the changes of the limit on concurrent requests: seconds since the start, limit and
    reason; at most 200, evenly thinned out.
    `run_id` identifies the run; `manifest` is the key of its manifest, None if there is none.
    `requests_now` returns the requests in flight of a run in progress.
    """

    run_id: str = ""
    bucket: str = ""
    day: date | None = None
    started: datetime | None = None
    files: int = 0
    size: int = 0
    is_early: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    failures: list[Failed] = field(default_factory=list)
    failure_groups: dict[tuple[str, str], FailureGroup] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    left_open: list[UploadLeftOpen] = field(default_factory=list)
    verified_by: Counter[str] = field(default_factory=Counter)
    replaced: int = 0
    replaced_files: list[Uploaded] = field(default_factory=list)
    datasets: dict[str, DatasetTotals] = field(default_factory=dict)
    other_datasets: DatasetTotals = field(default_factory=DatasetTotals)
    volumes: dict[str, DatasetTotals] = field(default_factory=dict)
    other_volumes: DatasetTotals = field(default_factory=DatasetTotals)
    sources: Counter[str] = field(default_factory=Counter)
    sources_failed: int = 0
    kept_sources: list[tuple[str, str]] = field(default_factory=list)
    kept: int = 0
    aborted_uploads: int = 0
    requests: int = 0
    retries: int = 0
    sent: int = 0
    api_requests: int = 0
    api_retries: int = 0
    concurrency: ConcurrencySettled | None = None
    markers_failed: list[MarkerFailed] = field(default_factory=list)
    unmarked: list[PartitionUnmarked] = field(default_factory=list)
    store: StoreJudged | None = None
    warnings: list[Warned] = field(default_factory=list)
    manifest: str | None = None
    processes: int = 1
    shard: ShardJoined | None = None
    requests_now: Callable[[], RequestsNow] | None = field(default=None, repr=False, compare=False)
    limits: list[tuple[float, int, str]] = field(default_factory=list)

    def observe(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, FileFinished):
            self._count(event.outcome)
            self.count_in(event.dataset, event.outcome.status, event.outcome.size)
            if event.source is not None:
                self._count_source(event.outcome.path, event.source)
        elif isinstance(event, Excluded):
            self.excluded[event.reason] += 1
        elif isinstance(event, Scanned | LoadStartedEarly | LoadStarted):
            self.files, self.size = event.files, event.size
            if not isinstance(event, Scanned):
                self.is_early = isinstance(event, LoadStartedEarly)
        else:
            self._count_besides(event)

    def _count_besides(self, event: Event) -> None:
        """Count an event about parts of files, or about the run."""
        if isinstance(event, PartKept):
            self.kept += event.size
        elif isinstance(event, StaleUploadAborted):
            self.aborted_uploads += 1
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
            self.name_volumes(event.volumes)
        elif isinstance(event, RequestsMade):
            self.requests, self.retries = event.requests, event.retries
            self.sent = event.sent
        elif isinstance(event, ApiRequestsMade):
            self.api_requests, self.api_retries = event.asked, event.repeated
        elif isinstance(event, ConcurrencySettled):
            self.concurrency = event
        elif isinstance(event, ManifestWritten):
            self.manifest = event.key
        elif isinstance(event, ProcessesStarted):
            self.processes = event.processes
        elif isinstance(event, ShardJoined):
            self.shard = event

    def _count(self, outcome: Outcome) -> None:
        kind = outcome.status
        self.counts[kind] += 1
        self.sizes[kind] += outcome.size
        self.count_in_volume(outcome.path, kind, outcome.size)
        if isinstance(outcome, Uploaded | Unchanged):
            self.verified_by[outcome.checksum.algorithm] += 1
        if isinstance(outcome, Uploaded):
            self.replaced += outcome.replaced
            if outcome.replaced and len(self.replaced_files) < MAX_NAMED:
                self.replaced_files.append(outcome)
        if isinstance(outcome, Skipped) and len(self.skipped) < MAX_NAMED:
            self.skipped.append(outcome)
        if isinstance(outcome, Failed):
            self._count_failure(outcome)

    def name_volumes(self, volumes: Iterable[str]) -> None:
        """Count the files of these volumes one by one: those of a run that has several."""
        for volume in volumes:
            # A watch has one run after the other.
            self.volumes.setdefault(volume, DatasetTotals())

    def count_in_volume(self, path: str, status: str, size: int) -> None:
        """Count a file in its volume, if the run has several."""
        if self.volumes and (volume := volume_of(path, self.volumes)):
            self.volumes[volume].count(status, size)

    def count_in(self, dataset: str, status: str, size: int) -> None:
        """Count a file in its dataset."""
        totals = self.datasets.get(dataset)
        if totals is None:
            totals = self.other_datasets
            if len(self.datasets) < MAX_DATASETS:
                totals = self.datasets[dataset] = DatasetTotals()
        totals.count(status, size)

    def add_dataset(self, dataset: str | None, totals: DatasetTotals) -> None:
        """Add the totals of a dataset, or with None those of several."""
        added = self.other_datasets
        known = dataset in self.datasets or len(self.datasets) < MAX_DATASETS
        if dataset is not None and known:
            added = self.datasets.setdefault(dataset, DatasetTotals())
        added.add(totals)

    def add_volume(self, volume: str | None, totals: DatasetTotals) -> None:
        """Add the totals of a volume, or with None those of several."""
        added = self.other_volumes
        if volume is not None:
            added = self.volumes.setdefault(volume, DatasetTotals())
        added.add(totals)

    def add_limit(self, seconds: float, limit: int, reason: str) -> None:
        """Add the limit on concurrent requests, unless it is as it was."""
        if self.limits and self.limits[-1][1:] == (limit, reason):
            return
        if len(self.limits) >= MAX_LIMITS:
            del self.limits[1::2]
        self.limits.append((seconds, limit, reason))

    def first_volumes(self, most: int) -> tuple[list[tuple[str, DatasetTotals]], DatasetTotals]:
        """Return at most so many of several volumes, and the rest together."""
        first, rest = _first(self.volumes, most)
        rest.add(self.other_volumes)
        return first, rest

    def first_datasets(self, most: int) -> tuple[list[tuple[str, DatasetTotals]], DatasetTotals]:
        """Return at most so many datasets, in the order of their names, and the rest together."""
        first, rest = _first(self.datasets, most)
        rest.add(self.other_datasets)
        return first, rest

    def _count_source(self, path: str, source: Disposed) -> None:
        # That of the last member of an archive is the archive's.
        path, _ = split_member(path)
        self.sources[source.status] += 1
        self.sources_failed += source.failed
        if source.status == "kept" and len(self.kept_sources) < MAX_NAMED:
            self.kept_sources.append((path, source.reason))

    def _count_failure(self, failed: Failed) -> None:
        if len(self.failures) < MAX_FAILURES_KEPT:
            self.failures.append(failed)
        self.failure_group(type(failed.error).__name__, failed.error.hint).add(failed)

    def failure_group(self, kind: str, hint: str) -> FailureGroup:
        """Return the group of failures of a kind and with a hint."""
        group = self.failure_groups.get((kind, hint))
        if group is None:
            # If there are too many different hints, the last group collects the rest.
            if len(self.failure_groups) >= MAX_NAMED:
                kind, hint = "", ""
            group = self.failure_groups.setdefault((kind, hint), FailureGroup(kind, hint))
        return group

    def forget_failure(self, failed: Failed) -> None:
        """Count a failed file without a key no longer, because another shard has counted it."""
        self.files -= 1
        self.size -= failed.size
        self.counts["failed"] -= 1
        self.sizes["failed"] -= failed.size
        self.failure_group(type(failed.error).__name__, failed.error.hint).files -= 1
        self.datasets.get("", self.other_datasets).forget("failed", failed.size)
        if volume := volume_of(failed.path, self.volumes):
            self.volumes[volume].forget("failed", failed.size)

    @property
    def landed(self) -> int:
        """Number of files that are in the raw zone."""
        return self.counts["uploaded"] + self.counts["unchanged"] + self.counts["present"]

    @property
    def not_reached(self) -> int:
        """Number of files without an outcome, because the run ended early."""
        return self.files - sum(self.counts.values())

    @property
    def exit_code(self) -> int:
        """0 if every file landed or was skipped with `--skip-existing`, else 3.

        Also 3 if a marker could not be written, or a source file not be deleted or moved.
        """
        done = self.landed + self.counts["skipped"] == self.files
        return 0 if done and not self.markers_failed and not self.sources_failed else 3


def _first(
    totals: Mapping[str, DatasetTotals], most: int
) -> tuple[list[tuple[str, DatasetTotals]], DatasetTotals]:
    """Return at most so many totals, in the order of their names, and the rest together."""
    ordered = sorted(totals.items())
    rest = DatasetTotals()
    for _, others in ordered[most:]:
        rest.add(others)
    return ordered[:most], rest
