"""Write `_SUCCESS` into each complete partition, after all of its files."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol

from asyncload.aio.groups import for_each
from asyncload.bucket.key_index import Known
from asyncload.errors import (
    AccessDenied,
    ArchiveUnreadable,
    AsyncloadError,
    RequestRejected,
    SourceUnreadable,
)
from asyncload.model.checksums import checksum_of
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import (
    Event,
    Failed,
    FileFinished,
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    Skipped,
    Warned,
)
from asyncload.planning.keys import KeyLayout
from asyncload.store.protocol import ObjectInfo, ObjectStore
from asyncload.transfer import TransferPolicy

INFO = ObjectInfo(content_type="application/octet-stream", bookkeeping=True)

_WORKERS = 32
# The path of the volume itself in a scan.
_ROOT = "."


class ListedKeys(Protocol):
    """What is known about keys, such as a `KeyIndex`."""

    def find_key(self, key: str, partition: str) -> Known:
        """Return what is known about a key in a partition."""


class SuccessMarkers:
    """An observer that tracks incomplete partitions, and writes and removes success markers.

    A marker from an earlier run is removed before this run changes its partition, and if a file of
    the partition is missing: a partition that is incomplete or changing must have no marker.

    Args:
        layout: maps a file to its partition.
        store: the store with the markers.
        observe: receives warnings and failures.

    Attributes:
        listed: the listing of this run; a partition without a marker in it is not queried again.
            None if nothing was listed.
    """

    def __init__(
        self, layout: KeyLayout, store: ObjectStore, observe: Callable[[Event], None]
    ) -> None:
        self._layout = layout
        self._store = store
        self._observe = observe
        self._reasons: dict[str, str] = {}
        self._others: defaultdict[str, int] = defaultdict(int)
        # The reason why no partition may be marked, if any.
        self._unknown = ""
        self.listed: ListedKeys | None = None
        # Hashes, to save memory: each file may have its own partition.
        self._removed: set[int] = set()
        self._removing: dict[str, asyncio.Lock] = {}
        self._may_remove = True

    def observe(self, event: Event) -> None:
        """Record a failed or skipped file."""
        if not isinstance(event, FileFinished) or not isinstance(event.outcome, Failed | Skipped):
            return
        outcome = event.outcome
        path = outcome.path
        if self._layout.date is None and not event.partition:
            # It may be missing from any partition.
            self._unknown = f"{path} failed, and its date is unknown"
            return
        partition = event.partition or self._layout.partition_of(path)
        if isinstance(outcome, Skipped):
            self._lacks(partition, f"{path} was skipped")
            return
        self._lacks(partition, f"{path} failed")
        if outcome.key is None and isinstance(outcome.error, SourceUnreadable):
            # It may be a folder, or it is an archive, whose members belong to the folder that it is
            # in: files are missing from every partition that they could map to.
            folder = self._layout.below(path)
            reason = f"folder {path} can't be listed, and may contain files of this partition"
            if isinstance(outcome.error, ArchiveUnreadable):
                folder = folder.rpartition("/")[0] or _ROOT
                reason = f"archive {path} can't be read, and may contain files of this partition"
            if folder == _ROOT:
                self._unknown = reason if path != _ROOT else "the volume can't be listed completely"
            for partition in self._layout.partitions_below(folder):
                if partition not in self._reasons:
                    self._lacks(partition, reason)

    def _lacks(self, partition: str, reason: str) -> None:
        if partition in self._reasons:
            self._others[partition] += 1
        else:
            self._reasons[partition] = reason

    def _why_not(self, partition: str) -> str:
        """Return the reason why a partition must not be marked, "" if it may be."""
        reason = self._reasons.get(partition, self._unknown)
        others = self._others.get(partition, 0)
        return f"{reason} (and {others:,} more)" if others else reason

    async def before_change(self, partition: str) -> None:
        """Remove a partition's marker before its first object is written.

        Raises:
            StoreError: the store can't be queried.
        """
        if hash(partition) in self._removed:
            return
        async with self._removing.setdefault(partition, asyncio.Lock()):
            if hash(partition) not in self._removed:
                await self._remove(partition)
                self._removed.add(hash(partition))
        self._removing.pop(partition, None)

    async def _remove(self, partition: str) -> None:
        if not self._may_remove:
            return
        key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
        if self.listed is not None and self.listed.find_key(key, partition).state == "free":
            return
        try:
            # Deleting a missing object would create a delete marker in a versioned bucket.
            if await self._store.head(key) is not None:
                await self._store.delete(key)
        except (AccessDenied, RequestRejected) as error:
            warned, self._may_remove = not self._may_remove, False
            if warned:
                return
            self._observe(
                Warned(
                    f"success markers of earlier runs can't be removed, so they stay while their "
                    f"partitions change: {error.message}",
                    f"allow s3:GetObject and s3:DeleteObject on keys that end in {SUCCESS_MARKER}",
                )
            )

    async def write(
        self, partitions: Iterable[str], policy: TransferPolicy, *, mark: bool = True
    ) -> None:
        """Mark the complete partitions; emit an event for each of the others, with the reason.

        Unless `mark`, complete partitions stay as they are.
        """
        checksum = checksum_of(b"", policy.sent_algorithm)
        assert checksum is not None, "the algorithm of a policy is always available"

        async def conclude(partition: str) -> None:
            try:
                if reason := self._why_not(partition):
                    self._observe(PartitionUnmarked(partition, reason))
                    await self.before_change(partition)
                if reason or not mark:
                    return
                key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
                # Not create-only: a marker of an earlier run may be replaced.
                await self._store.put(key, b"", checksum, create_only=False, info=INFO)
            except AsyncloadError as error:
                self._observe(MarkerFailed(partition, error))

        await for_each(iter(partitions), conclude, _WORKERS)
