"""`asyncload verify`: what is in the raw zone against the volume, or against a run's manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from asyncload.aio.buffers import BufferPool
from asyncload.bucket.key_index import KeyIndex
from asyncload.cli.ending import Ending
from asyncload.cli.output import Output, stderr, stdout, warn
from asyncload.cli.signals import run_interruptible
from asyncload.model.values import Event, Warned
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.load import fill_plan, open_bucket
from asyncload.operations.opening import open_readers
from asyncload.operations.probing import remembered_worth
from asyncload.operations.verification import (
    Comparison,
    Discrepancy,
    manifest_key_of,
    verify_manifest,
    verify_volume,
)
from asyncload.planning.plan import PUT_LIMIT, LoadPlan
from asyncload.reporting.records import VERSION, to_json, verify_totals
from asyncload.reporting.text import printable
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import PartWindow, TransferPolicy, TransferTools


def verify(settings: Settings, ending: Ending, *, manifest: str | None, quiet: bool) -> int:
    """Compare, tell what differs, and return 0 where nothing does, else 3.

    Raises:
        AsyncloadError: it could not be compared.
    """
    out = stdout()

    def tell(found: Discrepancy) -> None:
        for line in _lines(found, settings.bucket, json=ending.json):
            out.line(line)

    comparison = Comparison(tell)
    now = datetime.now(UTC)
    compared = _Compared(now, None if manifest else settings.key_layout(now).date)
    ending.totals = lambda: verify_totals(
        manifest=compared.manifest,
        day=compared.day,
        verified_by=comparison.proved,
        differences={kind: n for kind, n in comparison.found.items()},  # noqa: C416  # of str
    )
    run_interruptible(_compare(settings, manifest, comparison, compared))
    if not ending.json:
        _conclude(comparison, out, quiet=quiet)
    out.flush()
    return 0 if comparison.whole else 3


@dataclass(slots=True)
class _Compared:
    """What is compared at `now`: the bucket with a volume of a day, or with a manifest."""

    now: datetime
    day: date | None
    manifest: str | None = None


async def _compare(
    settings: Settings, manifest: str | None, comparison: Comparison, compared: _Compared
) -> None:
    now = compared.now
    prefix = settings.key_layout(now).common_prefix()
    if manifest is not None:
        async with open_bucket(settings, prefix, warn) as store:
            key = manifest_key_of(manifest, settings.bucket, settings.manifest_prefix)
            compared.manifest = key
            policy = await _policy(settings, store)
            await verify_manifest(key, store, comparison, settings.max_requests, policy)
        return
    async with (
        open_readers(settings) as readers,
        open_bucket(settings, prefix, warn) as store,
    ):
        _check_clock(settings, store, now)
        plan = LoadPlan(settings.key_layout(now), put_limit=PUT_LIMIT)
        await fill_plan(plan, settings, readers, _warn, now)
        tools = _tools(settings, store, readers, await _policy(settings, store))
        await verify_volume(plan, tools, comparison, settings.max_requests)


def _check_clock(settings: Settings, store: ObjectStore, now: datetime) -> None:
    """Warn of a clock that is off; raise ClocksDisagree where `today` is not the store's."""
    if warned := check_clock(store.clock_offset, now):
        warn(warned)
    check_day(settings, store.clock_offset, now)


async def _policy(settings: Settings, store: ObjectStore) -> TransferPolicy:
    """Return what may be proof, as far as earlier runs found out about the store."""
    worth = await remembered_worth(store, settings.manifest_prefix, datetime.now(UTC))
    return TransferPolicy(worth=worth)


def _tools(
    settings: Settings, store: ObjectStore, readers: Readers, policy: TransferPolicy
) -> TransferTools:
    return TransferTools(
        store=store,
        readers=readers,
        buffers=BufferPool(settings.memory),
        window=PartWindow(settings.max_requests),
        policy=policy,
        key_index=KeyIndex(),
        left_open={},
        observe=_ignore,
        now=lambda: datetime.now(UTC),
    )


def _warn(event: Event) -> None:
    if isinstance(event, Warned):
        warn(event)


def _ignore(_: Event) -> None:
    """Tell nobody of what is planned: only differences are of interest."""


def _lines(found: Discrepancy, bucket: str, *, json: bool) -> Iterator[str]:
    if json:
        yield to_json(
            {
                "version": VERSION,
                "type": "difference",
                "status": found.kind,
                "path": found.path,
                "bucket": bucket,
                "key": found.key,
                "reason": found.detail,
            }
        )
        return
    path = printable(found.path) if found.path is not None else ""
    target = f"s3://{bucket}/{printable(found.key)}" if found.key is not None else ""
    where = " -> ".join(filter(None, (path, target)))
    yield f"{found.kind}: {where}: {printable(found.detail)}"


def _conclude(comparison: Comparison, out: Output, *, quiet: bool) -> None:
    counts = dict(sorted(comparison.found.items()))
    if not quiet or not comparison.whole:
        err = stderr() if quiet else out
        equal = sum(comparison.proved.values())
        by = ", ".join(f"{n:,} by {name}" for name, n in sorted(comparison.proved.items()))
        words = [f"{equal:,} equal" + (f" ({by})" if by else "")]
        words += [f"{count:,} {kind}" for kind, count in counts.items()]
        err.line(f"{'whole' if comparison.whole else 'not whole'}: {', '.join(words)}")
        err.flush()
