"""`asyncload ddl`: print table definitions for the objects of a volume."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date

from asyncload.cli.output import stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import UsageError
from asyncload.model.values import Failed, Warned
from asyncload.operations.ddl import define_tables
from asyncload.reporting.tables.ddl import Table, athena_sql, duckdb_sql, glue_input, warnings_of
from asyncload.reporting.tables.results import CheckEvent, CheckReport
from asyncload.reporting.tables.text import file_lines
from asyncload.settings.objects import choose
from asyncload.settings.run import Settings

_ENGINES: dict[str, Callable[[Table], str]] = {
    "athena": athena_sql,
    "glue": lambda table: json.dumps(glue_input(table)),
    "duckdb": duckdb_sql,
}


def ddl(
    settings: Settings,
    *,
    engine: str,
    database: str | None,
    first_date: str | None,
    as_text: bool,
) -> int:
    """Print a definition for each dataset; return 0, or 3 if a file could not be read.

    Raises:
        AsyncloadError: the volume could not be checked.
    """
    engine = choose("--engine", engine, tuple(_ENGINES))
    report = CheckReport()
    out, err = stdout(), stderr()

    def observe(event: CheckEvent) -> None:
        if isinstance(event, Warned):
            warn(event)
        elif isinstance(event, Failed):
            for line in file_lines(event):
                err.line(line)

    defining = define_tables(
        settings,
        report,
        first_date=_date(first_date),
        database=database,
        as_text=as_text,
        observer=observe,
    )
    for table in run_interruptible(defining):
        for warning in warnings_of(table.dataset, engine):
            warn(Warned(f"table {table.name}: {warning}"))
        out.line(_ENGINES[engine](table))
    out.flush()
    return report.exit_code(strict=False)


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise UsageError(
            f"--first-date: {text!r} is not a valid date", hint="use a date such as 2022-05-02"
        ) from None
