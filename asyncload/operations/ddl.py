"""Define tables for the objects of a volume, as its files are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from asyncload.model.values import Warned
from asyncload.operations.check import check_datasets, require_duckdb
from asyncload.operations.observing import Emitter, check_arguments
from asyncload.operations.opening import open_readers
from asyncload.reporting.tables.ddl import Place, Table
from asyncload.reporting.tables.results import CheckEvent, CheckReport
from asyncload.settings.run import Settings, layout_of
from asyncload.source.tables.values import CheckedFile


async def define_tables(
    settings: Settings,
    report: CheckReport,
    *,
    first_date: date | None = None,
    database: str | None = None,
    as_text: bool = False,
    observer: Callable[[CheckEvent], None] | None = None,
    now: datetime | None = None,
) -> list[Table]:
    """Check the CSVs of a volume, and return a table for each dataset that has columns.

    A warning names each dataset without columns, such as one of empty files.

    Args:
        settings: as for the load of the volume, which gives the keys.
        report: counts what is found.
        first_date: the first date of a partition; None for that of the settings, or today.
        database: the database of the tables.
        as_text: all columns are texts.
        observer: called with each event, as by `check`.
        now: the time from which `today` and `yesterday` are computed; None for the current time.

    Raises:
        UsageError: the layout has no folder for each date, or as for `check`.
        AsyncloadError: as for `check`.
    """
    check_arguments("define_tables", settings, observer)
    require_duckdb("asyncload ddl")
    emit = Emitter(report.observe, observer)
    # Of each dataset the first file without columns, and why it has none.
    unsuitable: dict[str, str] = {}

    def note(event: CheckEvent) -> None:
        if isinstance(event, CheckedFile) and not event.columns:
            why = event.findings[0].message
            unsuitable.setdefault(event.dataset, f"{event.path}: {why}")
        emit(event)

    started = now or datetime.now(UTC)
    layout = layout_of(settings, started)
    first = first_date or layout.date or started.date()
    dated = layout.without_date()
    # An unsuitable layout is found before files are read.
    dated.folder_of("x")
    async with open_readers(settings) as readers:
        datasets = await check_datasets(settings, readers, note, started)
    checked = [dataset.checked() for dataset in datasets]
    for dataset in checked:
        if not dataset.columns:
            emit(Warned(f"{dataset.dataset} gets no table: {unsuitable[dataset.dataset]}"))
    return [
        Table(
            dataset,
            Place(settings.bucket, *dated.folder_of(dataset.dataset), first),
            database,
            as_text,
        )
        for dataset in checked
        if dataset.columns
    ]
