"""The events and the result of a verification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from asyncload.model.values import (
    Checksum,
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    Warned,
)

DifferenceKind = Literal[
    "missing",
    "different",
    "unverified",
    "unlocked",
    "weak lock",
    "extra",
    "unreadable",
    "incomplete",
]

DIFFERENCES_KEPT = 10_000
"""Further differences are counted and emitted, but not kept in the result."""


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    """The bucket is compared with the volume for a date, with a manifest, or with a run of shards.

    The others are None. All are for a volume whose files have their own dates.
    """

    day: date | None
    manifest: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class FileVerified:
    """An object holds the bytes of its file, as `checksum` proves.

    `locked`: it also has the lock that the options or the record of the run name.
    """

    path: str
    key: str | None
    checksum: Checksum
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its kind, path, key and details.

    `unverified` is an object that can't be compared, because the store returns no usable checksum.
    `weak lock` is one that is locked for a shorter time than it should be, or in a weaker mode.
    `path` is None for an object without a file, `key` is None for a file without a valid key. Both
    are None for a shard that is `incomplete`.
    """

    kind: DifferenceKind
    path: str | None
    key: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Marking:
    """The objects written for a complete run of shards.

    `manifest` is the key of the manifest of all shards, None if it could not be written.
    `partitions` counts those with a success marker now; `unmarked` are those that get none, and
    `failed` those of which it could not be written.
    """

    manifest: ObjectKey | None
    partitions: int
    unmarked: Sequence[PartitionUnmarked] = ()
    failed: Sequence[MarkerFailed] = ()


VerifyEvent = VerificationStarted | FileVerified | Difference | Marking | Warned


@dataclass(slots=True)
class Verification:
    """The result of a verification; an observer of its events.

    `verified_by` counts the verified files by algorithm, `counts` the differences by kind, `locked`
    the verified files whose objects have the lock that they should have.
    `differences` are the first 10,000 of them. `manifest` is the key of the manifest, `day` the
    date of the volume, `run` the name of the run of shards; the others are None, and all are if
    each file has its own date. `marking` is what was written for a complete run of shards.
    """

    day: date | None = None
    manifest: str | None = None
    run: str | None = None
    verified_by: Counter[str] = field(default_factory=Counter)
    locked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    marking: Marking | None = None

    def observe(self, event: VerifyEvent) -> None:
        """Count an event."""
        if isinstance(event, FileVerified):
            self.verified_by[event.checksum.algorithm] += 1
            self.locked += event.locked
        elif isinstance(event, Difference):
            self.counts[event.kind] += 1
            if len(self.differences) < DIFFERENCES_KEPT:
                self.differences.append(event)
        elif isinstance(event, VerificationStarted):
            self.day, self.manifest, self.run = event.day, event.manifest, event.run
        elif isinstance(event, Marking):
            self.marking = event
        else:
            self.warnings.append(event)

    @property
    def verified(self) -> int:
        """The number of files whose objects hold their bytes."""
        return self.verified_by.total()

    @property
    def matches(self) -> bool:
        """Whether there is no difference."""
        return not self.counts

    @property
    def exit_code(self) -> int:
        """0 without differences and with all markers written, else 3."""
        marked = self.marking is None or not self.marking.failed
        return 0 if self.matches and marked else 3
