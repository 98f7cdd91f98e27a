"""The limits and counters of one process's requests to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from asyncload.model.values import LimitReason, RequestMade
from asyncload.settings.container import memory_of
from asyncload.settings.run import AUTO_START, Settings
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.protocol import ObjectStore
from asyncload.store.rates import RateLimit
from asyncload.store.retries import RetryingStore, RetryPolicy, Tracer, Traffic

OnChange = Callable[[int, int, LimitReason], None]


class Share(NamedTuple):
    """What a process may use of a run's limits: all of it, or a part if there are several.

    `requests` is the maximum number at once, `start` the number to start with if it is to grow,
    `memory` is in bytes, `rate` in bytes per second, `threads` the number of reader threads.
    """

    requests: int
    start: int | None
    memory: int
    rate: int | None
    threads: int

    def least(self) -> Share:
        """Return the share of a process that has nothing more to load."""
        return self._replace(requests=1, memory=0)


READER_THREADS = 16
_MIN_READER_THREADS = 4


def share_of(
    settings: Settings,
    index: int = 0,
    processes: int = 1,
    *,
    spare: int = 0,
    own_memory: bool = False,
) -> Share:
    """Return the share of one of several processes; the first ones get the remainders.

    `spare` requests are not shared out. With `own_memory`, each process is on a machine of its own,
    and only the limits that protect the store are shared out.
    """

    def part(whole: int) -> int:
        return max(1, whole // processes + (index < whole % processes))

    return Share(
        requests=part(settings.max_requests - spare),
        start=None if isinstance(settings.concurrency, int) else part(AUTO_START),
        memory=settings.memory // (1 if own_memory else processes),
        rate=settings.limit_rate and settings.limit_rate // processes,
        threads=READER_THREADS
        if own_memory
        else max(_MIN_READER_THREADS, READER_THREADS // processes),
    )


class Counted(NamedTuple):
    """How many requests a process made, and its limit on concurrent ones.

    `retries` of the requests repeated a failed one; `sent` are acknowledged bytes of files. `aim`
    is the limit if the store does not complain, `peak` the maximum reached, `in_flight` the number
    at present.
    """

    requests: int = 0
    retries: int = 0
    sent: int = 0
    limit: int = 0
    aim: int = 0
    peak: int = 0
    reason: LimitReason = "enough"
    in_flight: int = 0

    @property
    def allowed(self) -> int:
        """The limit as the store leaves it: one that is just growing counts as what it aims at."""
        return self.limit if self.reason == "throttled" else self.aim


# The first of them that any process has is that of the run.
_REASONS: tuple[LimitReason, ...] = (
    "throttled", "asked for", "ceiling", "open files", "memory", "throughput", "enough",
)  # fmt: skip


def add_up(counted: list[Counted], running: int) -> Counted:
    """Return the totals of several processes, of which the first `running` ones still run.

    Those that ended count with their requests, not with their limits. The peak is at most the sum
    of all.
    """
    now = counted[:running]
    return Counted(
        requests=sum(each.requests for each in counted),
        retries=sum(each.retries for each in counted),
        sent=sum(each.sent for each in counted),
        limit=sum(each.limit for each in now),
        aim=sum(each.aim for each in now),
        peak=sum(each.peak for each in counted),
        reason=min((each.reason for each in now), key=_REASONS.index),
        in_flight=sum(each.in_flight for each in now),
    )


def requests_limit(
    settings: Settings, share: Share | None = None, on_change: OnChange = lambda *_: None
) -> AdaptiveLimit:
    """Return the limit on concurrent requests of a process, by default the only one.

    `on_change` is called when it changes.
    """
    share = share or share_of(settings)
    return AdaptiveLimit(
        share.requests,
        start=share.start and min(share.start, share.requests),
        ceiling_reason=settings.ceiling[1],
        on_change=on_change,
    )


class Requests:
    """The limits and counters of one process's requests to the store.

    Args:
        settings: the run's.
        share: what this process may use.
        on_change: called when the limit on concurrent requests changes.
        on_request: called with each request that has ended, if the settings ask for traces.
    """

    def __init__(
        self,
        settings: Settings,
        share: Share,
        on_change: OnChange = lambda *_: None,
        on_request: Callable[[RequestMade], None] = lambda _: None,
    ) -> None:
        self._tracer = Tracer(on_request) if settings.traces else None
        self.others, self.of_files = Traffic(), Traffic()
        self.rate = RateLimit(share.rate) if share.rate else None
        self._fixed = share.start is None
        self._encrypted = settings.encrypted
        self._limit = requests_limit(settings, share, on_change)

    def with_retries(
        self, store: ObjectStore, retries: RetryPolicy, traffic: Traffic
    ) -> RetryingStore:
        """Return a store whose requests share these limits."""
        return RetryingStore(
            store,
            limit=self._limit,
            retries=retries,
            traffic=traffic,
            rate=self.rate,
            tracer=self._tracer,
        )

    def of_others(self, store: ObjectStore, retries: RetryPolicy) -> RetryingStore:
        """Return a store for requests that carry no file."""
        return self.with_retries(store, retries, self.others)

    def for_files(self, store: ObjectStore, retries: RetryPolicy) -> RetryingStore:
        """Return a store for files: data that arrives damaged is read from the disk again."""
        return self.with_retries(store, retries._replace(damaged=1), self.of_files)

    def at_once(self) -> int:
        """Return the maximum number of concurrent requests if the store does not throttle."""
        return self._limit.aim

    def connection_memory(self) -> int:
        """Return how many bytes of `--memory` the connections use now, or will use soon.

        0 if `--concurrency` is a number: then the memory of connections was already subtracted
        from the container's limit.
        """
        return 0 if self._fixed else memory_of(self._limit.aim, encrypted=self._encrypted)

    def resize(self, share: Share) -> None:
        """Use another share from now on."""
        self._limit.resize(share.requests)
        if self.rate is not None and share.rate:
            self.rate.resize(share.rate)

    def counted(self) -> Counted:
        """Return the numbers so far."""
        others, of_files, limit = self.others, self.of_files, self._limit
        return Counted(
            requests=others.requests + of_files.requests,
            retries=others.retries + of_files.retries,
            sent=of_files.sent,
            limit=limit.limit,
            aim=limit.aim,
            peak=limit.peak,
            reason=limit.reason,
            in_flight=limit.in_flight,
        )
