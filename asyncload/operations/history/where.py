"""Find a file in the records of past runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from asyncload.aio.groups import for_each
from asyncload.errors import UsageError
from asyncload.model.values import Warned
from asyncload.operations.bucket import open_bucket
from asyncload.operations.history.records import FoundRecord, find_records, read_run
from asyncload.operations.history.runs import first_moment
from asyncload.operations.observing import check_arguments
from asyncload.operations.run import utc_now
from asyncload.reporting.history.places import NO_MATCH, Place, needle_of, rank_of
from asyncload.reporting.manifest_reading import UnreadableRecordError, read_entries
from asyncload.reporting.recorded import OddRecordError
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore

# Records that are read at once; each piece that is read has up to 8 MiB.
_AT_ONCE = 8


class Places(NamedTuple):
    """The places of a file by key and time, and the number of records that were read."""

    found: list[Place]
    records: int


async def where(
    settings: Settings,
    file: str,
    *,
    since: str | None = None,
    warn: Callable[[Warned], None] = lambda _: None,
    now: datetime | None = None,
) -> Places:
    """Find out where past runs have put a file. Nothing is written.

    Args:
        settings: the bucket, the prefix of manifests and the time zone; the volume is not read.
        file: its path in the volume, or the end of that path; its key, or its `s3://` address.
        since: read only the runs since then, as for `runs`; None for all.
        warn: called with a warning for each record that can't be read.
        now: the present time; None for this machine's.

    Raises:
        UsageError: a setting or `since` is invalid, or the address is of another bucket.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable.
    """
    check_arguments("where", settings, None)
    wanted = _without_address(file, settings.bucket)
    start = None
    if since is not None:
        start = first_moment(settings, since, now or utc_now())
    prefix = settings.manifest_prefix
    async with open_bucket(settings, f"{prefix}/", warn) as store:
        records = await find_records(store, prefix, start)
        return await find_places(store, records, wanted, warn)


async def find_places(
    store: ObjectStore,
    records: Sequence[FoundRecord],
    wanted: str,
    warn: Callable[[Warned], None],
) -> Places:
    """Find a file, by its path or its key, in records of an open store."""
    ranked: dict[int, list[Place]] = {}

    async def look(record: FoundRecord) -> None:
        try:
            matching = [
                entry
                async for entry in read_entries(store, record.key, needle_of(wanted))
                if rank_of(entry, wanted) < NO_MATCH
            ]
            if not matching:
                return
            run = await read_run(store, record)
        except (UnreadableRecordError, OddRecordError) as error:
            warn(Warned(f"the record of run {record.run_id} was not searched: {error}"))
            return
        for entry in matching:
            rank = rank_of(entry, wanted, run.report.volumes)
            ranked.setdefault(rank, []).append(Place(run, entry, entry.day or run.day))

    await for_each(iter(records), look, _AT_ONCE)
    best = ranked[min(ranked)] if ranked else []
    return Places(sorted(best, key=_order), len(records))


def _order(place: Place) -> tuple[str, str, datetime]:
    return place.entry.path, place.entry.key or "", place.run.started


def _without_address(file: str, bucket: str) -> str:
    """Return a path or key without `s3://` and the bucket, or without `./` before it."""
    if not file.startswith("s3://"):
        return file.removeprefix("./")
    named, _, key = file.removeprefix("s3://").partition("/")
    if named != bucket:
        raise UsageError(f"{file!r} is not in bucket {bucket!r}", hint="set --bucket to its bucket")
    return key
