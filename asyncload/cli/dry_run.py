"""`asyncload run --dry-run`: print the plan as text or records, without any request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from asyncload.cli.ending import Ending
from asyncload.cli.output import stderr, stdout
from asyncload.model.values import Event, Excluded, Failed, FileFinished, PlannedUpload, Warned
from asyncload.operations.planning import scan_plan_blocking
from asyncload.planning.plan import LoadPlan
from asyncload.reporting.records import (
    excluded_record,
    file_record,
    planned_record,
    run_totals,
    to_json,
)
from asyncload.reporting.report import Report
from asyncload.reporting.text import (
    excluded_counts,
    excluded_line,
    failed_lines,
    format_count,
    format_size,
    printable,
    warning_lines,
)
from asyncload.settings.run import Settings, layout_of


def dry_run(settings: Settings, ending: Ending, *, quiet: bool) -> int:
    """Print the uploads that a run would make, and return 0, or 3 if some files can't be uploaded.

    Raises:
        AsyncloadError: the run would end before its first upload.
    """
    now = datetime.now(UTC)
    layout = layout_of(settings, now)
    report = Report(bucket=settings.bucket, day=layout.date)
    output = _JsonOutput(report) if ending.json else _TextOutput(report, quiet=quiet)
    ending.totals = lambda: (
        run_totals(report)
        | {
            "dry_run": True,
            "planned": output.planned,
            "not_reached": report.not_reached - output.planned,
        }
    )

    def observe(event: Event) -> None:
        report.observe(event)
        if isinstance(event, Excluded):
            output.excluded(event)
        elif isinstance(event, Warned):
            for line in warning_lines(event):
                stderr().line(line)

    plan = scan_plan_blocking(settings, layout, observe, now)
    for failure in plan.failures:
        report.observe(FileFinished(failure))
    output.failures(plan.failures)
    for upload in plan.uploads():
        output.planned += 1
        output.upload(upload)
    output.end(plan)
    return 3 if plan.failures else 0


class _TextOutput:
    def __init__(self, report: Report, *, quiet: bool) -> None:
        self.planned = 0
        self._report = report
        self._quiet = quiet
        self._out, self._err = stdout(), stderr()

    def excluded(self, entry: Excluded) -> None:
        if not self._quiet:
            self._err.line(excluded_line(entry))

    def failures(self, _: Sequence[Failed]) -> None:
        for line in failed_lines(self._report):
            self._err.line(line)

    def upload(self, upload: PlannedUpload) -> None:
        if not self._quiet:
            path, key = printable(upload.source.path), printable(upload.key)
            self._out.line(f"would upload {path} -> s3://{self._report.bucket}/{key}")

    def end(self, plan: LoadPlan) -> None:
        if not self._quiet:
            self._out.line(
                f"would upload {self.planned:,} of {format_count(plan.files, 'file')}, "
                f"{format_size(plan.size)}"
            )
            for line in excluded_counts(self._report):
                self._out.line(line)
        self._out.flush()


class _JsonOutput:
    def __init__(self, report: Report) -> None:
        self.planned = 0
        self._report = report
        self._out = stdout()

    def excluded(self, entry: Excluded) -> None:
        self._out.line(to_json(excluded_record(entry, self._report)))

    def failures(self, failures: Sequence[Failed]) -> None:
        for failure in failures:
            event = FileFinished(failure)
            self._out.line(to_json(file_record(event, self._report, datetime.now(UTC))))

    def upload(self, upload: PlannedUpload) -> None:
        self._out.line(to_json(planned_record(upload, self._report)))

    def end(self, _: LoadPlan) -> None:
        self._out.flush()
