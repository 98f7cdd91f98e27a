"""`asyncload report FILE`, and the page that `--html` writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import UsageError
from asyncload.model.values import Warned
from asyncload.operations.history.local import read_local
from asyncload.reporting.machines.foreign import check_own
from asyncload.reporting.page.figures import Figures
from asyncload.reporting.page.page import RunEnded, render_page
from asyncload.reporting.recorded import PastRun, name_failures
from asyncload.reporting.records import report_totals
from asyncload.reporting.report import Report
from asyncload.reporting.text import format_error, printable, summary_lines

_CUT = "the record ends before the summary of the run: the totals are those of the files in it"


def report_file(path: Path, ending: Ending, *, quiet: bool, html: Path | None) -> int:
    """Print the totals of a run from a local file, and return 0 if it was complete, else 3.

    Raises:
        UsageError: the file is not the record of a run, or the page can't be written.
    """
    name = str(path)
    ending.totals = lambda: report_totals(name, Report())
    past, figures, is_cut, runs = run_interruptible(read_local(path))
    ending.bucket = past.report.bucket
    ending.totals = lambda: report_totals(
        name, past.report, exit_code=past.exit_code, seconds=past.seconds, error=past.error
    )
    name_failures(past.report, figures.failed)
    out = stdout()
    if runs > 1:
        warn(
            Warned(
                f"the file has the records of {runs:,} runs: the last one is shown",
                "write the records of each run to a file of its own, or give a run id",
            )
        )
    if is_cut:
        warn(Warned(_CUT, "the run was killed, or is still running"))
    if not ending.json and not (quiet and past.exit_code == 0):
        for line in _lines(past):
            out.line(line)
    out.flush()
    if html is not None:
        write_page(html, past, figures, _CUT if is_cut else "")
    return 3 if past.exit_code else 0


def _lines(past: PastRun) -> Iterator[str]:
    report = past.report
    dated = f", date {report.day}" if report.day else ""
    yield f"run {printable(report.run_id)}, started {past.started:%Y-%m-%d %H:%M} UTC{dated}"
    yield from summary_lines(report, past.seconds)
    if past.error is not None:
        yield f"ended with exit code {past.exit_code}: {format_error(past.error)}"


def write_page(path: Path, past: RunEnded, figures: Figures, note: str = "") -> None:
    """Write the page of a run; a page that exists is replaced as a whole.

    Raises:
        UsageError: the page can't be written there.
    """
    page = render_page(past, figures, note).encode()
    try:
        check_own(path, "an HTML page", page[:9], page[:9].lower())
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            # A pipe or a device can't be replaced.
            path.write_bytes(page)
            return
        _replace(path, page)
    except OSError as error:
        raise UsageError(
            f"--html: {path} can't be written: {error.strerror}",
            hint="use a new file, or a page, in an existing folder that you may write to",
        ) from error


def _replace(path: Path, page: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(page)
            file.flush()
            # Temporary files are for their owner only.
            umask = os.umask(0)
            os.umask(umask)
            part.chmod(0o666 & ~umask)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
