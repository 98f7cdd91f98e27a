"""Name the failed files of a past run, whose totals only count them."""

from __future__ import annotations

from collections.abc import Iterable

from asyncload.model.values import ObjectKey
from asyncload.reporting.manifest_reading import UnreadableRecordError, read_entries
from asyncload.reporting.page.figures import MAX_FAILED
from asyncload.reporting.recorded import name_failures
from asyncload.reporting.report import Report
from asyncload.store.protocol import ObjectStore


async def find_failures(store: ObjectStore, report: Report, manifests: Iterable[str]) -> None:
    """Add the first failed files to the totals of a run, from its manifests.

    If a manifest can't be read, its files stay unnamed.

    Raises:
        StoreError: the store can't be queried.
    """
    if not report.counts["failed"]:
        return
    for key in map(ObjectKey, manifests):
        try:
            number = 0
            async for entry in read_entries(store, key, b'"failed"'):
                if entry.status == "failed":
                    number += 1
                    name_failures(report, [entry])
                if number == MAX_FAILED:
                    break
        except UnreadableRecordError:
            continue
