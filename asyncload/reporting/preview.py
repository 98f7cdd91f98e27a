"""The events and the result of a plan: what a run would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

from asyncload.model.names import volume_of
from asyncload.model.values import (
    Disposed,
    Failed,
    FileFinished,
    ObjectKey,
    PlannedUpload,
    ScanEvent,
    Skipped,
    Unchanged,
)
from asyncload.reporting.report import MAX_NAMED, Report

PlannedAction = Literal["upload", "replace", "unchanged", "skip", "conflict", "fail", "unknown"]
"""What a run would do with a file: upload it; replace an object with other content; leave it, since
the object has its content; skip it (`--skip-existing`); let it fail, because the object has other
content or can't be compared (`conflict`), or for another reason (`fail`). `unknown` is a file of
which only the upload itself will show whether its key is free.
"""

MAX_PARTITIONS = 10_000
"""Maximum number of partitions counted one by one; the files of further ones are counted together.
"""

SENT: tuple[PlannedAction, ...] = ("upload", "replace", "unknown")
"""The actions that send a file."""


class RequestCounts(NamedTuple):
    """Numbers of requests as S3 charges for them.

    `puts` are PUT and POST requests, `gets` GET and HEAD.
    """

    puts: int = 0
    listings: int = 0
    gets: int = 0

    @property
    def total(self) -> int:
        """The number of all requests."""
        return self.puts + self.listings + self.gets


class Prices(NamedTuple):
    """Prices of 1,000 requests in US dollars.

    The defaults are those of S3 Standard in US East (N. Virginia).

    Source: "Requests & data retrievals", https://aws.amazon.com/s3/pricing, as listed in 2025.
    Other regions and storage classes differ.
    """

    put: float = 0.005
    list: float = 0.005
    get: float = 0.0004

    def of(self, requests: RequestCounts) -> float:
        """Return the price of requests in US dollars."""
        puts, listings, gets = requests
        return (puts * self.put + listings * self.list + gets * self.get) / 1000


class PlanStarted(NamedTuple):
    """A plan of a run into `bucket` for the date `day`, None if each file has its own.

    `offline`: the bucket is not asked. `volumes` are the names of the volumes if there are several.
    """

    bucket: str
    day: date | None
    offline: bool
    volumes: Collection[str] = ()


class SourcePlanned(NamedTuple):
    """What a run would do with a source file or archive, and its size in bytes."""

    path: str
    size: int
    result: Disposed


class FilePlanned(NamedTuple):
    """The action of a run on one file, and its size in bytes.

    `outcome` is the file's outcome if nothing is sent; None for a file that is sent. `reason` says
    why the action is unknown. `key` is None and `partition` and `dataset` are "" if the file has no
    valid key. `day` is the file's date, None if it has the run's. `source` says what would follow
    from its verification for its source, or for the archive of which it is the last member; None
    if nothing would.
    """

    action: PlannedAction
    path: str
    key: ObjectKey | None
    size: int
    partition: str = ""
    dataset: str = ""
    day: date | None = None
    outcome: Unchanged | Skipped | Failed | None = None
    reason: str = ""
    source: SourcePlanned | None = None


class RequestsPlanned(NamedTuple):
    """The requests that the plan made, and about those that the run would make.

    `aws`: the store is AWS S3 itself.
    """

    made: RequestCounts
    needed: RequestCounts
    aws: bool


PlanEvent = PlanStarted | ScanEvent | FilePlanned | RequestsPlanned


@dataclass(slots=True)
class PlannedFiles:
    """Files by action: their numbers, and their sizes in bytes."""

    counts: Counter[PlannedAction] = field(default_factory=Counter)
    sizes: Counter[PlannedAction] = field(default_factory=Counter)

    def count(self, action: PlannedAction, size: int) -> None:
        """Count a file."""
        self.counts[action] += 1
        self.sizes[action] += size

    def add(self, other: PlannedFiles) -> None:
        """Add other files."""
        self.counts.update(other.counts)
        self.sizes.update(other.sizes)


@dataclass(slots=True, kw_only=True)
class PlannedPartition(PlannedFiles):
    """The files of one dataset in one partition."""

    partition: str
    dataset: str


@dataclass(slots=True)
class Preview:
    """The result of a plan of a run; an observer of its events.

    `counts` and `sizes` (in bytes) are by action. `partitions` are by their name, "" for files
    without a key, and by dataset, as a layout may put several into one; the files of those beyond
    the first 10,000 are counted in `more`. `volumes` are by their name if there are several.
    `named` has the first files that would be replaced or skipped, conflict, or are unknown, by
    action.
    `report` has the totals that are known without a run: failures, excluded entries, warnings.
    `sources` counts what would be done with source files, `source_sizes` their bytes, and
    `kept_sources` names the first that could not be deleted or moved, with the reason.
    `made` are the requests that were made for the plan, `needed` about those that the run would
    make, None if that is unknown. `aws`: the store is AWS S3 itself.
    """

    offline: bool = False
    report: Report = field(default_factory=Report)
    counts: Counter[PlannedAction] = field(default_factory=Counter)
    sizes: Counter[PlannedAction] = field(default_factory=Counter)
    partitions: dict[tuple[str, str], PlannedPartition] = field(default_factory=dict)
    more: PlannedFiles = field(default_factory=PlannedFiles)
    volumes: dict[str, PlannedFiles] = field(default_factory=dict)
    named: dict[PlannedAction, list[FilePlanned]] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    source_sizes: Counter[str] = field(default_factory=Counter)
    sources_failed: int = 0
    kept_sources: list[SourcePlanned] = field(default_factory=list)
    made: RequestCounts = field(default_factory=RequestCounts)
    needed: RequestCounts | None = None
    aws: bool = False

    def observe(self, event: PlanEvent) -> None:
        """Count an event."""
        if isinstance(event, FilePlanned):
            self._count(event)
        elif isinstance(event, PlanStarted):
            self.report.bucket, self.report.day = event.bucket, event.day
            self.offline = event.offline
            self.report.name_volumes(event.volumes)
            self.volumes = {name: PlannedFiles() for name in event.volumes}
        elif isinstance(event, RequestsPlanned):
            self.made, self.needed, self.aws = event
            self.report.requests = event.made.total
        else:
            self.report.observe(event)

    def _count(self, planned: FilePlanned) -> None:
        action = planned.action
        self.counts[action] += 1
        self.sizes[action] += planned.size
        self._partition_of(planned).count(action, planned.size)
        if self.volumes and (volume := volume_of(planned.path, self.volumes)):
            self.volumes[volume].count(action, planned.size)
        if action in ("replace", "unknown"):
            first = self.named.setdefault(action, [])
            if len(first) < MAX_NAMED:
                first.append(planned)
        if planned.source is not None:
            self._count_source(planned.source)
        if planned.outcome is not None:
            self.report.observe(finished(planned, planned.outcome))
        else:
            self.report.count_in(planned.dataset, "planned", planned.size)
            self.report.count_in_volume(planned.path, "planned", planned.size)

    def _partition_of(self, planned: FilePlanned) -> PlannedFiles:
        key = planned.partition, planned.dataset
        group = self.partitions.get(key)
        if group is not None:
            return group
        if len(self.partitions) >= MAX_PARTITIONS:
            return self.more
        group = PlannedPartition(partition=planned.partition, dataset=planned.dataset)
        self.partitions[key] = group
        return group

    def _count_source(self, source: SourcePlanned) -> None:
        status = source.result.status
        self.sources[status] += 1
        self.source_sizes[status] += source.size
        self.sources_failed += source.result.failed
        if status == "kept" and len(self.kept_sources) < MAX_NAMED:
            self.kept_sources.append(source)

    @property
    def to_send(self) -> int:
        """Number of files that would be sent."""
        return sum(self.counts[action] for action in SENT)

    @property
    def bytes_to_send(self) -> int:
        """Their size in bytes."""
        return sum(self.sizes[action] for action in SENT)

    @property
    def exit_code(self) -> int:
        """The exit code of the run, as far as it is known: 3 if files would fail, else 0."""
        fails = self.counts["conflict"] or self.counts["fail"] or self.sources_failed
        return 3 if fails else 0


def finished(planned: FilePlanned, outcome: Unchanged | Skipped | Failed) -> FileFinished:
    """Return the event that a run would emit for a file that is not sent."""
    source = planned.source.result if planned.source else None
    return FileFinished(outcome, planned.partition, planned.dataset, day=planned.day, source=source)


def emit_failures(failures: Iterable[Failed], emit: Callable[[PlanEvent], None]) -> None:
    """Emit the files that fail before anything is compared."""
    for failed in failures:
        emit(FilePlanned("fail", failed.path, failed.key, failed.size, outcome=failed))


def planned_upload(
    action: PlannedAction,
    upload: PlannedUpload,
    outcome: Unchanged | Skipped | Failed | None = None,
    reason: str = "",
    planned: SourcePlanned | None = None,
) -> FilePlanned:
    """Return the event about a file with a key."""
    source, key, partition, dataset, day = upload
    return FilePlanned(
        action, source.path, key, source.size, partition, dataset, day, outcome, reason, planned
    )
