"""`asyncload verify`: compare the raw zone with the volume, or with a run's manifest."""

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
    Difference,
    manifest_key_of,
    verify_manifest,
    verify_volume,
)
from asyncload.planning.plan import PUT_LIMIT, LoadPlan
from asyncload.reporting.records import VERSION, to_json, verify_totals
from asyncload.reporting.text import format_count, printable
from asyncload.settings.run import Settings
from asyncload.source.readers import Readers
from asyncload.store.protocol import ObjectStore
from asyncload.transfer import PartWindow, TransferPolicy, TransferTools


def verify(settings: Settings, ending: Ending, *, manifest: str | None, quiet: bool) -> int:
    """Compare, print each difference, and return 0 if there is none, else 3.

    Raises:
        AsyncloadError: the comparison could not be completed.
    """
    out = stdout()

    def emit(found: Difference) -> None:
        for line in _lines(found, settings.bucket, json=ending.json):
            out.line(line)

    comparison = Comparison(emit)
    now = datetime.now(UTC)
    compared = _Compared(now, None if manifest else settings.key_layout(now).date)
    ending.totals = lambda: verify_totals(
        manifest=compared.manifest,
        day=compared.day,
        verified_by=comparison.verified,
        differences={kind: n for kind, n in comparison.differences.items()},  # noqa: C416  # of str
    )
    run_interruptible(_compare(settings, manifest, comparison, compared))
    if not ending.json:
        _conclude(comparison, out, quiet=quiet)
    out.flush()
    return 0 if comparison.matches else 3


@dataclass(slots=True)
class _Compared:
    """The other side of the comparison: the volume for a date, or a manifest."""

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
    """Warn of a wrong clock; raise ClocksDisagree if `today` is another day at the store."""
    if warned := check_clock(store.clock_offset, now):
        warn(warned)
    check_day(settings, store.clock_offset, now)


async def _policy(settings: Settings, store: ObjectStore) -> TransferPolicy:
    """Return a policy with the results of earlier probes of the store."""
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
    """Ignore events: only differences are reported."""


def _lines(found: Difference, bucket: str, *, json: bool) -> Iterator[str]:
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
    if quiet and comparison.matches:
        return
    matching = sum(comparison.verified.values())
    text = f"{format_count(matching, 'file')} {'matches' if matching == 1 else 'match'}"
    if matching:
        counts = sorted(comparison.verified.items())
        text += f" ({', '.join(f'{n:,} by {name}' for name, n in counts)})"
    if comparison.matches:
        text = f"OK: {text}"
    else:
        kinds = sorted(comparison.differences.items())
        total = format_count(sum(comparison.differences.values()), "difference")
        text += f"; {total}: {', '.join(f'{n:,} {kind}' for kind, n in kinds)}"
    err = stderr() if quiet else out
    err.line(text)
    err.flush()
