"""One run: its date, totals, limits and observers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncload.aio.deadline import Deadline
from asyncload.errors import AsyncloadError, DeadlineReached, Interrupted
from asyncload.model.values import (
    ConcurrencyChanged,
    ConcurrencySettled,
    Event,
    LimitReason,
    RequestsMade,
    RunStarted,
)
from asyncload.operations.observing import Emitter
from asyncload.operations.recording import Recording
from asyncload.reporting.manifest import describe_settings
from asyncload.reporting.records import collect_totals, run_totals
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.settings.container import memory_of
from asyncload.settings.run import AUTO_START, Settings, layout_of
from asyncload.source.disposal import Disposal
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.store.retries import RetryingStore, RetryPolicy, Traffic
from asyncload.transfer import TransferPolicy
from asyncload.transfer.pipeline import Observer


def requests_limit(
    settings: Settings, on_change: Callable[[int, int, LimitReason], None] = lambda *_: None
) -> AdaptiveLimit:
    """Return the limit on concurrent requests; `on_change` is called when it changes."""
    ceiling, reason = settings.ceiling
    start = None if isinstance(settings.concurrency, int) else min(AUTO_START, ceiling)
    return AdaptiveLimit(ceiling, start=start, ceiling_reason=reason, on_change=on_change)


class Run:
    """One run: its observers, counters and manifest.

    `by_clock` says that the start time came from this machine's clock. `command` and `described`
    are what the manifest says about the run; None for the settings.
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
        self.others, self.of_files = Traffic(), Traffic()
        self._observers: list[Observer] = [report.observe]
        self._emit = Emitter(self._observe, observer)
        self._interruption = interruption
        self._limit = requests_limit(settings, self._report_limit)
        self.rate = RateLimit(settings.limit_rate) if settings.limit_rate else None
        self.policy = policy
        self.deadline = Deadline(settings.deadline)
        run_id = policy.provenance.run_id
        self.observe(RunStarted(run_id, settings.bucket, self.layout.date, started))

    def observe(self, event: Event) -> None:
        """Pass an event to the report, to all observers that were added, and to the caller's."""
        self._emit(event)

    def add_observer(self, observer: Observer) -> None:
        """Call an observer of our own, which never fails, with each later event."""
        self._observers.append(observer)

    def _observe(self, event: Event) -> None:
        for observe in self._observers:
            observe(event)

    def with_retries(
        self, store: ObjectStore, retries: RetryPolicy, traffic: Traffic
    ) -> RetryingStore:
        """Return a store whose requests share this run's limit."""
        return RetryingStore(
            store, limit=self._limit, retries=retries, traffic=traffic, rate=self.rate
        )

    def count_requests(self) -> None:
        """Emit the number of requests so far."""
        others, of_files = self.others, self.of_files
        made, repeated = others.requests + of_files.requests, others.retries + of_files.retries
        self.observe(RequestsMade(made, repeated, of_files.sent))
        limit = self._limit
        self.observe(ConcurrencySettled(limit.limit, limit.peak, limit.reason))

    def requests_at_once(self) -> int:
        """Return the maximum number of concurrent requests if the store does not throttle."""
        return self._limit.aim

    def connection_memory(self) -> int:
        """Return how many bytes of `--memory` the connections use now, or will use soon.

        0 if `--concurrency` is a number: then the memory of connections was already subtracted
        from the container's limit.
        """
        if isinstance(self.settings.concurrency, int):
            return 0
        return memory_of(self._limit.aim, encrypted=self.settings.encrypted)

    def _report_limit(self, limit: int, ceiling: int, reason: LimitReason) -> None:
        self.observe(ConcurrencyChanged(limit, ceiling, reason))

    def recording(self, store: ObjectStore) -> Recording:
        """Return an object that writes this run's manifest to a store."""
        return Recording(
            settings=self.settings,
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
