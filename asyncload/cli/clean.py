"""`asyncload clean`: list and abort abandoned multipart uploads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import RequestRejected, StoreError, UsageError
from asyncload.model.values import ObjectKey
from asyncload.operations.cleaning import Leftover, SkippedUpload, find_leftovers
from asyncload.operations.load import open_bucket
from asyncload.reporting.records import VERSION, clean_totals, error_record, format_time, to_json
from asyncload.reporting.text import format_count, format_error, format_size, printable
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore, OpenUpload


def clean(settings: Settings, ending: Ending, *, older_than: int, yes: bool) -> int:
    """List open uploads; with `yes`, abort them, including uploads started by other programs.

    Returns 0, or 3 if an upload could not be inspected or aborted.

    Args:
        settings: the bucket and the layout.
        ending: receives the totals.
        older_than: seconds; uploads with a more recent part are not listed.
        yes: whether to abort.

    Raises:
        UsageError: the keys of the layout share no prefix.
        AsyncloadError: the store can't be queried.
    """
    # Any date works here: the prefix does not contain it.
    prefix = settings.key_layout(datetime.now(UTC)).fixed_prefix()
    if not prefix:
        raise UsageError(
            "--layout: the keys share no prefix, so uploads of other programs can't be excluded",
            hint="start the layout with a fixed segment, or with {layer}",
        )
    output = _CleanOutput(settings.bucket, prefix, aborted=yes, json=ending.json)
    ending.totals = output.totals
    run_interruptible(_clean(settings, older_than, output))
    return output.close()


async def _clean(settings: Settings, older_than: int, output: _CleanOutput) -> None:
    async with open_bucket(settings, output.prefix, warn) as store:
        finding = find_leftovers(store, output.prefix, older_than, datetime.now(UTC))
        # List all before aborting any, so that the listing does not change meanwhile.
        found = [one async for one in finding]
        for one in found:
            if isinstance(one, SkippedUpload):
                output.skip(one)
            else:
                output.add(one, await _abort(store, one) if output.aborted else None)


async def _abort(store: ObjectStore, leftover: Leftover) -> RequestRejected | None:
    try:
        await store.abort_multipart(ObjectKey(leftover.upload.key), leftover.upload.upload_id)
    except RequestRejected as error:
        return error
    return None


class _CleanOutput:
    def __init__(self, bucket: str, prefix: str, *, aborted: bool, json: bool) -> None:
        self.prefix = prefix
        self.aborted = aborted
        self._bucket = bucket
        self._json = json
        self._out: Output = stdout()
        self._count = self._size = self._failed = self._skipped = self._unseen = 0

    def add(self, leftover: Leftover, error: RequestRejected | None) -> None:
        self._count += 1
        self._size += leftover.size
        self._failed += error is not None
        upload = leftover.upload
        if self._json:
            record = {
                **self._describe(upload, self._status(error)),
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
                f"{self._status(error)}: s3://{self._bucket}/{printable(upload.key)}: "
                f"{format_count(leftover.parts, 'part')}, {format_size(leftover.size)}"
                f"{started}{by}, id {printable(upload.upload_id)}"
            )
        if error is not None:
            err = stderr()
            err.line(f"error: {format_error(error)}")
            err.flush()

    def skip(self, found: SkippedUpload) -> None:
        """Report an upload that is not aborted, and the reason."""
        self._skipped += 1
        upload, error = found.upload, found.error
        # A key that asyncload never writes is skipped on purpose; this upload was not.
        unseen = isinstance(error, StoreError)
        self._unseen += unseen
        if self._json:
            record = self._describe(upload, "skipped")
            self._out.line(to_json({**record, "error": error_record(error)}))
        else:
            # Which rule for keys it breaks does not matter to the user.
            reason = error.message if unseen else "asyncload never writes a key of this form"
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

    def _status(self, error: RequestRejected | None) -> str:
        return "aborted" if self.aborted and error is None else "left open"

    def totals(self) -> dict[str, Any]:
        """Return the fields of the summary that only this command has."""
        return clean_totals(self.prefix, self._count, self._size, self._done, self._skipped)

    @property
    def _done(self) -> int:
        return self._count - self._failed if self.aborted else 0

    def close(self) -> int:
        """Write the totals, and return the exit code."""
        if not self._json:
            where = f"below s3://{self._bucket}/{printable(self.prefix)}"
            found = format_count(self._count, "open upload")
            text = f"{found} {where}, {format_size(self._size)}"
            way_out = "; --yes aborts them, including those of other programs"
            hint = f"; {self._done:,} aborted" if self.aborted else way_out
            self._out.line(text + (hint if self._count else ""))
        self._out.flush()
        return 3 if self._failed or self._unseen else 0


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
