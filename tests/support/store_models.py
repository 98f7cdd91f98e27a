"""Stores in virtual time: how long a request takes, and which are refused."""

from __future__ import annotations

import asyncio
import random

from asyncload.errors import StoreError, Throttled
from asyncload.model.values import Checksum, ObjectKey
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.protocol import CSV, PutResult
from asyncload.store.retries import RetryingStore, RetryPolicy
from tests.support.virtual_time import run_virtually

KEY = ObjectKey("Raw/a.csv")
SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")


class ModelStore:
    """Takes puts: each needs the store's one processor, then time. Both in seconds.

    Args:
        latency: how long a put takes, as a number or as a function of the time.
        processor: how long the processor is busy with it; no other put is served meanwhile.
        noise: by what share both differ, at random, from put to put.
        capacity: puts a second beyond which they are refused: with 503, and as soon as others.
        burst: how many of an unused capacity are saved up.
        windowed: counts in whole seconds of the clock instead.
    """

    def __init__(
        self, latency=0.0, *, processor=0.0, noise=0.0, capacity=None, burst=50, windowed=False
    ):
        self.peak = self.refused = self.served = 0
        self._latency, self._processor = _as_function(latency), _as_function(processor)
        self._noise, self._random = noise, random.Random(1)
        self._capacity, self._burst, self._windowed = capacity, burst, windowed
        self._in_flight = 0
        self._busy_until = self._at = 0.0
        self._tokens = capacity if windowed else burst

    async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
        now = asyncio.get_running_loop().time()
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            if self._capacity is not None and not self._admit(now):
                self.refused += 1
                await asyncio.sleep(self._noisy(self._latency(now)))
                raise Throttled("slow down")
            self._busy_until = max(self._busy_until, now) + self._noisy(self._processor(now))
            await asyncio.sleep(self._busy_until - now + self._noisy(self._latency(now)))
            self.served += 1
            return PutResult('"etag"', checksum)
        finally:
            self._in_flight -= 1

    def _admit(self, now):
        if self._windowed:
            if int(now) != int(self._at):
                self._tokens = self._capacity
        else:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._capacity)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _noisy(self, seconds):
        return seconds * (1 + self._noise * self._random.uniform(-1, 1))


def _as_function(value):
    return value if callable(value) else lambda _: value


class Loaded:
    """What putting many small files came to."""

    def __init__(self, store, limit, failed, seconds, news):
        self.store, self.limit, self.failed = store, limit, failed
        self.seconds, self.news = seconds, news

    @property
    def aims(self):
        """The limits that were reached, one after the other."""
        return [limit for limit, _, _ in self.news]


def load_model(store, files, *, fixed=None, ceiling=768, workers=768, rate=None, size=1):
    """Put so many small files into a store, from as many workers as a run has."""
    news, failed = [], []

    async def load():
        limit = AdaptiveLimit(
            fixed or ceiling,
            start=None if fixed else min(64, ceiling),
            ceiling_reason="asked for" if fixed else "ceiling",
            on_change=lambda *told: news.append(told),
        )
        draw = random.Random(2).random
        limiter = None if rate is None else rate()
        retrying = RetryingStore(store, limit=limit, retries=RetryPolicy(), draw=draw, rate=limiter)
        left = iter(range(files))

        async def work():
            for _ in left:
                try:
                    await retrying.put(KEY, bytes(size), SUM, create_only=True)
                except StoreError as error:
                    failed.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(fixed or workers):
                group.create_task(work())
        return limit

    limit, seconds = run_virtually(load())
    return Loaded(store, limit, failed, seconds, news)
