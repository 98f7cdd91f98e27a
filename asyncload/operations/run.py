"""One run: its date, totals, limits and observers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from asyncload.aio.deadline import Deadline
from asyncload.errors import AsyncloadError, DeadlineReached, Interrupted
from asyncload.model.values import (
    ConcurrencyChanged,
    ConcurrencySettled,
    Event,
    LimitReason,
    ObjectKey,
    RequestsMade,
    RunStarted,
)
from asyncload.operations.observing import Emitter
from asyncload.operations.recording import Recording
from asyncload.operations.requests import Counted, Requests, add_up, share_of
from asyncload.reporting.manifest import describe_settings, manifest_key
from asyncload.reporting.records import collect_totals, run_totals
from asyncload.reporting.report import Report, RequestsNow
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.settings.run import Settings, layout_of
from asyncload.source.disposal import Disposal
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import TransferPolicy
from asyncload.transfer.pipeline import Observer


class Run:
    """One run: its observers, counters and manifest.

    `by_clock` says that the start time came from this machine's clock. `command` and `described`
    are what the manifest says about the run; None for the settings.

    Attributes:
        running: the requests of the worker processes that run, by their numbers.
        ended: the requests of those that have ended.
    """

    def __init__(
        self,
        settings: Settings,
        policy: TransferPolicy,
        report: Report,
        observer: Observer | None,
        started: datetime,
        interruption: Callable[[], Interrupted],
        *,
        by_clock: bool,
        command: str = "run",
        described: Mapping[str, Any] | None = None,
    ) -> None:
        self._begun = time.monotonic()
        self.settings = settings
        self.command = command
        self.described = describe_settings(settings) if described is None else described
        self.by_clock = by_clock
        self.started = started
        self.report = report
        self.layout = layout_of(settings, started)
        self.prefix = self.layout.common_prefix()
        self.markers: SuccessMarkers | None = None
        self.disposal: Disposal | None = None
        self.running: Mapping[int, Counted] = {}
        self.ended: Sequence[Counted] = ()
        self._settled: Counted | None = None
        self._observers: list[Observer] = [report.observe]
        self._emit = Emitter(self._observe, observer)
        # Our own observers need no event for each request: traces do.
        on_request = self._emit.pass_on
        self.requests = Requests(settings, share_of(settings), self._report_limit, on_request)
        self._interruption = interruption
        self.policy = policy
        self.deadline = Deadline(settings.deadline)
        run_id = policy.provenance.run_id
        report.requests_now = self._requests_now
        volumes = tuple(sorted(settings.volume_names))
        self.observe(RunStarted(run_id, settings.bucket, self.layout.date, started, volumes))

    def observe(self, event: Event) -> None:
        """Pass an event to the report, to all observers that were added, and to the caller's."""
        self._emit(event)

    def add_observer(self, observer: Observer) -> None:
        """Call an observer of our own, which never fails, with each later event."""
        self._observers.append(observer)

    def _observe(self, event: Event) -> None:
        for observe in self._observers:
            observe(event)

    def count_requests(self) -> None:
        """Emit the number of requests so far."""
        total = self._counted()
        self.observe(RequestsMade(total.requests, total.retries, total.sent))
        settled = self._settled or total
        self.observe(ConcurrencySettled(settled.limit, total.peak, settled.reason))

    def settle(self) -> None:
        """Keep the limit on requests as it is now for the report: a process has nothing left."""
        self._settled = self._settled or self._counted()

    def report_limit(self) -> None:
        """Emit the limit on concurrent requests of all processes."""
        running = [self.requests.counted(), *self.running.values()]
        total = add_up(running, len(running))
        allowed = sum(each.allowed for each in running)
        self.report.add_limit(time.monotonic() - self._begun, allowed, total.reason)
        self.observe(ConcurrencyChanged(allowed, total.aim, total.reason))

    def _report_limit(self, *_: int | LimitReason) -> None:
        self.report_limit()

    def _requests_now(self) -> RequestsNow:
        # Called in the thread that draws: each step is one that no other thread interrupts.
        running = [self.requests.counted(), *list(self.running.values())]
        total = add_up([*running, *list(self.ended)], len(running))
        allowed = sum(each.allowed for each in running)
        return RequestsNow(total.in_flight, allowed, total.retries)

    def _counted(self) -> Counted:
        running = [self.requests.counted(), *self.running.values()]
        total = add_up([*running, *self.ended], len(running))
        # Maxima of several processes need not have been at the same time.
        return total._replace(peak=min(total.peak, self.settings.max_requests))

    def recording(self, store: ObjectStore, key: ObjectKey | None = None) -> Recording:
        """Return an object that writes this run's manifest to a store; `key` is that of a part."""
        prefix, run_id = self.settings.manifest_prefix, self.policy.provenance.run_id
        return Recording(
            settings=self.settings,
            key=manifest_key(prefix, run_id) if key is None else key,
            command=self.command,
            described=self.described,
            totals=collect_totals if self.command == "collect" else run_totals,
            store=store,
            policy=self.policy,
            report=self.report,
            observe=self.observe,
            now=utc_now,
            interruption=self._cancellation,
        )

    def _cancellation(self) -> AsyncloadError:
        """Return the error to record for a run that was cancelled."""
        return DeadlineReached() if self.deadline.expired else self._interruption()


def new_run_id(started: datetime) -> str:
    """Return a unique run id that sorts by start time."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
