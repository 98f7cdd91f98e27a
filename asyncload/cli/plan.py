"""`asyncload plan` and `asyncload run --dry-run`: print what a run would do."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from math import inf

from asyncload.cli.ending import Ending
from asyncload.cli.output import log, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess
from asyncload.model.values import Excluded, Warned
from asyncload.operations.plan import plan as plan_run
from asyncload.reporting.preview import FilePlanned, PlanEvent, Preview, Prices
from asyncload.reporting.preview_records import plan_totals, planned_record
from asyncload.reporting.preview_text import planned_line, preview_lines
from asyncload.reporting.records import excluded_record, to_json
from asyncload.reporting.text import (
    excluded_entry_lines,
    excluded_line,
    failed_lines,
)
from asyncload.settings.parsing import as_pairs
from asyncload.settings.run import Settings, lock_of

# Of requests, with a price.
_KINDS = ("put", "list", "get")


def plan(
    settings: Settings, ending: Ending, *, quiet: bool, offline: bool, files: bool, price: object
) -> int:
    """Print what a run would do, and return its exit code as far as it is known.

    `price` are pairs of kinds of requests and prices, as given; `files`: print each file.

    Raises:
        AsyncloadError: the run would end before its first upload.
    """
    output = _PlanOutput(ending, settings, quiet, files, _prices(price))
    run_interruptible(plan_run(settings, offline=offline, observer=output.observe))
    output.close()
    return output.preview.exit_code


class _PlanOutput:
    def __init__(
        self, ending: Ending, settings: Settings, quiet: bool, files: bool, given: Prices | None
    ) -> None:
        self.preview = Preview()
        self._json = ending.json
        self._quiet = quiet
        self._files = files
        self._given = given
        # Before the plan: its time may be in the past.
        self._lock = lock_of(settings, datetime.now(UTC))
        # Others cost more.
        self._is_standard = (settings.storage_class or "STANDARD").upper() == "STANDARD"
        self._out, self._err = stdout(), stderr()
        ending.totals = lambda: plan_totals(self.preview, self._prices())

    def observe(self, event: PlanEvent) -> None:
        self.preview.observe(event)
        if isinstance(event, Warned):
            warn(event)
        elif self._json:
            self._write_record(event)
        elif not self._quiet:
            self._write_line(event)

    def close(self) -> None:
        if self._quiet and not self._json:
            for line in failed_lines(self.preview.report):
                self._err.line(line)
        elif not self._json:
            for line in preview_lines(self.preview, self._prices()):
                self._out.line(line)
            if self._lock is not None:
                mode, until = self._lock.mode.lower(), self._lock.until_text
                self._out.line(f"uploaded objects will be locked until {until} ({mode})")
        self._out.flush()

    def _prices(self) -> Prices | None:
        if self._given is not None:
            return self._given
        return Prices() if self.preview.aws and self._is_standard else None

    def _write_record(self, event: PlanEvent) -> None:
        report = self.preview.report
        if isinstance(event, FilePlanned):
            self._out.line(to_json(planned_record(event, report, datetime.now(UTC))))
        elif isinstance(event, Excluded):
            self._out.line(to_json(excluded_record(event, report)))

    def _write_line(self, event: PlanEvent) -> None:
        report = self.preview.report
        if isinstance(event, Excluded):
            line = excluded_line(event)
            lines = excluded_entry_lines(event, report.excluded[event.reason])
            shown = [line] if self._files else list(lines)
            if shown:
                log("entry.excluded", "info", line, shown, **event._asdict())
        elif isinstance(event, FilePlanned) and self._files:
            self._out.line(planned_line(event, report.bucket))


def _prices(given: object) -> Prices | None:
    """Return the prices that were given, if any.

    Raises:
        UsageError: a price is invalid.
    """
    pairs = as_pairs("--price", given or {})
    values = {}
    for kind, text in pairs.items():
        with suppress(ValueError):
            values[kind] = float(text)
        if kind not in _KINDS or not 0 <= values.get(kind, -1) < inf:
            raise UsageError(
                f"--price: {f'{kind}={text}'!r} is not a price",
                hint=with_guess(
                    kind if kind not in _KINDS else "",
                    _KINDS,
                    "use put, list or get and US dollars for 1,000 requests, such as put=0.005",
                ),
            )
    return Prices(**values) if values else None
