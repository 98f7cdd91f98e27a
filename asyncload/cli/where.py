"""`asyncload where`: which run put a file where, and with which checksum."""

from __future__ import annotations

from asyncload.cli.ending import Ending
from asyncload.cli.output import stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.operations.history.where import where as find_places
from asyncload.reporting.history.places import place_lines, place_record
from asyncload.reporting.records import to_json, where_totals
from asyncload.reporting.text import format_count, printable
from asyncload.settings.run import Settings


def where(settings: Settings, ending: Ending, *, file: str, since: str | None) -> int:
    """Print each place of a file, and return 0, or 3 if no record has the file.

    Raises:
        AsyncloadError: the records can't be read.
    """
    out = stdout()
    found, records = run_interruptible(find_places(settings, file, since=since, warn=warn))
    ending.totals = lambda: where_totals(len(found), records)
    if ending.json:
        for place in found:
            out.line(to_json(place_record(place, settings.bucket)))
    else:
        for line in place_lines(found, settings.bucket):
            out.line(line)
    out.flush()
    if not found and not ending.json:
        err = stderr()
        prefix = f"s3://{settings.bucket}/{printable(settings.manifest_prefix)}/"
        err.line(
            f"not found: {printable(file)} is in none of {format_count(records, 'record')} "
            f"below {prefix}"
        )
        err.flush()
    return 0 if found else 3
