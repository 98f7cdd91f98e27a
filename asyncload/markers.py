"""`_SUCCESS` in each partition all of whose files landed: the last thing that is written there."""

from __future__ import annotations

from asyncload.checksums import checksum_of
from asyncload.errors import AsyncloadError
from asyncload.groups import for_each
from asyncload.keys import KeyLayout
from asyncload.model import Event, Failed, FileFinished, MarkerFailed, ObjectKey, Skipped
from asyncload.plan import LoadPlan
from asyncload.reserved import SUCCESS_MARKER
from asyncload.store import ObjectInfo, ObjectStore
from asyncload.transfer import TransferPolicy

INFO = ObjectInfo(content_type="application/octet-stream", bookkeeping=True)

_WORKERS = 32


class SuccessMarkers:
    """Knows, as an observer, the partitions of which a file is missing."""

    def __init__(self, layout: KeyLayout) -> None:
        self._layout = layout
        self._incomplete: set[str] = set()

    def observe(self, event: Event) -> None:
        """Take in a file's outcome."""
        if isinstance(event, FileFinished) and isinstance(event.outcome, Failed | Skipped):
            # It may be a folder that could not be listed: then its files are missing.
            for path in (event.outcome.path, f"{event.outcome.path}/"):
                self._incomplete.add(self._layout.partition_of(path))

    async def write(
        self, plan: LoadPlan, store: ObjectStore, policy: TransferPolicy
    ) -> list[MarkerFailed]:
        """Mark the complete partitions; return those whose marker could not be written."""
        complete = {upload.partition for upload in plan.uploads()} - self._incomplete
        failed: list[MarkerFailed] = []
        checksum = checksum_of(b"", policy.sent_algorithm)
        assert checksum is not None, "what a policy sends can be computed"

        async def mark(partition: str) -> None:
            try:
                key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
                # Again and again the same: an earlier run's is replaced.
                await store.put(key, b"", checksum, create_only=False, info=INFO)
            except AsyncloadError as error:
                failed.append(MarkerFailed(partition, error))

        await for_each(iter(sorted(complete)), mark, _WORKERS)
        return failed
