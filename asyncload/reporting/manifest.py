"""The record of what a run landed: one JSON document beside the data, written as the run goes.

Its first line opens the document and describes the run, its last one closes it with the totals;
each line between is one file. So it can be read line by line, and written in flat memory: a long
one goes to the store in parts while the run is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncload.aio.groups import Group
from asyncload.aio.shielding import run_to_end
from asyncload.errors import AsyncloadError
from asyncload.model.checksums import checksum_of
from asyncload.model.values import Checksum, Event, FileFinished, ObjectKey, UploadLeftOpen, Warned
from asyncload.reporting.records import VERSION as RECORD_VERSION
from asyncload.reporting.records import file_fields, format_time, to_json
from asyncload.reporting.report import Report
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectInfo, ObjectStore, Part
from asyncload.transfer import TransferPolicy, abort_upload
from asyncload.version import VERSION

INFO = ObjectInfo(content_type="application/json", bookkeeping=True)

PART_SIZE = 8 * 1024 * 1024
"""What is sent at once, in bytes."""


def manifest_key(prefix: str, run_id: str) -> ObjectKey:
    """Return where the manifest of a run is."""
    return ObjectKey(f"{prefix}/{run_id}.json")


def describe_run(settings: Settings, report: Report) -> dict[str, Any]:
    """Return what a manifest says of its run; there are no secrets among the settings."""
    assert report.started is not None, "a run that is recorded has begun"
    assert report.day is not None, "it has a date from its start"
    return {
        "version": RECORD_VERSION,
        "type": "run",
        "run_id": report.run_id,
        "bucket": report.bucket,
        "date": report.day.isoformat(),
        "started": format_time(report.started),
        "asyncload": VERSION,
        "settings": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(settings).items()
        },
    }


class Manifest:
    """Collects a run's outcomes, as an observer, and sends them on.

    Args:
        store: where it goes.
        key: its object key.
        run: what is said of the run: its id, settings and start.
        policy: by what checksum it is sent.
        now: tells the time.
        tell: is called if an upload of it stays open.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        run: Mapping[str, Any],
        policy: TransferPolicy,
        now: Callable[[], datetime],
        tell: Callable[[UploadLeftOpen], None],
    ) -> None:
        self.key = key
        self.error: AsyncloadError | None = None
        self.closed = False
        self._store = store
        self._policy = policy
        self._now = now
        self._tell = tell
        self._text = bytearray(f'{{"run":{to_json(run)},"files":[\n'.encode())
        self._separator = ""
        self._enough = asyncio.Event()
        self._upload_id: str | None = None
        self._parts: list[Part] = []
        self._crcs: list[tuple[int, int]] = []

    def observe(self, event: Event) -> None:
        """Take in a file's outcome."""
        if not isinstance(event, FileFinished) or self.error is not None:
            return
        entry = to_json(file_fields(event, self._now()))
        self._text += f"{self._separator}{entry}".encode()
        self._separator = ",\n"
        if len(self._text) >= PART_SIZE:
            self._enough.set()

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        """Send what has come together while the body runs; `close` or `give_up` must follow."""
        async with Group() as group:
            sending = group.create_task(self._send_as_it_grows())
            try:
                yield
            finally:
                group.stop(sending)

    async def close(self, summary: Mapping[str, Any]) -> Warned | None:
        """Write the rest; return a warning where the manifest could not be written."""
        self._text += f'\n],"summary":{to_json(summary)}}}\n'.encode()
        try:
            if self.error is None:
                await self._complete()
        except AsyncloadError as error:
            self.error = error
        self.closed = True
        if self.error is None:
            return None
        await self.give_up()
        return Warned(
            f"the manifest {self.key} could not be written: {self.error.message}",
            "this changes nothing for the files; --no-manifest does without it",
        )

    async def _send_as_it_grows(self) -> None:
        try:
            while True:
                await self._enough.wait()
                await self._send_part(PART_SIZE)
                if len(self._text) < PART_SIZE:
                    self._enough.clear()
        except AsyncloadError as error:
            # The files matter more: they go on, and `close` tells.
            self.error = error
            self._text.clear()

    async def _send_part(self, size: int) -> None:
        upload_id = self._upload_id
        if upload_id is None:
            upload_id = await run_to_end(self._open_upload(), grace=self._policy.grace)
        body = bytes(self._text[:size])
        crc = self._policy.crc
        sent = self._checksum(body)
        number = len(self._parts) + 1
        result = await self._store.upload_part(self.key, upload_id, number, body, sent)
        # Not before it is there: a cancelled attempt is repeated by `close`.
        del self._text[:size]
        self._parts.append(Part(number, result.etag, sent))
        self._crcs.append((crc.update(body, 0), len(body)))

    async def _open_upload(self) -> str:
        upload_id = await self._store.create_multipart(
            self.key, algorithm=self._policy.sent_algorithm, info=INFO
        )
        # At once: whoever was cancelled meanwhile has to abort it.
        self._upload_id = upload_id
        return upload_id

    async def _complete(self) -> None:
        if self._upload_id is None:
            body = bytes(self._text)
            await self._store.put(
                self.key, body, self._checksum(body), create_only=False, info=INFO
            )
            return
        await self._send_part(len(self._text))
        whole = None
        if self._policy.checksum != "md5":
            whole = self._policy.crc.checksum(self._policy.crc.combine(self._crcs))
        await self._store.complete_multipart(
            self.key, self._upload_id, self._parts, whole, create_only=False
        )
        self._upload_id = None

    def _checksum(self, body: bytes) -> Checksum:
        checksum = checksum_of(body, self._policy.sent_algorithm)
        assert checksum is not None, "what a policy sends can be computed"
        return checksum

    async def give_up(self) -> None:
        """Leave no upload open, or tell of it."""
        if self._upload_id is None:
            return
        upload_id, self._upload_id = self._upload_id, None

        def tell(reason: str) -> None:
            self._tell(UploadLeftOpen("", self.key, upload_id, reason))

        grace = self._policy.grace
        await abort_upload(self._store, self.key, upload_id, grace=grace, left_open=tell)
