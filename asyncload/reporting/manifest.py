"""The manifest of a run: one JSON document in the bucket, written while the run is in progress.

The first line opens the document and describes the run, the last line closes it with the totals,
and each line between describes one file. So it can be read line by line and written in constant
memory: a long manifest is uploaded in parts during the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
from asyncload.model.version import VERSION
from asyncload.reporting.records import VERSION as RECORD_VERSION
from asyncload.reporting.records import file_fields, format_time, to_json
from asyncload.reporting.report import Report
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectInfo, ObjectStore, Part
from asyncload.transfer import TransferPolicy, abort_upload

INFO = ObjectInfo(content_type="application/json", bookkeeping=True)

PART_SIZE = 8 * 1024 * 1024
"""Size of one part of a manifest, in bytes."""


def manifest_key(prefix: str, run_id: str) -> ObjectKey:
    """Return the key of a run's manifest."""
    return ObjectKey(f"{prefix}/{run_id}.json")


def describe_settings(settings: Settings) -> dict[str, Any]:
    """Return all settings in JSON types; they contain no secrets."""
    described = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(settings).items()
    }
    if len(settings.volumes) > 1:
        described["volume"] = [str(volume) for volume in settings.volumes]
    return described


def describe_run(settings: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Return the description of a run for its manifest, with its settings in JSON types."""
    assert report.started is not None, "a run that is recorded has started"
    shard = {} if report.shard is None else {"shard": report.shard._asdict()}
    return {
        "version": RECORD_VERSION,
        "type": "run",
        "run_id": report.run_id,
        "bucket": report.bucket,
        "date": report.day.isoformat() if report.day is not None else None,
        "started": format_time(report.started),
        "asyncload": VERSION,
        "settings": settings,
        **shard,
    }


class Manifest:
    """An observer that collects a run's outcomes and uploads them.

    Args:
        store: the store to write to.
        key: the manifest's object key.
        run: the description of the run: id, settings and start.
        policy: determines the checksum algorithm.
        now: returns the current time.
        emit: receives an event if the manifest's own upload stays open.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        run: Mapping[str, Any],
        policy: TransferPolicy,
        now: Callable[[], datetime],
        emit: Callable[[UploadLeftOpen], None],
    ) -> None:
        self.key = key
        self.error: AsyncloadError | None = None
        self.closed = False
        self._store = store
        self._policy = policy
        self._now = now
        self._emit = emit
        self._text = bytearray(f'{{"run":{to_json(run)},"files":[\n'.encode())
        self._separator = ""
        self._enough = asyncio.Event()
        self._upload_id: str | None = None
        self._parts: list[Part] = []
        self._crcs: list[tuple[int, int]] = []

    def observe(self, event: Event) -> None:
        """Add a file's outcome."""
        if not isinstance(event, FileFinished) or self.error is not None:
            return
        entry = to_json(file_fields(event, self._now()))
        self._text += f"{self._separator}{entry}".encode()
        self._separator = ",\n"
        if len(self._text) >= PART_SIZE:
            self._enough.set()

    async def add_recorded(self, lines: Sequence[bytes]) -> None:
        """Add entries in the form that another manifest has them in, and send full parts.

        Raises:
            StoreError: a part can't be sent.
        """
        self._text += self._separator.encode() + b",\n".join(lines)
        self._separator = ",\n"
        while len(self._text) >= PART_SIZE:
            await self._send_part(PART_SIZE)

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        """Upload full parts while the body runs; call `close` or `give_up` afterwards."""
        async with Group() as group:
            sending = group.create_task(self._send_as_it_grows())
            try:
                yield
            finally:
                group.stop(sending)

    async def close(self, summary: Mapping[str, Any]) -> Warned | None:
        """Write the rest; return a warning if the manifest could not be written."""
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
            "the files are not affected; use --no-manifest to write no manifest",
        )

    async def _send_as_it_grows(self) -> None:
        try:
            while True:
                await self._enough.wait()
                await self._send_part(PART_SIZE)
                if len(self._text) < PART_SIZE:
                    self._enough.clear()
        except AsyncloadError as error:
            # The load continues without a manifest; `close` returns the warning.
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
        # Only after success: `close` repeats a cancelled attempt.
        del self._text[:size]
        self._parts.append(Part(number, result.etag, sent))
        self._crcs.append((crc.update(body, 0), len(body)))

    async def _open_upload(self) -> str:
        upload_id = await self._store.create_multipart(
            self.key, algorithm=self._policy.sent_algorithm, info=INFO
        )
        # Set at once, so that a cancelled caller can abort the upload.
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
        assert checksum is not None, "the algorithm of a policy is always available"
        return checksum

    async def give_up(self) -> None:
        """Abort the open upload; emit an event if that fails."""
        if self._upload_id is None:
            return
        upload_id, self._upload_id = self._upload_id, None

        def emit(reason: str) -> None:
            self._emit(UploadLeftOpen("", self.key, upload_id, reason))

        grace = self._policy.grace
        await abort_upload(self._store, self.key, upload_id, grace=grace, left_open=emit)
