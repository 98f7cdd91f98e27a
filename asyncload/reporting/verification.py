"""The events and the result of a verification."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from asyncload.model.values import Checksum, Warned

DifferenceKind = Literal["missing", "different", "unverified", "extra", "unreadable"]

DIFFERENCES_KEPT = 10_000
"""Further differences are counted and emitted, but not kept in the result."""


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    """The bucket is compared with the volume for a date, or with a manifest; the other is None.

    Both are None for a volume whose files have their own dates.
    """

    day: date | None
    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class FileVerified:
    """An object holds the bytes of its file, as `checksum` proves."""

    path: str
    key: str | None
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its kind, path, key and details.

    `unverified` is an object that can't be compared, because the store returns no usable checksum.
    `path` is None for an object without a file, `key` is None for a file without a valid key.
    """

    kind: DifferenceKind
    path: str | None
    key: str | None
    detail: str


VerifyEvent = VerificationStarted | FileVerified | Difference | Warned


@dataclass(slots=True)
class Verification:
    """The result of a verification; an observer of its events.

    `verified_by` counts the verified files by algorithm, `counts` the differences by kind.
    `differences` are the first 10,000 of them. `manifest` is the key of the manifest, `day` the
    date of the volume; one of the two is None, or both if each file has its own date.
    """

    day: date | None = None
    manifest: str | None = None
    verified_by: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def observe(self, event: VerifyEvent) -> None:
        """Count an event."""
        if isinstance(event, FileVerified):
            self.verified_by[event.checksum.algorithm] += 1
        elif isinstance(event, Difference):
            self.counts[event.kind] += 1
            if len(self.differences) < DIFFERENCES_KEPT:
                self.differences.append(event)
        elif isinstance(event, VerificationStarted):
            self.day, self.manifest = event.day, event.manifest
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
        """0 if there is no difference, else 3."""
        return 0 if self.matches else 3
