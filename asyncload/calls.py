"""How each request to the store is made: at most so many at once, again where that may help.

`GovernedStore` wraps any `ObjectStore` behind the same protocol. Back-off sleeps hold no place
among the requests in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from asyncload.errors import StoreError
from asyncload.model import Checksum, ObjectKey
from asyncload.store import Body, ObjectStore, Part, Receipt, RemoteObject

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to give up on a request, and how long to wait before the next attempt.

    Waits are drawn from 0 to a bound that starts at `first_wait` and doubles up to `most_wait`
    (full jitter). All times are in seconds.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """

    attempts: int = 10
    seconds: float = 300.0
    first_wait: float = 0.2
    most_wait: float = 20.0

    async def run(self, call: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
        """Make the call until it succeeds, fails for good, or the policy is exhausted."""
        try:
            # The common case pays for no machinery.
            return await call()
        except StoreError as error:
            if not error.retryable:
                raise
            failure: StoreError | None = error

        async def attempt() -> T:
            nonlocal failure
            if failure is not None:
                first, failure = failure, None
                raise first
            return await call()

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_retryable),
            stop=stop_after_attempt(self.attempts) | stop_after_delay(self.seconds),
            wait=wait_random_exponential(multiplier=self.first_wait, max=self.most_wait),
            sleep=sleep,
            reraise=True,
        )
        return await retrying(attempt)


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, StoreError) and error.retryable


class GovernedStore:
    """An `ObjectStore` that limits the requests in flight, and retries those that may succeed.

    Args:
        store: the store that makes the requests.
        limit: holds one place for each request in flight.
        retries: when to try again.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        limit: asyncio.Semaphore,
        retries: RetryPolicy,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._limit = limit
        self._retries = retries
        self._sleep = sleep

    async def _make(self, call: Callable[[], Awaitable[T]]) -> T:
        async def limited() -> T:
            async with self._limit:
                return await call()

        return await self._retries.run(limited, self._sleep)

    @property
    def signs_payloads(self) -> bool:
        return self._store.signs_payloads

    async def check_bucket(self, prefix: str) -> None:
        await self._make(lambda: self._store.check_bucket(prefix))

    async def head(self, key: ObjectKey) -> RemoteObject | None:
        return await self._make(lambda: self._store.head(key))

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        sha256: str | None = None,
    ) -> Receipt:
        return await self._make(
            lambda: self._store.put(key, body, checksum, create_only=create_only, sha256=sha256)
        )

    async def create_multipart(self, key: ObjectKey) -> str:
        return await self._make(lambda: self._store.create_multipart(key))

    async def upload_part(
        self,
        key: ObjectKey,
        upload_id: str,
        number: int,
        body: Body,
        checksum: Checksum,
        *,
        sha256: str | None = None,
    ) -> Receipt:
        return await self._make(
            lambda: self._store.upload_part(key, upload_id, number, body, checksum, sha256=sha256)
        )

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum,
        *,
        create_only: bool,
    ) -> Receipt:
        return await self._make(
            lambda: self._store.complete_multipart(
                key, upload_id, parts, checksum, create_only=create_only
            )
        )

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        await self._make(lambda: self._store.abort_multipart(key, upload_id))
