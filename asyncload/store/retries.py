"""Limit concurrent requests to the store, and retry transient failures.

`RetryingStore` wraps any `ObjectStore` behind the same protocol. A request that waits for its next
attempt does not count as in flight.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from asyncload.errors import (
    BodyDamaged,
    BodyUnanswered,
    PreconditionFailed,
    RequestError,
    ServerError,
    StoreError,
    StoreUnavailable,
    WriteConflict,
)
from asyncload.model.values import Checksum, ObjectKey, RequestMade
from asyncload.store.limits import AdaptiveLimit, loop_time
from asyncload.store.protocol import (
    CSV,
    Body,
    ListedObject,
    ObjectInfo,
    ObjectStore,
    OpenUpload,
    Page,
    Part,
    PutResult,
    RemoteObject,
    StoredPart,
)
from asyncload.store.rates import RateLimit

T = TypeVar("T")

# The duration of a request with a larger body says nothing about other requests.
_SMALL = 256 * 1024
Sleep = Callable[[float], Awaitable[None]]


class RetryPolicy(NamedTuple):
    """When to give up on a request, and how long to wait before the next attempt.

    Waits are random, from 0 to a bound that starts at `first_wait` and doubles up to `max_wait`
    (full jitter). If the store says how long to wait, that is added, up to `max_asked_wait`. All
    times are in seconds.

    A request fails after `attempts` failures (`damaged` if the store finds its body damaged), or
    before a wait that would not end within `seconds` of its first attempt. Being throttled is not a
    failure: the store works and asks for fewer requests. Ten attempts take half a minute on
    average, so a storm of a minute would fail every file; throttled requests therefore wait until
    their time is over, at intervals that grow to `max_throttled_wait`. Longer intervals are not
    needed: the limit decides how many requests are made at once, and the last files of a run should
    not sleep long after the storm.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """

    attempts: int = 10
    damaged: int = 3
    seconds: float = 300.0
    first_wait: float = 0.2
    max_wait: float = 20.0
    max_throttled_wait: float = 2.5
    max_asked_wait: float = 60.0

    def next_wait(
        self, error: RequestError, *, tries: int, throttled: int, elapsed: float, draw: float
    ) -> float | None:
        """Return how long to wait before the next attempt; None to give up.

        Args:
            error: the error of the last attempt.
            tries: the number of attempts so far.
            throttled: how many of them were throttled.
            elapsed: seconds since the first of them began.
            draw: a random number from 0 to 1.
        """
        damaged = isinstance(error, BodyDamaged)
        attempts = min(self.damaged, self.attempts) if damaged else self.attempts
        if not error.retryable or tries - throttled >= attempts:
            return None
        # An unbounded exponent would overflow.
        most = self.max_throttled_wait if error.throttled else self.max_wait
        most = min(most, self.max_wait)
        wait = draw * min(most, self.first_wait * 2 ** min(tries - 1, 32))
        wait += min(error.retry_after or 0.0, self.max_asked_wait)
        return wait if elapsed + wait < self.seconds else None


@dataclass(slots=True)
class Traffic:
    """Counts requests, retries among them, and acknowledged body bytes.

    `listings` are requests for a page of a listing, and the check of the bucket.
    """

    requests: int = 0
    retries: int = 0
    sent: int = 0
    listings: int = 0


class Tracer:
    """Emits an event for each attempt at a request.

    Args:
        emit: receives the events; it must not block.
        clock: returns nanoseconds since 1970.
    """

    def __init__(
        self, emit: Callable[[RequestMade], None], clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._emit = emit
        self._clock = clock

    def traced(
        self, name: str, key: str, call: Callable[[], Awaitable[T]], size: int
    ) -> Callable[[], Awaitable[T]]:
        """Return a call that makes the same request, and emits its event."""
        emit, clock = self._emit, self._clock

        async def attempt() -> T:
            began = clock()
            try:
                answer = await call()
            except BaseException as raised:
                seconds = (clock() - began) / 1e9
                emit(RequestMade(name, key, began, seconds, size, type(raised).__name__))
                raise
            emit(RequestMade(name, key, began, (clock() - began) / 1e9, size))
            return answer

        return attempt


class RetryingStore:
    """An `ObjectStore` that limits the requests in flight, and retries those that may succeed.

    Args:
        store: the store that makes the requests.
        limit: holds one place for each request in flight, and learns how each one ended.
        retries: when to try again.
        traffic: counts the requests.
        rate: limits how fast bodies are sent; None for no limit.
        tracer: sees each attempt; None for none.
        sleep: waits for a number of seconds.
        clock: returns seconds, from any start.
        draw: returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        limit: AdaptiveLimit,
        retries: RetryPolicy,
        traffic: Traffic | None = None,
        rate: RateLimit | None = None,
        tracer: Tracer | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._limit = limit
        self._retries = retries
        self._traffic = traffic or Traffic()
        self._rate = rate
        self._tracer = tracer
        self._sleep = sleep
        self._clock = clock or loop_time
        self._draw = draw

    async def _make(
        self, kind: str, name: str, key: str, call: Callable[[], Awaitable[T]], size: int = 0
    ) -> T:
        """Make a request with a body of `size` bytes, and retry it if it may succeed.

        `kind` tells the limit which requests take equally long; `name` and `key` are for traces.
        """
        call = self._traced(name, key, call, size)
        begun = self._clock()
        tries = throttled = 0
        while True:
            try:
                return await self._attempt(kind, call, size)
            except StoreError as error:
                tries += 1
                throttled += error.throttled
                wait = self._retries.next_wait(
                    error,
                    tries=tries,
                    throttled=throttled,
                    elapsed=self._clock() - begun,
                    draw=self._draw(),
                )
                if wait is None:
                    raise
            await self._sleep(wait)
            self._traffic.retries += 1

    def _traced(
        self, name: str, key: str, call: Callable[[], Awaitable[T]], size: int = 0
    ) -> Callable[[], Awaitable[T]]:
        return call if self._tracer is None else self._tracer.traced(name, key, call, size)

    async def _attempt(self, kind: str, call: Callable[[], Awaitable[T]], size: int = 0) -> T:
        if self._rate is None or not size:
            return await self._attempt_now(kind, call)
        async with self._rate.turn(size):
            return await self._attempt_now(kind, call, size)

    async def _attempt_now(self, kind: str, call: Callable[[], Awaitable[T]], paced: int = 0) -> T:
        place = await self._limit.acquire()
        self._traffic.requests += 1
        self._traffic.listings += kind == "list"
        try:
            # Only after the wait for a place: bytes released earlier would go out in a burst.
            if paced and self._rate is not None and await self._rate.begin(paced):
                place = self._limit.delayed(place)
            answer = await call()
        except StoreError as error:
            if error.overloaded:
                self._limit.overloaded(place)
            elif not error.retryable:
                # A refusal is about the request: the store had time to answer.
                self._limit.succeeded(place, kind)
            raise
        else:
            self._limit.succeeded(place, kind)
            return answer
        finally:
            self._limit.release()

    @property
    def wanted_digest(self) -> str | None:
        return self._store.wanted_digest

    @property
    def clock_offset(self) -> float | None:
        return self._store.clock_offset

    def object_settings(self, info: ObjectInfo) -> Mapping[str, Any]:
        return self._store.object_settings(info)

    @property
    def foreign_endpoint(self) -> str | None:
        return self._store.foreign_endpoint

    async def check_bucket(self, prefix: str) -> None:
        await self._make("list", "ListObjectsV2", "", lambda: self._store.check_bucket(prefix))

    async def has_object_lock(self) -> bool | None:
        return await self._make(
            "read", "GetObjectLockConfiguration", "", self._store.has_object_lock
        )

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        return await self._make("head", "HeadObject", key, lambda: self._store.head(key))

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        digest: str | None = None,
        info: ObjectInfo = CSV,
    ) -> PutResult:
        async def put() -> PutResult:
            try:
                return await self._store.put(
                    key, body, checksum, create_only=create_only, digest=digest, info=info
                )
            except WriteConflict as error:
                taken = await self._what_came_first(key, error) if create_only else None
                if taken is None:
                    raise
                raise taken from error

        result = await self._send("PutObject", key, put, len(body))
        self._traffic.sent += len(body)
        return result

    async def _send(
        self, name: str, key: ObjectKey, call: Callable[[], Awaitable[T]], size: int
    ) -> T:
        """Make a request with a body; if it gets no answer, check whether the store is reachable.

        A server or proxy that does not accept a body of this size may reset the connection, and
        some networks lose only large packets.

        Raises:
            BodyUnanswered: the store is reachable; other files may succeed.
        """
        try:
            return await self._make("bulk" if size > _SMALL else "small", name, key, call, size)
        except StoreUnavailable as error:
            if not await self._is_there(key):
                raise
            raise BodyUnanswered(
                f"{error.message}; the store does answer requests without a body",
                hint="the store, or a proxy before it, might not accept bodies of this size: check "
                "their limits and the network",
            ) from error

    async def _is_there(self, key: ObjectKey) -> bool:
        try:
            head = self._traced("HeadObject", key, lambda: self._store.head(key))
            await self._attempt("head", head)
        except (StoreUnavailable, ServerError):
            return False
        except StoreError:
            return True
        return True

    async def _what_came_first(
        self, key: ObjectKey, conflict: WriteConflict
    ) -> PreconditionFailed | None:
        """Return the error for an existing object; None if the put has to be repeated.

        Two runs over the same files meet at every key. The second one need neither wait nor send
        the bytes again to learn that they exist.
        """
        self._traffic.requests += 1
        try:
            found = await self._traced("HeadObject", key, lambda: self._store.head(key))()
        except StoreError:
            return None
        if found is None:
            return None
        taken = PreconditionFailed(conflict.message, code=conflict.code, status=conflict.status)
        taken.found = found
        return taken

    async def read(self, key: ObjectKey, offset: int, length: int) -> bytes:
        return await self._make(
            "read", "GetObject", key, lambda: self._store.read(key, offset, length)
        )

    async def list_objects(
        self,
        prefix: str,
        after: str | None = None,
        *,
        start_after: str = "",
        max_keys: int = 0,
    ) -> Page[ListedObject]:
        return await self._make(
            "list",
            "ListObjectsV2",
            "",
            lambda: self._store.list_objects(
                prefix, after, start_after=start_after, max_keys=max_keys
            ),
        )

    async def list_uploads(self, prefix: str, after: str | None = None) -> Page[OpenUpload]:
        return await self._make(
            "list", "ListMultipartUploads", "", lambda: self._store.list_uploads(prefix, after)
        )

    async def list_parts(
        self, key: ObjectKey, upload_id: str, after: str | None = None
    ) -> Page[StoredPart]:
        return await self._make(
            "list", "ListParts", key, lambda: self._store.list_parts(key, upload_id, after)
        )

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        return await self._make(
            "create_multipart",
            "CreateMultipartUpload",
            key,
            lambda: self._store.create_multipart(key, algorithm=algorithm, info=info),
        )

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: Body,
        checksum: Checksum,
        *,
        digest: str | None = None,
    ) -> PutResult:
        result = await self._send(
            "UploadPart",
            key,
            lambda: self._store.upload_part(key, upload_id, number, body, checksum, digest=digest),
            len(body),
        )
        self._traffic.sent += len(body)
        return result

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum | None,
        *,
        create_only: bool,
    ) -> PutResult:
        return await self._make(
            "complete_multipart",
            "CompleteMultipartUpload",
            key,
            lambda: self._store.complete_multipart(
                key, upload_id, parts, checksum, create_only=create_only
            ),
        )

    async def read_tags(self, key: ObjectKey) -> Mapping[str, str]:
        return await self._make("read", "GetObjectTagging", key, lambda: self._store.read_tags(key))

    async def delete(self, key: ObjectKey) -> None:
        await self._make("delete", "DeleteObject", key, lambda: self._store.delete(key))

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        await self._make(
            "abort_multipart",
            "AbortMultipartUpload",
            key,
            lambda: self._store.abort_multipart(key, upload_id),
        )
