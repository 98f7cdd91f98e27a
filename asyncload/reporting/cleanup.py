"""The events and the result of a cleanup of abandoned multipart uploads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from asyncload.errors import AsyncloadError, RequestRejected, StoreError
from asyncload.model.values import Warned
from asyncload.store.protocol import OpenUpload


@dataclass(frozen=True, slots=True)
class CleanupStarted:
    """The uploads below a prefix are listed; with `abort` they are aborted, too."""

    prefix: str
    abort: bool


@dataclass(frozen=True, slots=True)
class Leftover:
    """An open upload: number of parts, their bytes, and the time of the last part, if known.

    `aborted` says whether it was aborted, `error` why it could not be.
    """

    upload: OpenUpload
    parts: int
    size: int
    last_activity: datetime | None
    aborted: bool = False
    error: RequestRejected | None = None


@dataclass(frozen=True, slots=True)
class SkippedUpload:
    """An open upload that is skipped because it can't be addressed or inspected, and the error."""

    upload: OpenUpload
    error: AsyncloadError

    @property
    def is_failure(self) -> bool:
        """Whether it should have been inspected: asyncload never writes keys of other forms."""
        return isinstance(self.error, StoreError)


CleanEvent = CleanupStarted | Leftover | SkippedUpload | Warned


@dataclass(slots=True)
class Cleanup:
    """The result of a cleanup; an observer of its events. Sizes are in bytes."""

    prefix: str | None = None
    abort: bool = False
    leftovers: list[Leftover] = field(default_factory=list)
    skipped: list[SkippedUpload] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)

    def observe(self, event: CleanEvent) -> None:
        """Add an event."""
        if isinstance(event, Leftover):
            self.leftovers.append(event)
        elif isinstance(event, SkippedUpload):
            self.skipped.append(event)
        elif isinstance(event, CleanupStarted):
            self.prefix, self.abort = event.prefix, event.abort
        else:
            self.warnings.append(event)

    @property
    def size(self) -> int:
        """The bytes of all parts that were found."""
        return sum(leftover.size for leftover in self.leftovers)

    @property
    def aborted(self) -> int:
        """The number of uploads that were aborted."""
        return sum(leftover.aborted for leftover in self.leftovers)

    @property
    def exit_code(self) -> int:
        """0, or 3 if an upload could not be inspected or aborted."""
        failed = any(leftover.error for leftover in self.leftovers)
        return 3 if failed or any(skipped.is_failure for skipped in self.skipped) else 0
