"""`asyncload verify`: compare the raw zone with the volume, or with a run's manifest."""

from __future__ import annotations

from collections.abc import Iterator

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.report import marked_line
from asyncload.cli.signals import run_interruptible
from asyncload.model.values import Warned
from asyncload.operations.verify import verify as verify_bucket
from asyncload.reporting.records import VERSION, to_json, verify_totals
from asyncload.reporting.text import format_count, format_error, printable
from asyncload.reporting.verification import Difference, Verification, VerifyEvent
from asyncload.settings.run import Settings


def verify(
    settings: Settings, ending: Ending, *, manifest: str | None, mark: bool, quiet: bool
) -> int:
    """Compare, print each difference, and return 0 if there is none, else 3.

    Raises:
        AsyncloadError: the comparison could not be completed.
    """
    out = stdout()
    result = Verification()
    ending.totals = lambda: verify_totals(
        manifest=result.manifest,
        day=result.day,
        verified_by=result.verified_by,
        locked=result.locked,
        differences=result.counts,
        run=result.run,
        marked=result.marking.partitions if result.marking else None,
    )

    def observe(event: VerifyEvent) -> None:
        result.observe(event)
        if isinstance(event, Warned):
            warn(event)
        elif isinstance(event, Difference):
            for line in _lines(event, settings.bucket, json=ending.json):
                out.line(line)

    run_interruptible(verify_bucket(settings, manifest=manifest, mark=mark, observer=observe))
    if not ending.json:
        _conclude(result, out, quiet=quiet)
        if mark and not (quiet and result.exit_code == 0):
            for line in marking_lines(result, settings.bucket):
                out.line(line)
    out.flush()
    return result.exit_code


def marking_lines(result: Verification, bucket: str) -> Iterator[str]:
    """Yield what was marked for a complete run of shards, and what was not."""
    marking = result.marking
    if marking is None:
        yield "not marked, because there are differences"
        return
    for unmarked in marking.unmarked:
        yield f"not marked: s3://{bucket}/{printable(unmarked.partition)}: {unmarked.reason}"
    for failed in marking.failed:
        where = f"s3://{bucket}/{printable(failed.partition)}"
        yield f"no success marker in {where}: {format_error(failed.error)}"
    yield marked_line(marking)


def _lines(found: Difference, bucket: str, *, json: bool) -> Iterator[str]:
    if json:
        yield to_json(
            {
                "version": VERSION,
                "type": "difference",
                "status": found.kind,
                "path": found.path,
                "bucket": bucket,
                "key": found.key,
                "reason": found.detail,
            }
        )
        return
    path = printable(found.path) if found.path is not None else ""
    target = f"s3://{bucket}/{printable(found.key)}" if found.key is not None else ""
    where = " -> ".join(filter(None, (path, target)))
    yield ": ".join(filter(None, (found.kind, where, printable(found.detail))))


def _conclude(result: Verification, out: Output, *, quiet: bool) -> None:
    if quiet and result.matches:
        return
    matching = result.verified
    text = f"{format_count(matching, 'file')} {'matches' if matching == 1 else 'match'}"
    if matching:
        counts = sorted(result.verified_by.items())
        text += f" ({', '.join(f'{n:,} by {name}' for name, n in counts)})"
    if result.locked:
        text += f", {result.locked:,} locked as asked for"
    if result.matches:
        text = f"OK: {text}"
    else:
        kinds = sorted(result.counts.items())
        total = format_count(result.counts.total(), "difference")
        text += f"; {total}: {', '.join(f'{n:,} {kind}' for kind, n in kinds)}"
    err = stderr() if quiet else out
    err.line(text)
    err.flush()
