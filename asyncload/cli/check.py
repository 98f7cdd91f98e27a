"""`asyncload check`: say what the CSVs of a volume contain, and what programs may stumble over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asyncload.cli.ending import Ending
from asyncload.cli.output import stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.model.values import Excluded, Failed, Scanned, Warned
from asyncload.operations.check import check as check_volume
from asyncload.reporting.records import to_json
from asyncload.reporting.tables.records import check_totals, record_of
from asyncload.reporting.tables.results import CheckEvent, CheckReport, DatasetChecked
from asyncload.reporting.tables.text import dataset_lines, file_lines, total_line
from asyncload.reporting.text import excluded_entry_lines
from asyncload.settings.run import Settings
from asyncload.source.tables.values import CheckedFile


def check(
    settings: Settings, ending: Ending, *, headers: Path | None, strict: bool, quiet: bool
) -> int:
    """Print what was found, and return 0; 3 if a file failed or, if `strict`, has findings.

    Raises:
        AsyncloadError: the volume could not be checked.
    """
    output = _CheckOutput(ending, quiet)
    run_interruptible(check_volume(settings, headers=headers, observer=output.observe))
    output.close()
    return output.report.exit_code(strict=strict)


class _CheckOutput:
    def __init__(self, ending: Ending, quiet: bool) -> None:
        self.report = CheckReport()
        self._json = ending.json
        self._quiet = quiet
        self._out, self._err = stdout(), stderr()
        ending.totals = lambda: check_totals(self.report)

    def observe(self, event: CheckEvent) -> None:
        self.report.observe(event)
        if isinstance(event, Warned):
            warn(event)
        elif isinstance(event, Scanned):
            return
        elif self._json:
            self._out.line(to_json(record_of(event)))
        elif isinstance(event, Excluded):
            if not self._quiet:
                for line in excluded_entry_lines(event, self.report.excluded[event.reason]):
                    self._err.line(line)
        elif not self._quiet or isinstance(event, Failed) or event.findings:
            for line in self._lines(event):
                self._out.line(line)

    def _lines(self, event: CheckedFile | Failed | DatasetChecked) -> Iterator[str]:
        if isinstance(event, DatasetChecked):
            return dataset_lines(event, table=not self._quiet)
        return file_lines(event)

    def close(self) -> None:
        if not self._json and not (self._quiet and self.report.clean and not self.report.failed):
            self._out.line(total_line(self.report))
        self._out.flush()
