"""`asyncload collect`: connect a collection to the terminal, the report and the signals."""

from __future__ import annotations

import os
from functools import partial

from asyncload.cli.ending import Ending
from asyncload.cli.output import note
from asyncload.cli.run import RunOutput, show_run
from asyncload.operations.collect import collect as collect_answers
from asyncload.reporting.records import collect_totals
from asyncload.reporting.report import Report
from asyncload.settings.collect import CollectSettings


def collect(settings: CollectSettings, ending: Ending, *, quiet: bool) -> int:
    """Collect the answers and return the exit code.

    Raises:
        AsyncloadError: the run failed or was interrupted; its summary has been written.
    """
    if settings.api.notice and not quiet:
        note(settings.api.notice)
    report = Report(bucket=settings.target.bucket)
    ending.report, ending.totals = report, lambda: collect_totals(report)
    start = partial(collect_answers, settings, environment=dict(os.environ))
    locks = settings.target.lock_mode is not None
    return show_run(start, RunOutput(ending, report, quiet=quiet, found="answer", locks=locks))
