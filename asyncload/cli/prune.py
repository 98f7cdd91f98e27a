"""`asyncload runs --prune`: list and delete old records of runs."""

from __future__ import annotations

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout
from asyncload.cli.signals import run_interruptible
from asyncload.operations.history.prune import prune as prune_records
from asyncload.operations.history.records import FoundRecord
from asyncload.reporting.history.records import runs_totals
from asyncload.reporting.records import VERSION, format_time, to_json
from asyncload.reporting.text import format_count, format_size, printable
from asyncload.settings.run import Settings


def prune(settings: Settings, ending: Ending, *, older_than: int, yes: bool) -> int:
    """List the records of runs that started longer ago, in seconds; with `yes` delete them.

    Raises:
        AsyncloadError: the records can't be listed or deleted.
    """
    out = stdout()
    bucket = settings.bucket
    seen = 0
    status = "deleted" if yes else "old"

    def observe(record: FoundRecord) -> None:
        nonlocal seen
        seen += 1
        if ending.json:
            fields = {
                "version": VERSION,
                "type": "old_record",
                "status": status,
                "run_id": record.run_id,
                "bucket": bucket,
                "manifest": record.key,
                "started": format_time(record.started),
                "size": record.size,
            }
            out.line(to_json(fields))
        else:
            out.line(f"{status}: s3://{bucket}/{printable(record.key)}")

    ending.totals = lambda: runs_totals(deleted=seen * yes)
    found = run_interruptible(prune_records(settings, older_than, delete=yes, observe=observe))
    if not ending.json:
        where = f"below s3://{bucket}/{printable(settings.manifest_prefix)}/"
        text = (
            f"{format_count(len(found.records), 'old record')} {where}, {format_size(found.size)}"
        )
        out.line(text + ("; deleted" if yes else "; --yes deletes them") * bool(found.records))
    out.flush()
    return 0
