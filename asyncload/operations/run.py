"""A run from its beginning on: its date, its totals, and who is told."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from asyncload.errors import Interrupted, ObserverFailed, UsageError
from asyncload.model.values import (
    ConcurrencyChanged,
    ConcurrencySettled,
    Event,
    LimitReason,
    RequestsMade,
    RunStarted,
)
from asyncload.operations.recording import Recording
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.settings.container import memory_of
from asyncload.settings.run import AUTO_START, Settings
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.store.retries import RetryingStore, RetryPolicy, Traffic
from asyncload.transfer import TransferPolicy
from asyncload.transfer.pipeline import Observer

_PLAIN_FUNCTION = "pass a plain function of one event; asyncio.Queue.put_nowait hands events on"


def requests_limit(
    settings: Settings, tell: Callable[[int, int, LimitReason], None] = lambda *_: None
) -> AdaptiveLimit:
    """Return the places for requests that settings ask for; `tell` is as of `AdaptiveLimit`."""
    ceiling, reason = settings.ceiling
    start = None if isinstance(settings.concurrency, int) else min(AUTO_START, ceiling)
    return AdaptiveLimit(ceiling, start=start, ceiling_reason=reason, tell=tell)


class Run:
    """A run from its beginning on: who is told of it, what is counted, how it is recorded.

    `by_clock` says that the machine's clock told when it started.
    """

    def __init__(
        self,
        settings: Settings,
        policy: TransferPolicy,
        observer: Observer | None,
        started: datetime,
        interruption: Callable[[], Interrupted],
        *,
        by_clock: bool,
    ) -> None:
        self.settings = settings
        self.by_clock = by_clock
        self.started = started
        self.report = Report()
        self.layout = settings.key_layout(started)
        self.prefix = self.layout.common_prefix()
        self.markers: SuccessMarkers | None = None
        self.others, self.of_files = Traffic(), Traffic()
        self._observer = observer
        self._interruption = interruption
        self._limit = requests_limit(settings, self._tell_limit)
        self.rate = RateLimit(settings.limit_rate) if settings.limit_rate else None
        self.policy = policy
        run_id = policy.provenance.run_id
        self.observe(RunStarted(run_id, settings.bucket, self.layout.date, started))

    def observe(self, event: Event) -> None:
        """Count an event in, and pass it on."""
        self.report.observe(event)
        if self.markers is not None:
            self.markers.observe(event)
        if self._observer is not None:
            self._pass_on(self._observer, event)

    def _pass_on(self, observer: Observer, event: Event) -> None:
        """Call the observer; once it failed, it is not called again while the run is ended.

        Raises:
            ObserverFailed: it raised an error, or returned something to await.
        """
        try:
            # What it is said to return is not what it may return.
            told: object = cast("Callable[[Event], object]", observer)(event)
        except Exception as error:
            self._observer = None
            raise ObserverFailed(
                f"the observer raised {type(error).__name__}: {error}",
                hint="the run was ended; what landed stays",
            ) from error
        if inspect.isawaitable(told):
            self._observer = None
            if inspect.iscoroutine(told):
                told.close()
            raise ObserverFailed(
                "the observer returned something to await, and nobody does", hint=_PLAIN_FUNCTION
            )

    def with_retries(
        self, store: ObjectStore, retries: RetryPolicy, traffic: Traffic
    ) -> RetryingStore:
        """Return a store whose requests share this run's limit."""
        return RetryingStore(
            store, limit=self._limit, retries=retries, traffic=traffic, rate=self.rate
        )

    def count_requests(self) -> None:
        """Tell how many requests were made so far."""
        others, of_files = self.others, self.of_files
        made, repeated = others.requests + of_files.requests, others.retries + of_files.retries
        self.observe(RequestsMade(made, repeated, of_files.sent))
        limit = self._limit
        self.observe(ConcurrencySettled(limit.limit, limit.peak, limit.reason))

    def requests_at_once(self) -> int:
        """Return how many requests there may be at once, where the store does not complain."""
        return self._limit.aim

    def connection_memory(self) -> int:
        """Return how many bytes of `--memory` connections take now, or are about to.

        Where their number was asked for, it is counted in what a container's limit leaves.
        """
        return 0 if isinstance(self.settings.concurrency, int) else memory_of(self._limit.aim)

    def _tell_limit(self, limit: int, ceiling: int, reason: LimitReason) -> None:
        self.observe(ConcurrencyChanged(limit, ceiling, reason))

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


def check_arguments(settings: object, observer: object) -> None:
    """Make sure that a run can be made of them.

    Raises:
        UsageError: they are something else, or the observer is to be awaited.
    """
    if not isinstance(settings, Settings):
        raise UsageError(f"load() takes Settings, not {type(settings).__name__}")
    if observer is None:
        return
    if not callable(observer):
        raise UsageError(f"observer: {observer!r} is not a function", hint=_PLAIN_FUNCTION)
    if inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(
        getattr(observer, "__call__", None)  # noqa: B004  # its kind matters
    ):
        raise UsageError(
            "observer: it is a coroutine function, and nobody awaits it", hint=_PLAIN_FUNCTION
        )


def new_run_id(started: datetime) -> str:
    """Return an id of a run's own, that sorts by its start."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
