"""Write the manifest of a run, also if the run fails or is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncload.aio.shielding import run_to_end
from asyncload.errors import AsyncloadError, InternalError
from asyncload.model.values import Event, ManifestWritten, ObjectKey, Warned
from asyncload.reporting.manifest import Manifest, describe_run
from asyncload.reporting.records import summary_record
from asyncload.reporting.report import Report
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import TransferPolicy

Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything that is needed to write a run's manifest.

    `key` is that of the manifest. `command` and `described` are the run's command and settings, as
    they are recorded, and `totals` returns its fields of the summary. `report` counts the run's
    events; `observe` receives the result of writing. `interruption` returns the error to record for
    a cancelled run. After a failure the manifest must be written in the remaining time of
    `policy.grace`.
    """

    settings: Settings
    key: ObjectKey
    command: str
    described: Mapping[str, Any]
    totals: Callable[[Report], Mapping[str, Any]]
    store: ObjectStore
    policy: TransferPolicy
    report: Report
    observe: Observer
    now: Callable[[], datetime]
    interruption: Callable[[], AsyncloadError]

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Observer]:
        """Record the events and the end of the body; if that fails, emit a warning."""
        if not self.settings.manifest:
            yield _ignore
            return
        manifest = Manifest(
            self.store,
            self.key,
            describe_run(self.described, self.report),
            self.policy,
            self.now,
            self.observe,
        )
        try:
            async with manifest.sent():
                yield manifest.observe
        except BaseException as error:
            await self._close_in_time(manifest, error)
            raise
        try:
            await run_to_end(self._close(manifest, None), grace=self.policy.grace)
        except asyncio.CancelledError:
            if not manifest.closed:
                await manifest.give_up()
            raise

    async def _close_in_time(self, manifest: Manifest, error: BaseException) -> None:
        """Record a failure, within the time limit for aborts."""
        grace = self.policy.grace.begin()
        closing = asyncio.wait_for(self._close(manifest, self._as_recorded(error)), grace)
        try:
            await run_to_end(closing, grace=grace)
        except TimeoutError:
            await self._give_up(manifest)
        except asyncio.CancelledError:
            if not manifest.closed:
                await self._give_up(manifest)
            raise

    async def _give_up(self, manifest: Manifest) -> None:
        await manifest.give_up()
        self.observe(Warned(f"the manifest {manifest.key} could not be written in time"))

    def _as_recorded(self, error: BaseException) -> AsyncloadError:
        if isinstance(error, AsyncloadError):
            return error
        if isinstance(error, asyncio.CancelledError):
            return self.interruption()
        return InternalError(f"internal error: {type(error).__name__}")

    async def _close(self, manifest: Manifest, error: AsyncloadError | None) -> None:
        report = self.report
        assert report.started is not None, "a run that is recorded has started"
        summary = summary_record(
            self.command,
            self.totals(report),
            bucket=report.bucket,
            started=report.started,
            finished=max(self.now(), report.started),
            exit_code=report.exit_code if error is None else error.exit_code,
            error=error,
        )
        warned = await manifest.close(summary)
        self.observe(ManifestWritten(manifest.key) if warned is None else warned)


def _ignore(_: Event) -> None:
    """Ignore the event."""
