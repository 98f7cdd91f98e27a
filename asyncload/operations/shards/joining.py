"""Join a run of shards: check that this one fits it, and that no other process loads it.

The first shard describes the run, create-only, and the others compare themselves with that. An
attempt at a shard is a claim, create-only as well, which is renewed every few seconds. A claim that
is not renewed any more belongs to a process that was killed. No clock is compared with another one.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple

from asyncload.aio.groups import Group
from asyncload.errors import (
    AccessDenied,
    AsyncloadError,
    PreconditionFailed,
    RequestRejected,
    ShardRefused,
)
from asyncload.model.checksums import checksum_of
from asyncload.model.values import ObjectKey, ShardJoined
from asyncload.operations.run import Run
from asyncload.planning.shards import Shard
from asyncload.reporting.shards import (
    MAX_RECORD,
    Claim,
    Folder,
    OddShardsError,
    ShardedRun,
    describe_shard,
    latest_attempts,
)
from asyncload.store.protocol import ObjectInfo, ObjectStore, pages_of
from asyncload.store.retries import RetryingStore
from asyncload.transfer import TransferPolicy

INFO = ObjectInfo(content_type="application/json", bookkeeping=True)

BEAT_SECONDS = 4.0
"""A claim is renewed this often."""

LEASE_SECONDS = 16.0
"""A claim that was not renewed for so long is that of a process that was killed."""


@asynccontextmanager
async def joined(run: Run, store: RetryingStore) -> AsyncIterator[ObjectKey | None]:
    """Load as a shard while the body runs; yield the key of its manifest, None if it is not one.

    The store's requests should not have to wait for those of files.

    Raises:
        UsageError: the run can't have this name.
        ShardRefused: the shard does not fit its run, or another process loads it.
        StoreError: the store can't be queried.
    """
    shard = run.settings.shard_of
    if shard is None:
        yield None
        return
    ours = describe_shard(run.settings, run.layout.date, run.policy.provenance.run_id, run.started)
    folder = Folder(run.settings.manifest_prefix, ours.name)
    records = Records(store, run.policy)
    await _agree(records, folder, ours, shard)
    place = _Place(records, folder, shard)
    claim = Claim(ours.run_id, platform.node(), run.started)
    attempt = await place.claim(claim)
    run.observe(ShardJoined(ours.name, *shard, attempt))
    async with Group() as group:
        renewing = group.create_task(place.renew(claim, attempt))
        try:
            yield folder.manifest(shard.number, attempt)
        finally:
            group.stop(renewing)


class Records(NamedTuple):
    """Reads and writes the small records of a run of shards."""

    store: ObjectStore
    policy: TransferPolicy

    async def read(self, key: ObjectKey) -> bytes | None:
        """Return a record; None if it does not exist, or the store does not say so.

        Raises:
            StoreError: the store can't be queried.
        """
        try:
            return await self.store.read(key, 0, MAX_RECORD)
        except (RequestRejected, AccessDenied):
            return None

    async def write(self, key: ObjectKey, body: bytes, *, create_only: bool) -> bool:
        """Write a record; return False if `create_only` and there is one.

        Raises:
            StoreError: it can't be written.
        """
        checksum = checksum_of(body, self.policy.sent_algorithm)
        assert checksum is not None, "the algorithm of a policy is always available"
        try:
            await self.store.put(key, body, checksum, create_only=create_only, info=INFO)
        except PreconditionFailed:
            return False
        if not create_only:
            return True
        # Some stores ignore the condition: then the last one to write has won.
        return await self.read(key) in (body, None)

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix.

        Raises:
            ShardRefused: listing them is not permitted.
            StoreError: the store can't be queried.
        """
        try:
            pages = pages_of(partial(self.store.list_objects, prefix))
            return [listed.key async for page in pages for listed in page]
        except AccessDenied as error:
            raise ShardRefused(
                f"--shard: the records of the run can't be listed: {error.message}",
                hint=f"permit s3:ListBucket with the prefix {prefix}",
            ) from error


async def _agree(records: Records, folder: Folder, ours: ShardedRun, shard: Shard) -> None:
    """Check that a shard fits the description of its run, or describe the run.

    Raises:
        ShardRefused: it does not fit.
    """
    body = await records.read(folder.run)
    if body is None:
        if await records.write(folder.run, ours.encode(), create_only=True):
            return
        body = await records.read(folder.run)
    try:
        differences = ShardedRun.decode(body or b"").differences(ours)
    except OddShardsError as error:
        raise ShardRefused(
            f"the record {folder.run} of the run can't be read: {error}",
            hint="give the run another name with --run",
        ) from error
    if differences:
        raise ShardRefused(
            f"shard {shard} does not belong to the run {folder.name!r}: {differences[0]}",
            details=differences[1:],
            hint="use the options of the other shards, with the date as YYYY-MM-DD; or give the "
            "run another name with --run",
        )


class _Place(NamedTuple):
    """The place of a shard in its run."""

    records: Records
    folder: Folder
    shard: Shard

    async def claim(self, claim: Claim) -> int:
        """Claim the shard; return the number of the attempt.

        Raises:
            ShardRefused: another process loads it.
        """
        number = self.shard.number
        keys = await self.records.keys(self.folder.of(number))
        latest = latest_attempts(self.folder, keys).get(number)
        if latest is None:
            attempt = 1
        else:
            attempt = latest.number + 1
            if not latest.recorded:
                await self._wait_for_end(latest.number)
        key = self.folder.claim(number, attempt)
        if not await self.records.write(key, claim.encode(), create_only=True):
            raise self._refusal(await self._read_claim(attempt))
        return attempt

    async def _wait_for_end(self, attempt: int) -> None:
        """Return once it is known that an attempt without a manifest has ended.

        Raises:
            ShardRefused: it runs.
        """
        before = await self._read_claim(attempt)
        manifest = self.folder.manifest(self.shard.number, attempt)
        for _ in range(round(LEASE_SECONDS / BEAT_SECONDS)):
            await asyncio.sleep(BEAT_SECONDS)
            if await self.records.store.head(manifest) is not None:
                return
            now = await self._read_claim(attempt)
            if now != before:
                raise self._refusal(now)

    async def _read_claim(self, attempt: int) -> Claim | None:
        body = await self.records.read(self.folder.claim(self.shard.number, attempt))
        with suppress(OddShardsError):
            return None if body is None else Claim.decode(body)
        return None

    def _refusal(self, claim: Claim | None) -> ShardRefused:
        by = f": {claim}" if claim is not None else ""
        return ShardRefused(
            f"shard {self.shard} of the run {self.folder.name!r} is being loaded by another "
            f"process{by}",
            hint="start each shard once, and again only after it has ended",
        )

    async def renew(self, claim: Claim, attempt: int) -> None:
        """Renew a claim again and again."""
        key = self.folder.claim(self.shard.number, attempt)
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            claim = claim._replace(beat=claim.beat + 1)
            # If the store is unavailable, the load itself will say so.
            with suppress(AsyncloadError):
                await self.records.write(key, claim.encode(), create_only=False)
