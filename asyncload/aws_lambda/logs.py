"""Log an invocation as lines of JSON, which CloudWatch Logs can search by their fields."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncload.aws_lambda.wording import Wording
from asyncload.cli.output import secrets_of_environment
from asyncload.model.values import Event, Excluded, Failed, FileFinished, Warned
from asyncload.reporting.records import (
    VERSION,
    excluded_record,
    file_record,
    format_time,
    to_json,
    warning_record,
)
from asyncload.reporting.report import MAX_NAMED, Report

MAX_FAILURES = 1_000
"""Maximum number of failed files in the log of an invocation; the manifest has all."""


class Log:
    """Writes the records of one invocation, with the fields that Lambda's log levels need.

    Args:
        request_id: Lambda's id of the invocation.

    Attributes:
        wording: how messages name options.
    """

    def __init__(self, request_id: str) -> None:
        self.wording = Wording()
        self._request_id = request_id
        self._secrets = secrets_of_environment()

    def write(self, level: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write a record with a level (`INFO`, `WARN` or `ERROR`), and return it as written."""
        record = self.wording.record(record)
        fields = {
            "timestamp": format_time(datetime.now(UTC)),
            "level": level,
            "request_id": self._request_id,
        }
        # The stream of today: Lambda's runtime replaces it.
        print(self._secrets.mask(to_json(fields | record)), file=sys.stdout, flush=True)
        return record

    def observe(self, event: Event, report: Report) -> None:
        """Write an event that users should see; `report` has counted it."""
        if isinstance(event, Warned):
            self.write("WARN", warning_record(event))
        elif isinstance(event, FileFinished) and isinstance(event.outcome, Failed):
            if report.counts["failed"] <= MAX_FAILURES:
                self.write("ERROR", file_record(event, report, datetime.now(UTC)))
        elif (
            isinstance(event, Excluded)
            # The others are excluded on purpose.
            and event.reason not in ("hidden", "excluded")
            and report.excluded[event.reason] <= MAX_NAMED
        ):
            self.write("WARN", excluded_record(event, report))

    def write_traceback(self, error: BaseException) -> None:
        """Write the traceback of an internal error."""
        lines = "".join(traceback.format_exception(error))
        self.write("ERROR", {"version": VERSION, "type": "traceback", "traceback": lines})
