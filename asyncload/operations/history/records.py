"""Find the records of past runs in the bucket, and read what they say of each run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from asyncload.aio.groups import for_each
from asyncload.model.values import ObjectKey
from asyncload.reporting.history.summary import UnreadableRun
from asyncload.reporting.manifest_reading import read_ends
from asyncload.reporting.recorded import OddRecordError, PastRun, past_run, run_record
from asyncload.store.protocol import ObjectStore, pages_of

_SUFFIX = ".json"
_RUN_ID = re.compile(r"(\d{8}T\d{6})Z-[^/]+")
# Ids of runs begin with the year. Other objects below the prefix have other names.
_CENTURY = "2"


class FoundRecord(NamedTuple):
    """The manifest of a run: its key, its size in bytes, and id and start of the run."""

    key: ObjectKey
    size: int
    run_id: str
    started: datetime


async def find_records(
    store: ObjectStore, prefix: str, since: datetime | None = None
) -> list[FoundRecord]:
    """Return the records of the runs that started at `since` or later, in the order of their start.

    `prefix` is that of the manifests.

    Raises:
        AccessDenied: the records can't be listed.
        StoreError: the store can't be queried.
    """
    folder = f"{prefix}/"
    after = f"{folder}{since.astimezone(UTC):%Y%m%d}" if since is not None else ""
    listing = partial(store.list_objects, f"{folder}{_CENTURY}", start_after=after)
    found = []
    async for page in pages_of(listing):
        for listed in page:
            run_id = listed.key.removeprefix(folder).removesuffix(_SUFFIX)
            started = start_of(run_id)
            if started is None or f"{folder}{run_id}{_SUFFIX}" != listed.key:
                continue
            if since is None or started >= since:
                found.append(FoundRecord(ObjectKey(listed.key), listed.size, run_id, started))
    return sorted(found, key=lambda record: (record.started, record.key))


def start_of(run_id: str) -> datetime | None:
    """Return the start of a run by its id; None if the text is not the id of a run."""
    found = _RUN_ID.fullmatch(run_id)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


async def read_runs(
    store: ObjectStore, records: Iterable[FoundRecord], concurrency: int
) -> list[PastRun | UnreadableRun]:
    """Read runs by the first and the last line of their records, in the order of their start.

    Raises:
        StoreError: the store can't be queried.
    """
    runs: list[PastRun | UnreadableRun] = []

    async def read(record: FoundRecord) -> None:
        try:
            runs.append(await read_run(store, record))
        except OddRecordError as error:
            odd = UnreadableRun(record.key, record.run_id, record.started, str(error))
            runs.append(odd)

    await for_each(iter(records), read, concurrency)
    # The time in an id has no fractions of a second.
    return sorted(runs, key=lambda run: (run.started, run.manifest))


async def read_run(store: ObjectStore, record: FoundRecord) -> PastRun:
    """Read a run by the first and the last line of its record.

    Raises:
        OddRecordError: the object is not a complete record that can be read.
        StoreError: the store can't be queried.
    """
    ends = await read_ends(store, record.key, record.size)
    assert ends is not None, "its size is known"
    return past_run(run_record(*ends), record.key)
