"""`asyncload clean`: list, and abort, multipart uploads that nobody will complete any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import RequestRejected, StoreError, UsageError
from asyncload.model.values import ObjectKey
from asyncload.operations.cleaning import LeftAlone, Leftover, find_leftovers
from asyncload.operations.load import open_bucket
from asyncload.reporting.records import VERSION, clean_totals, error_record, format_time, to_json
from asyncload.reporting.text import format_count, format_error, format_size, printable
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore, OpenUpload


def clean(settings: Settings, ending: Ending, *, older_than: int, yes: bool) -> int:
    """List what is left open; abort it with `yes`, whoever began it.

    Returns 0, or 3 where an upload could not be looked at or aborted.

    Args:
        settings: which bucket and layout.
        ending: is told the totals.
        older_than: in seconds: what had a new part later is left alone.
        yes: whether to abort.

    Raises:
        UsageError: the layout has no prefix of its own.
        AsyncloadError: the store can't be asked.
    """
    # Of whatever day: the prefix has no date in it.
    prefix = settings.key_layout(datetime.now(UTC)).fixed_prefix()
    if not prefix:
        raise UsageError(
            "--layout: its keys share no prefix, and other programs' uploads are none of ours",
            hint="begin the layout with a fixed segment, or with {layer}",
        )
    telling = _Telling(settings.bucket, prefix, aborted=yes, json=ending.json)
    ending.totals = telling.totals
    run_interruptible(_clean(settings, older_than, telling))
    return telling.close()


async def _clean(settings: Settings, older_than: int, telling: _Telling) -> None:
    async with open_bucket(settings, telling.prefix, warn) as store:
        finding = find_leftovers(store, telling.prefix, older_than, datetime.now(UTC))
        # All are found before the first is aborted: a listing must not change under us.
        found = [one async for one in finding]
        for one in found:
            if isinstance(one, LeftAlone):
                telling.leave_alone(one)
            else:
                telling.tell(one, await _abort(store, one) if telling.aborted else None)


async def _abort(store: ObjectStore, leftover: Leftover) -> RequestRejected | None:
    try:
        await store.abort_multipart(ObjectKey(leftover.upload.key), leftover.upload.upload_id)
    except RequestRejected as error:
        return error
    return None


class _Telling:
    def __init__(self, bucket: str, prefix: str, *, aborted: bool, json: bool) -> None:
        self.prefix = prefix
        self.aborted = aborted
        self._bucket = bucket
        self._json = json
        self._out: Output = stdout()
        self._count = self._size = self._failed = self._left_alone = self._unseen = 0

    def tell(self, leftover: Leftover, error: RequestRejected | None) -> None:
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
            begun = f", begun {upload.initiated:%Y-%m-%d %H:%M} UTC" if upload.initiated else ""
            by = f" by {printable(upload.initiator)}" if upload.initiator else ""
            self._out.line(
                f"{self._status(error)}: s3://{self._bucket}/{printable(upload.key)}: "
                f"{format_count(leftover.parts, 'part')}, {format_size(leftover.size)}{begun}{by}, "
                f"id {printable(upload.upload_id)}"
            )
        if error is not None:
            err = stderr()
            err.line(f"error: {format_error(error)}")
            err.flush()

    def leave_alone(self, found: LeftAlone) -> None:
        """Name an upload that is not touched, and why."""
        self._left_alone += 1
        upload, error = found.upload, found.error
        # One of a key that asyncload never writes was not to be touched; this one was.
        unseen = isinstance(error, StoreError)
        self._unseen += unseen
        if self._json:
            record = self._describe(upload, "left alone")
            self._out.line(to_json({**record, "error": error_record(error)}))
        else:
            # Which of the rules for our keys it breaks does not matter.
            reason = error.message if unseen else "asyncload never writes such a key"
            self._out.line(
                f"left alone: s3://{self._bucket}/{printable(upload.key)}: {printable(reason)}, "
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
        """Return the command's part of its summary."""
        return clean_totals(self.prefix, self._count, self._size, self._done, self._left_alone)

    @property
    def _done(self) -> int:
        return self._count - self._failed if self.aborted else 0

    def close(self) -> int:
        """Tell the totals, and return the exit code."""
        if not self._json:
            where = f"below s3://{self._bucket}/{printable(self.prefix)}"
            found = format_count(self._count, "left-over upload")
            text = f"{found} {where}, {format_size(self._size)}"
            way_out = "; --yes aborts them, whoever began them"
            hint = f"; {self._done:,} aborted" if self.aborted else way_out
            self._out.line(text + (hint if self._count else ""))
        self._out.flush()
        return 3 if self._failed or self._unseen else 0


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
