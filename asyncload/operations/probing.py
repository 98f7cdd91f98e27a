"""Probe which checks a store other than AWS enforces, with test keys below the manifest prefix.

Some stores accept a body that does not match its checksum, return any checksum that they were sent,
or ignore `If-None-Match`. The result is kept in the bucket for 30 days.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from asyncload.aio.groups import Group
from asyncload.aio.shielding import run_to_end
from asyncload.errors import (
    AccessDenied,
    AsyncloadError,
    BodyDamaged,
    PreconditionFailed,
    ProtectionIgnored,
    Refused,
    RequestRejected,
)
from asyncload.model.checksums import checksum_of, md5_checksum, md5_of_etag
from asyncload.model.values import Checksum, Event, ObjectKey, StoreJudged, Warned
from asyncload.model.version import VERSION
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectInfo, ObjectStore, Part
from asyncload.transfer import StoreWorth, TransferPolicy

INFO = ObjectInfo(content_type="application/json", bookkeeping=True)

REMEMBERED = timedelta(days=30)
"""After this time a store is probed again, since it may have been updated."""

_PATIENCE = 30.0
_MAX_RECORD_BYTES = 64 * 1024


async def probe_store(
    store: ObjectStore,
    settings: Settings,
    policy: TransferPolicy,
    now: datetime,
    observe: Callable[[Event], None],
    *,
    backslashes: bool = False,
) -> TransferPolicy:
    """Return a run's policy with the results of probing its store, if manifests are enabled.

    `backslashes`: whether keys may have a backslash, so that it matters whether the store keeps it.

    Raises:
        Refused: the store lacks a check that the settings require.
    """
    if not settings.manifest:
        if not backslashes or store.foreign_endpoint is None:
            return policy
        # Worth a test key, which is removed again.
        kept = await _ask_for_backslashes(
            store, settings.manifest_prefix, policy.sent_algorithm, observe
        )
        return replace(policy, worth=policy.worth._replace(keeps_backslashes=bool(kept)))
    worth = await find_worth(
        store, settings.manifest_prefix, policy, now, observe, backslashes=backslashes
    )
    if settings.require_create_only:
        require_create_only(worth)
    judged = replace(policy, worth=worth)
    _report_worth(judged, observe)
    return judged


async def find_worth(
    store: ObjectStore,
    prefix: str,
    policy: TransferPolicy,
    now: datetime,
    observe: Callable[[Event], None],
    *,
    backslashes: bool = False,
) -> StoreWorth:
    """Return which checks a store enforces: remembered, probed, or assumed.

    Args:
        store: the store to probe; should retry little.
        prefix: the manifest prefix; the test keys and the stored result are below it.
        policy: determines the checksum algorithm.
        now: the time.
        observe: receives a warning if the store could not be probed.
        backslashes: whether to find out if the store keeps a backslash in a key.

    Raises:
        ProtectionIgnored: the store does not encrypt as requested.
    """
    if store.foreign_endpoint is None:
        return StoreWorth("aws")
    algorithm = policy.sent_algorithm
    worth = await remembered_worth(store, prefix, now)
    if algorithm not in worth.checks:
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await Probe(store, prefix, algorithm).run()
        except ProtectionIgnored:
            raise
        except (AsyncloadError, TimeoutError) as error:
            what = "the store could not be probed, so its checksums are trusted unchecked"
            observe(_not_probed(what, error, prefix))
            return StoreWorth(keeps_backslashes=False if backslashes else None)
        worth = _joined(worth, found)
        await _remember(store, prefix, worth, now)
    if backslashes and worth.keeps_backslashes is None:
        kept = await _ask_for_backslashes(store, prefix, algorithm, observe)
        worth = worth._replace(keeps_backslashes=bool(kept))
        if kept is not None:
            await _remember(store, prefix, worth, now)
    return worth


async def _ask_for_backslashes(
    store: ObjectStore, prefix: str, algorithm: str, observe: Callable[[Event], None]
) -> bool | None:
    """Return whether the store keeps a backslash in a key; None, with a warning, if unknown.

    Unknown counts as no: the object of another file could be replaced.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await Probe(store, prefix, algorithm).keeps_backslashes()
    except (AsyncloadError, TimeoutError) as error:
        what = "the store could not be asked whether it keeps a backslash in a key"
        observe(_not_probed(what, error, prefix))
        return None


def _not_probed(what: str, error: Exception, prefix: str) -> Warned:
    denied = isinstance(error, AccessDenied)
    return Warned(
        f"{what}: {str(error) or 'no answer in time'}",
        f"allow s3:PutObject and s3:GetObject below {prefix}/"
        if denied
        else "the next run probes the store again",
    )


async def remembered_worth(store: ObjectStore, prefix: str, now: datetime) -> StoreWorth:
    """Return the probe result that is kept in the bucket; AWS itself needs no probe."""
    if store.foreign_endpoint is None:
        return StoreWorth("aws")
    with suppress(AsyncloadError, ValueError, TypeError, RecursionError):
        record = json.loads(await store.read(_record_key(prefix), 0, _MAX_RECORD_BYTES))
        if not isinstance(record, dict) or record.get("endpoint") != store.foreign_endpoint:
            return StoreWorth()
        age = now - datetime.fromisoformat(str(record.get("probed")))
        # It may have been written by a machine whose clock is ahead.
        if abs(age) < REMEMBERED:
            return StoreWorth.from_record(record)
    return StoreWorth()


def require_create_only(worth: StoreWorth) -> None:
    """Check that the store never replaces an object that another program writes meanwhile.

    Raises:
        Refused: the store does not ensure it, or could not be probed.
    """
    if worth.basis == "assumed":
        raise Refused(
            "--require-create-only: the probe could not determine whether the store honours "
            "If-None-Match",
            hint="allow s3:PutObject and s3:GetObject below --manifest-prefix, for the test keys",
        )
    if ignored := ignored_conditions(worth):
        raise Refused(
            f"--require-create-only: the store ignores If-None-Match on {ignored}",
            hint="use a store that honours it; or make sure that no other program writes there, "
            "and omit the option",
        )


def ignored_conditions(worth: StoreWorth) -> str:
    """Return the operations that ignore `If-None-Match`, "" if none does."""
    names = [] if worth.create_only_put else ["PutObject"]
    names += [] if worth.create_only_complete else ["CompleteMultipartUpload"]
    return " and ".join(names)


def _report_worth(policy: TransferPolicy, observe: Callable[[Event], None]) -> None:
    worth = policy.worth
    names = dict.fromkeys((policy.sent_algorithm, "MD5"))
    proofs = tuple(name for name in names if policy.accepts(name))
    observe(StoreJudged(policy.sent_algorithm, proofs, worth.record()))
    if not proofs:
        observe(
            Warned(
                f"the store accepts data that does not match its {policy.sent_algorithm} checksum, "
                "so no upload can be verified: all files will fail",
                "use --checksum auto, which can verify by the MD5 in an ETag"
                if policy.checksum in ("crc64nvme", "crc32") and worth.proves("MD5")
                else "use a store that verifies checksums",
            )
        )
    if policy.create_only and (ignored := ignored_conditions(worth)):
        observe(
            Warned(
                f"the store ignores If-None-Match on {ignored}: each key is checked just before "
                "the upload, but an object that another program writes in between is replaced",
                "make sure that no other program writes these keys; --require-create-only rejects "
                "such a store",
            )
        )


def _joined(known: StoreWorth, found: StoreWorth) -> StoreWorth:
    """Return the new result, merged with earlier results for other algorithms."""
    return StoreWorth.from_record(
        known.record() | found.record() | {"checks": {**known.checks, **found.checks}}
    )


def _record_key(prefix: str) -> ObjectKey:
    return ObjectKey(f"{prefix}/store.json")


async def _remember(store: ObjectStore, prefix: str, worth: StoreWorth, now: datetime) -> None:
    record: dict[str, Any] = {
        "version": 1,
        "asyncload": VERSION,
        "endpoint": store.foreign_endpoint,
        "probed": now.isoformat(timespec="seconds"),
        **worth.record(),
    }
    body = f"{json.dumps(record, indent=1)}\n".encode()
    checksum = _checksum(body, next(iter(worth.checks)))
    with suppress(AsyncloadError):
        # If it can't be written, the next run probes again.
        await store.put(_record_key(prefix), body, checksum, create_only=False, info=INFO)


def _checksum(body: bytes, algorithm: str) -> Checksum:
    checksum = checksum_of(body, algorithm)
    assert checksum is not None, "the algorithm of a policy is always available"
    return checksum


class Probe:
    """The test requests, on a few fixed keys below a prefix; the objects stay there."""

    def __init__(self, store: ObjectStore, prefix: str, algorithm: str) -> None:
        self._store = store
        self._algorithm = algorithm
        self._beside = f"{prefix}/probe/"
        self._key = ObjectKey(f"{prefix}/probe/create-only")
        self._wrong_key = f"{prefix}/probe/wrong-"
        # Random, so that an answer stored from an earlier probe can't be correct.
        self._body = f"asyncload probes this store: {secrets.token_hex(8)}\n".encode()

    async def run(self) -> StoreWorth:
        """Probe the store.

        Raises:
            AsyncloadError: the store rejects a correct request.
        """
        checksum = _checksum(self._body, self._algorithm)
        result = await self._store.put(
            self._key, self._body, checksum, create_only=False, info=INFO
        )
        async with Group() as group:
            describes = group.create_task(self._describes(checksum))
            checks = {
                name: group.create_task(self._refuses_wrong(name))
                for name in dict.fromkeys((self._algorithm, "MD5"))
            }
            create_only_put = group.create_task(self._put_keeps_existing())
            create_only_complete = group.create_task(self._complete_keeps_existing())
        held = {name: task.result() for name, task in checks.items()}
        is_md5 = md5_of_etag(result.etag) == md5_checksum(self._body)
        return StoreWorth(
            "probed",
            checks=held,
            describes=describes.result(),
            # If the MD5 was sent with the request, the ETag may just repeat it.
            etags_are_md5=is_md5 and (self._algorithm != "MD5" or held["MD5"]),
            create_only_put=create_only_put.result(),
            create_only_complete=create_only_complete.result(),
        )

    async def keeps_backslashes(self) -> bool:
        """Put a key with a backslash, and return whether the store lists it as it is.

        SeaweedFS stores it with a slash. The object is removed, if that is permitted.
        """
        # Of this probe alone: another one would remove it too early.
        beside = f"{self._beside}{secrets.token_hex(8)}"
        key = ObjectKey(f"{beside}\\slash")
        checksum = _checksum(self._body, self._algorithm)
        await self._store.put(key, self._body, checksum, create_only=False, info=INFO)
        page = await self._store.list_objects(beside)
        with suppress(AsyncloadError):
            await self._store.delete(key)
        return any(item.key == key for item in page.items)

    async def _describes(self, sent: Checksum) -> bool:
        remote = await self._store.head(self._key)
        return remote is not None and remote.checksums.get(self._algorithm) == sent

    async def _refuses_wrong(self, algorithm: str) -> bool:
        wrong = _checksum(b"other bytes", algorithm)
        key = ObjectKey(f"{self._wrong_key}{algorithm.lower()}")
        try:
            await self._store.put(key, self._body, wrong, create_only=False, info=INFO)
        except (BodyDamaged, RequestRejected):
            return True
        return False

    async def _put_keeps_existing(self) -> bool:
        checksum = _checksum(self._body, self._algorithm)
        try:
            await self._store.put(self._key, self._body, checksum, create_only=True, info=INFO)
        except PreconditionFailed:
            return True
        return False

    async def _complete_keeps_existing(self) -> bool:
        async def abort(upload_id: str) -> None:
            # If the upload was completed, there is nothing left to abort.
            with suppress(AsyncloadError):
                await self._store.abort_multipart(self._key, upload_id)

        creating = self._store.create_multipart(self._key, algorithm=self._algorithm, info=INFO)
        upload_id = await run_to_end(creating, grace=_PATIENCE, undo=abort)
        checksum = _checksum(self._body, self._algorithm)
        whole = None if self._algorithm == "MD5" else checksum
        try:
            result = await self._store.upload_part(self._key, upload_id, 1, self._body, checksum)
            part = Part(1, result.etag, checksum)
            await self._store.complete_multipart(
                self._key, upload_id, [part], whole, create_only=True
            )
        except PreconditionFailed:
            return True
        else:
            return False
        finally:
            await run_to_end(abort(upload_id), grace=_PATIENCE)
