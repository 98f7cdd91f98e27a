"""`asyncload clean`: list and abort abandoned multipart uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.model.values import Warned
from asyncload.operations.clean import clean as clean_bucket
from asyncload.reporting.cleanup import CleanEvent, Cleanup, Leftover, SkippedUpload
from asyncload.reporting.records import VERSION, clean_totals, error_record, format_time, to_json
from asyncload.reporting.text import format_count, format_error, format_size, printable
from asyncload.settings.run import Settings
from asyncload.store.protocol import OpenUpload


def clean(settings: Settings, ending: Ending, *, older_than: int, yes: bool) -> int:
    """List open uploads; with `yes`, abort them, including uploads started by other programs.

    Returns 0, or 3 if an upload could not be inspected or aborted.

    Args:
        settings: the bucket and the layout.
        ending: receives the totals.
        older_than: seconds; uploads with a more recent part are not listed.
        yes: whether to abort.

    Raises:
        UsageError: the keys of the layout do not share a prefix.
        AsyncloadError: the store can't be queried.
    """
    output = _CleanOutput(settings.bucket, abort=yes, json=ending.json)
    ending.totals = output.totals
    run_interruptible(
        clean_bucket(settings, older_than=older_than, abort=yes, observer=output.observe)
    )
    return output.close()


class _CleanOutput:
    def __init__(self, bucket: str, *, abort: bool, json: bool) -> None:
        self._result = Cleanup()
        self._abort = abort
        self._bucket = bucket
        self._json = json
        self._out: Output = stdout()

    def observe(self, event: CleanEvent) -> None:
        self._result.observe(event)
        if isinstance(event, Leftover):
            self._add(event)
        elif isinstance(event, SkippedUpload):
            self._skip(event)
        elif isinstance(event, Warned):
            warn(event)

    def _add(self, leftover: Leftover) -> None:
        error = leftover.error
        status = "aborted" if leftover.aborted else "left open"
        upload = leftover.upload
        if self._json:
            record = {
                **self._describe(upload, status),
                "last_activity": _time(leftover.last_activity),
                "parts": leftover.parts,
                "size": leftover.size,
            }
            if error is not None:
                record["error"] = error_record(error)
            self._out.line(to_json(record))
        else:
            started = f", started {upload.initiated:%Y-%m-%d %H:%M} UTC" if upload.initiated else ""
            by = f" by {printable(upload.initiator)}" if upload.initiator else ""
            self._out.line(
                f"{status}: s3://{self._bucket}/{printable(upload.key)}: "
                f"{format_count(leftover.parts, 'part')}, {format_size(leftover.size)}"
                f"{started}{by}, id {printable(upload.upload_id)}"
            )
        if error is not None:
            err = stderr()
            err.line(f"error: {format_error(error)}")
            err.flush()

    def _skip(self, found: SkippedUpload) -> None:
        """Report an upload that is not aborted, and the reason."""
        upload, error = found.upload, found.error
        if self._json:
            record = self._describe(upload, "skipped")
            self._out.line(to_json({**record, "error": error_record(error)}))
        else:
            # Which rule for keys it breaks does not matter to the user.
            reason = (
                error.message if found.is_failure else "asyncload never writes a key of this form"
            )
            self._out.line(
                f"skipped: s3://{self._bucket}/{printable(upload.key)}: {printable(reason)}, "
                f"id {printable(upload.upload_id)}"
            )

    def _describe(self, upload: OpenUpload, status: str) -> dict[str, Any]:
        return {
            "version": VERSION,
            "type": "upload",
            "status": status,
            "bucket": self._bucket,
            "key": upload.key,
            "upload_id": upload.upload_id,
            "initiated": _time(upload.initiated),
            "initiator": upload.initiator or None,
        }

    def totals(self) -> dict[str, Any]:
        """Return the fields of the summary that only this command has."""
        result = self._result
        return clean_totals(
            result.prefix,
            len(result.leftovers),
            result.size,
            result.aborted,
            len(result.skipped),
        )

    def close(self) -> int:
        """Write the totals, and return the exit code."""
        result = self._result
        if not self._json:
            where = f"below s3://{self._bucket}/{printable(result.prefix or '')}"
            found = format_count(len(result.leftovers), "open upload")
            text = f"{found} {where}, {format_size(result.size)}"
            way_out = "; --yes aborts them, including those of other programs"
            hint = f"; {result.aborted:,} aborted" if self._abort else way_out
            self._out.line(text + (hint if result.leftovers else ""))
        self._out.flush()
        return result.exit_code


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
