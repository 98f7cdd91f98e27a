"""The bucket of a run or command: its options, opened and checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from asyncload.errors import StoreRefused, StoreUnavailable, Throttled
from asyncload.model.values import Warned
from asyncload.model.version import VERSION
from asyncload.operations.requests import Requests, requests_limit
from asyncload.s3 import ObjectOptions, S3Options, open_store
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import RetryingStore, RetryPolicy, Traffic

# Long enough for a store or network that is just starting, as in a pod or with compose; short
# enough for a user who mistyped an endpoint. Only the time decides: ten attempts might take three
# seconds, as their waits are random.
PREFLIGHT = RetryPolicy(attempts=1_000, seconds=10.0, max_wait=2.0)


def s3_options(settings: Settings) -> S3Options:
    """Return the options for opening the bucket."""
    return S3Options(
        bucket=settings.bucket,
        connections=settings.max_requests,
        endpoint_url=settings.endpoint_url,
        addressing_style=settings.addressing_style,
        checksum=settings.checksum,
        allow_http=settings.allow_http,
        ca_bundle=settings.ca_bundle,
        region=settings.region,
        profile=settings.profile,
        user_agent=f"asyncload/{VERSION}",
        unsigned_payload=settings.unsigned_payload,
        fast_lane=settings.fast_lane,
        expected_bucket_owner=settings.expected_bucket_owner,
        accelerate=settings.endpoint_accelerate,
        payer=settings.request_payer,
        objects=ObjectOptions(
            storage_class=settings.storage_class,
            sse=settings.sse,
            sse_kms_key_id=settings.sse_kms_key_id,
            acl=settings.acl,
            tags=settings.tags,
            metadata=settings.metadata,
        ),
    )


class Stores(NamedTuple):
    """One store with different retries: for most requests, for files' bytes, and for probing.

    `first` is for the check of the bucket; `retries` are those of `most` and `files`.
    """

    first: RetryingStore
    most: RetryingStore
    files: RetryingStore
    probing: RetryingStore
    retries: RetryPolicy


def stores_of(requests: Requests, store: ObjectStore, retries: RetryPolicy | None = None) -> Stores:
    """Return a store with the retries of a run, whose limits and counters are `requests`."""
    retries = retries or RetryPolicy()
    return Stores(
        requests.of_others(store, PREFLIGHT),
        requests.of_others(store, retries),
        requests.for_files(store, retries),
        requests.of_others(store, PREFLIGHT._replace(attempts=3, damaged=1)),
        retries,
    )


@asynccontextmanager
async def open_bucket(
    settings: Settings,
    prefix: str,
    warn: Callable[[Warned], None] = lambda _: None,
    traffic: Traffic | None = None,
) -> AsyncIterator[RetryingStore]:
    """Open and check the bucket for a command that loads nothing.

    `warn` receives warnings, such as a feature that the store lacks; `traffic` counts the requests.

    Raises:
        UsageError, StoreRefused: the bucket can't be used with these settings.
        ServerError, StoreUnavailable: the store could not be queried.
    """
    async with open_store(s3_options(settings), warn) as store:
        limit = requests_limit(settings)
        first = RetryingStore(store, limit=limit, retries=PREFLIGHT, traffic=traffic)
        await preflight(first, settings, prefix)
        yield RetryingStore(store, limit=limit, retries=RetryPolicy(), traffic=traffic)


async def _check_object_lock(store: ObjectStore, settings: Settings) -> None:
    if settings.lock_mode is None:
        return
    if await store.has_object_lock() is False:
        raise no_object_lock(settings.bucket)


def no_object_lock(bucket: str) -> StoreRefused:
    """Return the error of a bucket that can't lock objects, as requested."""
    return StoreRefused(
        f"--lock-mode: the bucket {bucket!r} does not have Object Lock enabled",
        hint="enable it, which needs versioning, or omit --lock-mode and --lock-until",
    )


async def preflight(store: ObjectStore, settings: Settings, prefix: str) -> None:
    """Check within seconds whether the bucket can be used; `prefix` is that of the keys.

    Raises:
        StoreRefused: it can't be used with these settings.
        ServerError, StoreUnavailable: the store could not be queried.
    """
    try:
        async with asyncio.timeout(PREFLIGHT.seconds):
            await store.check_bucket(prefix)
            await _check_object_lock(store, settings)
    except Throttled:
        # The bucket exists and the store is busy: uploads retry for longer.
        return
    except TimeoutError as error:
        raise StoreUnavailable(
            f"no answer from the store within {PREFLIGHT.seconds:.0f} s",
            hint="check --endpoint-url, the network and the proxy settings",
        ) from error
