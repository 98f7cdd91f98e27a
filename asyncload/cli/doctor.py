"""`asyncload doctor`: find out whether a run would work, and what prevents it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.model.values import Warned
from asyncload.operations.doctor.diagnose import diagnose
from asyncload.operations.doctor.examination import words
from asyncload.reporting.diagnosis import Check, Diagnosis, DoctorEvent, Remnant
from asyncload.reporting.records import check_record, doctor_totals, to_json
from asyncload.reporting.text import format_count, printable
from asyncload.settings.run import Settings


def doctor(settings: Settings, ending: Ending, *, quiet: bool) -> int:
    """Print each check as it ends, and return 0 if a run would work, else 5."""
    out = stdout()
    counts: Counter[str] = Counter()
    ending.totals = lambda: doctor_totals(counts)

    def observe(event: DoctorEvent) -> None:
        if isinstance(event, Warned):
            warn(event)
            return
        counts[event.mark] += 1
        if ending.json:
            out.line(to_json(check_record(event)))
        elif not quiet or event.mark in ("warning", "failed"):
            for line in _lines(event):
                out.line(line)
        # A check may take long.
        out.flush()

    result = run_interruptible(diagnose(settings, observer=observe))
    ending.totals = lambda: doctor_totals(counts, result.left_behind)
    if not ending.json:
        _conclude(result, out, settings.bucket, quiet=quiet)
    out.flush()
    return result.exit_code


def _lines(check: Check) -> Iterator[str]:
    yield f"{check.mark:<8} {words(check.name)}: {printable(check.reason)}"
    if check.fix:
        yield f"  fix: {printable(check.fix)}"


def _conclude(result: Diagnosis, out: Output, bucket: str, *, quiet: bool) -> None:
    for remnant in result.left_behind:
        out.line(f"left behind: {_address(remnant, bucket)}")
    counts = result.counts
    warnings = format_count(counts["warning"], "warning")
    if not result.ready:
        line = f"a run would fail: {format_count(counts['failed'], 'check')} failed, {warnings}"
    elif quiet:
        return
    else:
        line = f"a run would work: {counts['ok']:,} ok, {warnings}"
    out.flush()
    err = stderr() if quiet else out
    err.line(line)
    err.flush()


def _address(remnant: Remnant, bucket: str) -> str:
    address = f"s3://{bucket}/{printable(remnant.key)}"
    if remnant.upload_id is None:
        return address
    return f"upload of {address}, id {printable(remnant.upload_id)}"
