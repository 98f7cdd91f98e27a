"""Check which promises the store keeps, of those that a run with these settings relies on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

from asyncload.model.values import ObjectKey
from asyncload.operations.doctor.examination import Examination, Finding
from asyncload.operations.doctor.permissions import MULTIPART, Permissions
from asyncload.operations.probing import Probe, ignored_conditions, require_create_only
from asyncload.operations.readback import describe_lost, lost_options
from asyncload.reporting.text import describe_limit, format_count
from asyncload.settings.run import AUTO_START, Settings
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import StoreWorth, TransferPolicy

_REQUESTS = 7


class Promises:
    """What the store does with wrong checksums, existing keys and the options for objects.

    Args:
        examination: the checks made so far.
        store: the bucket.
        settings: those of a run.
        policy: the run's, without knowledge of the store.
        folder: the prefix of test objects.
    """

    def __init__(
        self,
        examination: Examination,
        store: ObjectStore,
        settings: Settings,
        policy: TransferPolicy,
        *,
        folder: str,
    ) -> None:
        self._examination = examination
        self._store = store
        self._settings = settings
        # A run does not probe AWS itself.
        aws = store.foreign_endpoint is None
        self._policy = replace(policy, worth=StoreWorth("aws")) if aws else policy
        self._folder = folder

    async def check(self) -> None:
        """Make the checks, by the same requests as a run's probe of the store."""
        check = self._examination.check
        await check("checksums", self._checksums, needs=("put", "head", *MULTIPART))
        if self._policy.create_only:
            # If it is required, not knowing is a failure.
            known = "put" if self._settings.require_create_only else "checksums"
            await check("create_only", self._create_only, needs=(known,))

    async def _checksums(self) -> Finding:
        sent = self._policy.sent_algorithm
        worth: StoreWorth = await Probe(self._store, self._folder, sent).run()
        policy = self._policy = replace(self._policy, worth=worth)
        values = worth.record()
        if worth.checks[sent] and policy.accepts(sent):
            return Finding(f"a body that does not match its {sent} is refused", values=values)
        text = f"the store accepts a body that does not match its {sent}"
        if policy.accepts("MD5"):
            return Finding(f"{text}; uploads are verified by the MD5 in ETags", values=values)
        if self._settings.manifest:
            text = f"{text}, so no upload can be verified: all files will fail"
        fix = (
            "use --checksum auto, which can verify by the MD5 in an ETag"
            if worth.proves("MD5")
            else "use a store that verifies checksums"
        )
        return Finding(text, fix, "failed" if self._settings.manifest else "warning", values)

    async def _create_only(self) -> Finding:
        worth = self._policy.worth
        values = {"put": worth.create_only_put, "complete": worth.create_only_complete}
        if self._settings.require_create_only:
            require_create_only(worth)
        if ignored := ignored_conditions(worth):
            return Finding(
                f"the store ignores If-None-Match on {ignored}, so an object that another program "
                "writes at the same time can be replaced",
                "make sure that no other program writes the same keys",
                "warning",
                values,
            )
        return Finding("PutObject and CompleteMultipartUpload keep existing objects", values=values)


async def check_objects(
    examination: Examination, store: ObjectStore, settings: Settings, permissions: Permissions
) -> None:
    """Check whether the options for objects that the settings contain were kept."""
    asked = {
        "tags": ("--tag", settings.tags),
        "metadata": ("--metadata", settings.metadata),
        "storage_class": ("--storage-class", settings.storage_class),
    }
    given = {name: flag for name, (flag, value) in asked.items() if value}
    if not given:
        return
    lost: dict[str, ObjectKey] = {}
    if examination.passed("head", *MULTIPART):
        for key in (permissions.key, permissions.parts_key):
            for option in await lost_options(store, settings, key):
                lost.setdefault(option, key)
    for name, flag in given.items():

        async def kept(flag: str = flag) -> Finding:
            if flag in lost:
                warned = describe_lost(flag, lost[flag])
                return Finding(warned.message, warned.hint, "warning")
            return Finding(f"the store keeps {flag}, of a put and of an upload in parts")

        await examination.check(name, kept, needs=("head", *MULTIPART))


async def check_speed(
    examination: Examination, store: ObjectStore, settings: Settings, prefix: str
) -> None:
    """Measure the latency of small requests, and calculate how many a second are possible."""
    measured: list[float] = []

    async def latency() -> Finding:
        for _ in range(_REQUESTS):
            begun = time.perf_counter()
            # Its answer takes as long if listing is denied.
            await store.check_bucket(prefix)
            measured.append(time.perf_counter() - begun)
        milliseconds = round(1000 * statistics.median(measured), 1)
        return Finding(
            f"{milliseconds:,} ms for a small request (median of {_REQUESTS})",
            values={"milliseconds": milliseconds},
        )

    async def concurrency() -> Finding:
        requests, reason = settings.ceiling
        # Two digits: it is an estimate.
        per_second = int(float(f"{requests / statistics.median(measured):.1e}"))
        start = min(requests, AUTO_START)
        values: Mapping[str, object] = {
            "start": requests if isinstance(settings.concurrency, int) else start,
            "maximum": requests,
            "reason": reason,
            "requests_per_second": per_second,
        }
        text = describe_limit(requests, reason)
        text = text or f"up to {format_count(requests, 'concurrent request')}"
        return Finding(
            f"{text}; the latency would allow {per_second:,} requests a second",
            values=values,
        )

    await examination.check("latency", latency, needs=("bucket",))
    await examination.check("concurrency", concurrency, needs=("latency",))
