"""`asyncload clean`: list, and abort, multipart uploads that nobody will complete any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from asyncload.cleaning import Leftover, find_leftovers
from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.errors import RequestRejected, UsageError
from asyncload.loading import open_bucket
from asyncload.model import ObjectKey
from asyncload.report_json import VERSION, clean_totals, error_record, format_time, to_json
from asyncload.report_text import format_error, format_size, printable
from asyncload.settings import Settings
from asyncload.store import ObjectStore


def clean(settings: Settings, ending: Ending, *, older_than: int, yes: bool) -> int:
    """List what is left open; abort it with `yes`; return 0, or 3 where something stayed.

    Args:
        settings: which bucket and layout.
        ending: is told the totals.
        older_than: in seconds: what had a new part later is left alone.
        yes: whether to abort.

    Raises:
        UsageError: the layout has no prefix of its own.
        AsyncloadError: the store can't be asked.
    """
    now = datetime.now(UTC)
    prefix = settings.key_layout(now).fixed_prefix()
    if not prefix:
        raise UsageError(
            "--layout: its keys share no prefix, and other programs' uploads are none of ours",
            hint="begin the layout with a fixed segment, or with {layer}",
        )
    telling = _Telling(settings.bucket, prefix, aborted=yes, json=ending.json)
    ending.totals = telling.totals
    run_interruptible(_clean(settings, now - timedelta(seconds=older_than), telling))
    return telling.close()


async def _clean(settings: Settings, before: datetime, telling: _Telling) -> None:
    async with open_bucket(settings, telling.prefix, warn) as store:
        # All are found before the first is aborted: a listing must not change under us.
        leftovers = [found async for found in find_leftovers(store, telling.prefix, before)]
        for leftover in leftovers:
            telling.tell(leftover, await _abort(store, leftover) if telling.aborted else None)


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
        self._count = self._size = self._failed = 0

    def tell(self, leftover: Leftover, error: RequestRejected | None) -> None:
        self._count += 1
        self._size += leftover.size
        self._failed += error is not None
        upload = leftover.upload
        if self._json:
            record = {
                "version": VERSION,
                "type": "upload",
                "status": self._status(error),
                "bucket": self._bucket,
                "key": upload.key,
                "upload_id": upload.upload_id,
                "initiated": format_time(upload.initiated),
                "last_activity": format_time(leftover.last_activity),
                "parts": leftover.parts,
                "size": leftover.size,
            }
            if error is not None:
                record["error"] = error_record(error)
            self._out.line(to_json(record))
        else:
            self._out.line(
                f"{self._status(error)}: s3://{self._bucket}/{printable(upload.key)}: "
                f"{leftover.parts:,} parts, {format_size(leftover.size)}, "
                f"begun {upload.initiated:%Y-%m-%d %H:%M} UTC, id {printable(upload.upload_id)}"
            )
        if error is not None:
            err = stderr()
            err.line(f"error: {format_error(error)}")
            err.flush()

    def _status(self, error: RequestRejected | None) -> str:
        return "aborted" if self.aborted and error is None else "left open"

    def totals(self) -> dict[str, Any]:
        """Return the command's part of its summary."""
        return clean_totals(self.prefix, self._count, self._size, self._done)

    @property
    def _done(self) -> int:
        return self._count - self._failed if self.aborted else 0

    def close(self) -> int:
        """Tell the totals, and return the exit code."""
        if not self._json:
            where = f"below s3://{self._bucket}/{printable(self.prefix)}"
            text = f"{self._count:,} left-over uploads {where}, {format_size(self._size)}"
            hint = f"; {self._done:,} aborted" if self.aborted else "; --yes aborts them"
            self._out.line(text + (hint if self._count else ""))
        self._out.flush()
        return 3 if self._failed else 0
