"""Check what the CSVs of a volume contain, before or after they are loaded. Nothing is changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from asyncload.errors import UsageError
from asyncload.model.values import Failed
from asyncload.operations.headers import KnownHeaders
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scan_plan
from asyncload.reporting.tables.results import CheckEvent, CheckReport, Dataset
from asyncload.settings.container import cores
from asyncload.settings.run import Settings, layout_of
from asyncload.source.readers import Readers
from asyncload.source.volume import Volume

if TYPE_CHECKING:
    from asyncload.source.tables.values import CheckedFile

_MAX_WORKERS = 8


async def check(
    settings: Settings,
    *,
    headers: Path | None = None,
    observer: Callable[[CheckEvent], None] | None = None,
    now: datetime | None = None,
) -> CheckReport:
    """Check the CSVs that `load` would load with these settings. The bucket is not asked.

    Each file is read once, and only `headers` is written. Memory does not grow with the size of a
    file or the number of files, only with the number of columns.

    Args:
        settings: as for the load.
        headers: a file with the headers of each dataset at its last check, which are compared, and
            replaced; it need not exist. None to compare with nothing.
        observer: called with each event, in the event loop; must neither block nor be a coroutine
            function. If it raises an error, the check ends.
        now: the time from which ages of files are computed; None for the current time.

    Returns:
        The totals.

    Raises:
        UsageError: the options or the file of headers can't be used, or DuckDB is not installed.
        NothingToLoad, KeyCollision, SourceUnreadable, SourceStalled, ObserverFailed: as for `load`.
    """
    check_arguments("check", settings, observer)
    require_duckdb("asyncload check")
    known = KnownHeaders(headers) if headers is not None else None
    report = CheckReport()
    emit = Emitter(report.observe, observer)
    started = now or datetime.now(UTC)
    async with open_readers(settings) as readers:
        for dataset in await check_datasets(settings, readers, emit, started):
            checked = dataset.checked()
            emit(known.compare(checked) if known is not None else checked)
    if known is not None:
        known.write()
    return report


def require_duckdb(command: str) -> None:
    """Check that DuckDB is installed.

    Raises:
        UsageError: it is not.
    """
    if find_spec("duckdb") is None:
        raise UsageError(
            f"{command} needs DuckDB, which is not installed",
            hint=f"run {sys.executable} -m pip install 'asyncload-s3[check]'",
        )


async def check_datasets(
    settings: Settings,
    readers: Readers,
    emit: Callable[[CheckEvent], None],
    now: datetime,
) -> list[Dataset]:
    """Check all files of a volume, emit each result, and return their datasets by name."""
    # Late: it imports DuckDB.
    from asyncload.source.tables.checking import Checker

    plan = await scan_plan(settings, layout_of(settings, now), readers, emit, now)
    datasets: dict[str, Dataset] = {}
    for failed in plan.failures:
        emit(failed)
    workers = min(cores(), _MAX_WORKERS)

    def begin(volume: Volume, beat: Callable[[str], None]) -> Iterator[CheckedFile | Failed]:
        return Checker(volume, beat, workers).check(plan.uploads())

    results = readers.scan_volume(begin)
    while some := await readers.take(results, 1):
        for checked in some:
            emit(checked)
            if not isinstance(checked, Failed):
                name = checked.dataset
                datasets.setdefault(name, Dataset(name)).add(checked)
    return [datasets[name] for name in sorted(datasets)]
