"""List past runs, and find the days without data."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo

from asyncload.aio.groups import for_each
from asyncload.errors import AccessDenied, InvalidKey, UsageError
from asyncload.model.reserved import RUN
from asyncload.model.values import ObjectKey
from asyncload.operations.bucket import open_bucket
from asyncload.operations.history.records import find_records, read_runs
from asyncload.operations.observing import check_arguments
from asyncload.operations.run import utc_now
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.history.calendar import WEEK, Calendar, Day
from asyncload.reporting.history.summary import History, UnreadableRun
from asyncload.reporting.manifest_reading import UnreadableRecordError, read_entries
from asyncload.reporting.recorded import LAYOUT_SETTINGS, PastRun
from asyncload.settings.parsing import as_weekdays
from asyncload.settings.run import Settings, find_timezone, resolve_moment
from asyncload.store.protocol import ObjectStore

DEFAULT_SINCE = "30d"

# Records before the first one that are read for the datasets that they have.
_MAX_BEFORE = 20
_DAYS_BEFORE = 7
# Days without a recorded file whose objects are looked at, and objects of each.
_MAX_LOOKED_AT = 200
_FEW = 20
_AT_ONCE = 32
_NOT_DATA = ("_", ".")
_SLICE = 1_000
# Ids of runs begin with 2.
_FIRST_RUN = datetime(2000, 1, 8, tzinfo=UTC).timestamp()


async def runs(
    settings: Settings,
    *,
    since: str = DEFAULT_SINCE,
    weekdays: str | None = None,
    now: datetime | None = None,
) -> History:
    """Read the records of the runs since a point in time. Nothing is written.

    Args:
        settings: the bucket, the prefix of manifests and the time zone; the volume is not read.
        since: a date, a date with a time, `today`, `yesterday`, or a duration before `now`; the
            whole day counts.
        weekdays: the days of the week on which datasets are expected, such as `mon-fri`; None for
            all of them.
        now: the present time; None for this machine's.

    Returns:
        The runs that started since then, and the days of each dataset: up to yesterday, and later
        ones that a run has loaded.

    Raises:
        UsageError: a setting, `since` or `weekdays` is invalid.
        Refused: credentials, permission, bucket or region; see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable.
    """
    check_arguments("runs", settings, None)
    present = now or utc_now()
    start = first_moment(settings, since, present)
    expected = as_weekdays("--weekdays", weekdays) if weekdays is not None else WEEK
    async with open_bucket(settings, f"{settings.manifest_prefix}/") as store:
        return await read_history(store, settings, start, present, expected)


def first_moment(settings: Settings, since: str, now: datetime) -> datetime:
    """Return the beginning of the day that `since` is in, in the time zone of the settings.

    Raises:
        UsageError: `since` is not a point in time, or in the future.
    """
    zone = find_timezone(settings.timezone)
    seconds = max(resolve_moment(since, now, zone, "--since"), _FIRST_RUN)
    if seconds > now.timestamp():
        raise UsageError(f"--since: {since!r} is in the future", hint="use an earlier time")
    start = datetime.fromtimestamp(seconds, zone)
    return start.replace(hour=0, minute=0, second=0, microsecond=0)


async def read_history(
    store: ObjectStore,
    settings: Settings,
    start: datetime,
    now: datetime,
    weekdays: Collection[int] = WEEK,
) -> History:
    """Read the records of the runs since `start`, as `runs` does, from an open store."""
    prefix = settings.manifest_prefix
    records = await find_records(store, prefix, start - timedelta(days=_DAYS_BEFORE))
    wanted = [record for record in records if record.started >= start]
    before = [record for record in records if record.started < start][-_MAX_BEFORE:]
    calendar = Calendar(weekdays)
    for earlier in await read_runs(store, before, _AT_ONCE):
        if isinstance(earlier, PastRun):
            calendar.expect(earlier)
    read = await read_runs(store, wanted, _AT_ONCE)
    found = [await _add(run, calendar, store, start.tzinfo) for run in read]
    today = now.astimezone(start.tzinfo).date()
    days = list(calendar.days(start.date(), today - timedelta(days=1), today))
    await _look_for_traces(days, calendar, store)
    return History(prefix, start, found, days)


async def _add(
    run: PastRun | UnreadableRun, calendar: Calendar, store: ObjectStore, zone: tzinfo | None
) -> PastRun | UnreadableRun:
    """Add a run to the calendar; return it, or why its files can't be read."""
    if isinstance(run, UnreadableRun):
        return run
    with_files = calendar.wants_files(run)
    calendar.add_run(run)
    if not with_files:
        return run
    number = 0
    try:
        async for entry in read_entries(store, ObjectKey(run.manifest)):
            number += 1
            # A file without a date of its own has failed on the day of the run.
            day = entry.day or run.day or run.started.astimezone(zone).date()
            calendar.add_file(run, entry.dataset, day, entry.path, entry.status)
            if not number % _SLICE:
                # A signal can cancel it here.
                await asyncio.sleep(0)
    except UnreadableRecordError as error:
        return UnreadableRun(run.manifest, run.run_id, run.started, f"the record {error}")
    return run


async def _look_for_traces(days: list[Day], calendar: Calendar, store: ObjectStore) -> None:
    """Find out which runs have stored objects for the latest days without a recorded file.

    A run of other datasets may have recorded the day.
    """
    unknown = [index for index, day in enumerate(days) if day.status == "missing"]
    unknown.sort(key=lambda index: days[index].day, reverse=True)

    async def look(index: int) -> None:
        day = days[index]
        run = calendar.run_of(day)
        partition = _partition(run, day) if run is not None else None
        if partition is None:
            return
        try:
            run_id = await _run_with_objects(store, partition)
        except (AccessDenied, InvalidKey):
            return
        if run_id is None:
            return
        reason = "objects exist that no run has recorded"
        if run_id:
            reason = (
                f"run {run_id} has stored objects and left no record: it was killed, is still "
                "running, or had --no-manifest"
            )
        days[index] = day._replace(status="incomplete", run_id=run_id, reason=reason)

    await for_each(iter(unknown[:_MAX_LOOKED_AT]), look, _AT_ONCE)


def _partition(run: PastRun, day: Day) -> str | None:
    """Return the partition of a day, by the layout of another run; None if it is not known."""
    if len(run.layout) < len(LAYOUT_SETTINGS):
        return None
    template, layer, origin, form = (run.layout[name] for name in LAYOUT_SETTINGS)
    try:
        layout = KeyLayout(template, layer, origin, form, day.day)
    except UsageError:
        return None
    return layout.partition_for(day.dataset) if layout.has_date else None


async def _run_with_objects(store: ObjectStore, partition: str) -> str | None:
    """Return the run that stored the first object of a partition, "" if the object does not say.

    None if the partition has no data.
    """
    page = await store.list_objects(partition, max_keys=_FEW)
    for listed in page.items:
        name = listed.key.rpartition("/")[2]
        if name and not name.startswith(_NOT_DATA):
            remote = await store.head(ObjectKey(listed.key))
            return "" if remote is None else remote.metadata.get(RUN, "")
    return None
