"""`_SUCCESS` in each partition all of whose files landed: the last thing that is written there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from asyncload.aio.groups import for_each
from asyncload.bucket.key_index import KeyIndex
from asyncload.errors import AccessDenied, AsyncloadError, RequestRejected, SourceUnreadable
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
from asyncload.planning.plan import LoadPlan
from asyncload.store.protocol import ObjectInfo, ObjectStore
from asyncload.transfer import TransferPolicy

INFO = ObjectInfo(content_type="application/octet-stream", bookkeeping=True)

_WORKERS = 32
# How a scan calls the volume itself.
_ROOT = "."


class SuccessMarkers:
    """Knows, as an observer, the partitions that lack a file, and keeps markers true.

    A marker that an earlier run left is removed before this run changes its partition, and where a
    file of the partition is missing: nobody should take for complete what is being changed.

    Args:
        layout: says which partition a file belongs to.
        store: where the markers are.
        observe: is told what goes wrong.

    Attributes:
        listed: what was found where this run looked; a partition that it says has no marker is not
            asked about again. None where nothing was looked for.
    """

    def __init__(
        self, layout: KeyLayout, store: ObjectStore, observe: Callable[[Event], None]
    ) -> None:
        self._layout = layout
        self._store = store
        self._observe = observe
        self._reasons: dict[str, str] = {}
        self._others: defaultdict[str, int] = defaultdict(int)
        # Why no partition may be marked.
        self._unknown = ""
        self.listed: KeyIndex | None = None
        # Hashes: there may be a partition for each file.
        self._removed: set[int] = set()
        self._removing: dict[str, asyncio.Lock] = {}
        self._may_remove = True

    def observe(self, event: Event) -> None:
        """Take in a file's outcome."""
        if not isinstance(event, FileFinished) or not isinstance(event.outcome, Failed | Skipped):
            return
        outcome = event.outcome
        path = outcome.path
        if isinstance(outcome, Skipped):
            self._lacks(self._layout.partition_of(path), f"{path} was skipped")
            return
        self._lacks(self._layout.partition_of(path), f"{path} failed")
        if outcome.key is None and isinstance(outcome.error, SourceUnreadable):
            # It may be a folder: then its files are missing, and could be anywhere a rule says.
            reason = f"{path} can't be listed, and may hold files of it"
            if path == _ROOT:
                self._unknown = "the volume can't be listed to its end"
            for partition in self._layout.partitions_below(path):
                if partition not in self._reasons:
                    self._lacks(partition, reason)

    def _lacks(self, partition: str, reason: str) -> None:
        if partition in self._reasons:
            self._others[partition] += 1
        else:
            self._reasons[partition] = reason

    def _why_not(self, partition: str) -> str:
        """Return why a partition is not to be marked, "" where it is."""
        reason = self._reasons.get(partition, self._unknown)
        others = self._others.get(partition, 0)
        return f"{reason}, and {others:,} more" if others else reason

    async def before_change(self, partition: str) -> None:
        """Remove a partition's marker before its first object is written.

        Raises:
            StoreError: the store can't be asked.
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
            # Deleting what is not there would leave a trace in a versioned bucket.
            if await self._store.head(key) is not None:
                await self._store.delete(key)
        except (AccessDenied, RequestRejected) as error:
            told, self._may_remove = not self._may_remove, False
            if told:
                return
            self._observe(
                Warned(
                    f"success markers of earlier runs may not be removed, so they stay while their "
                    f"partitions are changed: {error.message}",
                    f"permit s3:GetObject and s3:DeleteObject on keys that end in {SUCCESS_MARKER}",
                )
            )

    async def write(self, plan: LoadPlan, policy: TransferPolicy) -> None:
        """Mark the complete partitions; tell of those that are not marked, and why."""
        checksum = checksum_of(b"", policy.sent_algorithm)
        assert checksum is not None, "what a policy sends can be computed"

        async def conclude(partition: str) -> None:
            try:
                if reason := self._why_not(partition):
                    self._observe(PartitionUnmarked(partition, reason))
                    await self.before_change(partition)
                    return
                key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
                # Again and again the same: an earlier run's is replaced.
                await self._store.put(key, b"", checksum, create_only=False, info=INFO)
            except AsyncloadError as error:
                self._observe(MarkerFailed(partition, error))

        await for_each((partition for partition, _ in plan.partitions), conclude, _WORKERS)
