"""A run from its beginning on: its date, its totals, and who is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from asyncload.calls import GovernedStore, RetryPolicy, Traffic
from asyncload.errors import Interrupted
from asyncload.limits import AdaptiveLimit
from asyncload.markers import SuccessMarkers
from asyncload.model import ConcurrencyChanged, Event, RequestsMade, RunStarted
from asyncload.pipeline import Observer
from asyncload.recording import Recording
from asyncload.report import Report
from asyncload.settings import Settings
from asyncload.store import ObjectStore
from asyncload.transfer import TransferPolicy


class Run:
    """A run from its beginning on: who is told of it, what is counted, how it is recorded."""

    def __init__(
        self,
        settings: Settings,
        policy: TransferPolicy,
        observer: Observer | None,
        started: datetime,
        interruption: Callable[[], Interrupted],
    ) -> None:
        self.settings = settings
        self.started = started
        self.report = Report()
        self.layout = settings.key_layout(started)
        self.prefix = self.layout.common_prefix()
        self.markers: SuccessMarkers | None = None
        self.others, self.of_files = Traffic(), Traffic()
        self._observer = observer
        self._interruption = interruption
        ceiling = settings.concurrency
        self._limit = AdaptiveLimit(
            ceiling, tell=lambda now: self.observe(ConcurrencyChanged(now, ceiling))
        )
        self.policy = policy
        run_id = policy.provenance.run_id
        self.observe(RunStarted(run_id, settings.bucket, self.layout.date, started))

    def observe(self, event: Event) -> None:
        """Count an event in, and pass it on."""
        self.report.observe(event)
        if self.markers is not None:
            self.markers.observe(event)
        if self._observer is not None:
            self._observer(event)

    def govern(self, store: ObjectStore, retries: RetryPolicy, traffic: Traffic) -> GovernedStore:
        """Return a store whose requests share this run's limit."""
        return GovernedStore(store, limit=self._limit, retries=retries, traffic=traffic)

    def count_requests(self) -> None:
        """Tell how many requests were made so far."""
        others, of_files = self.others, self.of_files
        made, repeated = others.requests + of_files.requests, others.retries + of_files.retries
        self.observe(RequestsMade(made, repeated, of_files.sent))

    def recording(self, store: ObjectStore) -> Recording:
        """Return what records this run in a store."""
        return Recording(
            settings=self.settings,
            store=store,
            policy=self.policy,
            report=self.report,
            observe=self.observe,
            now=utc_now,
            interruption=self._interruption,
        )


def new_run_id(started: datetime) -> str:
    """Return an id of a run's own, that sorts by its start."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
