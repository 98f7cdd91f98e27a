"""`asyncload run --dry-run`: the plan in words or records; no request is made."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from asyncload.cli.output import stderr, stdout
from asyncload.discovery import check_volume
from asyncload.model import Event, Failed, LeftOut, PlannedUpload
from asyncload.plan import PUT_LIMIT, LoadPlan
from asyncload.planning import SLICE, add_found, check_plan
from asyncload.report import Report
from asyncload.report_json import left_out_record, outcome_record, planned_record, to_json
from asyncload.report_text import (
    failure_lines,
    format_size,
    left_out_counts,
    left_out_line,
    printable,
)
from asyncload.settings import Settings
from asyncload.source.pulse import STALLED_SECONDS, Pulse
from asyncload.source.watching import watched


def dry_run(settings: Settings, *, json: bool, quiet: bool) -> int:
    """Say what a run would upload where, and return the exit code it would begin with.

    Raises:
        AsyncloadError: the run would be refused before its first upload.
    """
    report = Report()
    tell = (_Records if json else _Words)(settings.bucket, quiet=quiet)

    def observe(event: Event) -> None:
        report.observe(event)
        if isinstance(event, LeftOut):
            tell.left_out(event)

    now = datetime.now(UTC)
    plan = LoadPlan(settings.key_layout(now), put_limit=PUT_LIMIT)
    pulse = Pulse()

    def fill() -> None:
        check_volume(settings.volume)
        found = settings.scanner(now).scan(pulse.beat)
        while entries := list(islice(found, SLICE)):
            add_found(plan, entries, observe)

    watched(fill, pulse, patience=STALLED_SECONDS)
    check_plan(plan)
    for failure in plan.failures:
        tell.failure(failure)
    for upload in plan.uploads():
        tell.upload(upload)
    tell.end(plan, report)
    return 3 if plan.failures else 0


class _Words:
    def __init__(self, bucket: str, *, quiet: bool) -> None:
        self._bucket = bucket
        self._quiet = quiet
        self._out, self._err = stdout(), stderr()

    def left_out(self, left_out: LeftOut) -> None:
        if not self._quiet:
            self._err.line(left_out_line(left_out))

    def failure(self, failure: Failed) -> None:
        for line in failure_lines(failure, self._bucket):
            self._err.line(line)

    def upload(self, upload: PlannedUpload) -> None:
        if not self._quiet:
            path = printable(upload.source.path)
            self._out.line(f"would upload {path} -> s3://{self._bucket}/{printable(upload.key)}")

    def end(self, plan: LoadPlan, report: Report) -> None:
        if not self._quiet:
            files = plan.files - len(plan.failures)
            self._out.line(
                f"would upload {files:,} of {plan.files:,} files, {format_size(plan.size)}"
            )
            for line in left_out_counts(report):
                self._out.line(line)
        self._out.flush()


class _Records:
    def __init__(self, bucket: str, *, quiet: bool) -> None:  # noqa: ARG002  # as for _Words
        self._bucket = bucket
        self._out = stdout()

    def left_out(self, left_out: LeftOut) -> None:
        self._out.line(to_json(left_out_record(left_out)))

    def failure(self, failure: Failed) -> None:
        self._out.line(to_json(outcome_record(failure, self._bucket)))

    def upload(self, upload: PlannedUpload) -> None:
        self._out.line(to_json(planned_record(upload, self._bucket)))

    def end(self, plan: LoadPlan, report: Report) -> None:  # noqa: ARG002  # as for _Words
        self._out.flush()
