"""Check this machine: the volume, the limit on open files and the memory."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from pathlib import Path

from asyncload.errors import AsyncloadError
from asyncload.model.values import Event, Warned
from asyncload.operations.disposing import open_disposal
from asyncload.operations.doctor.examination import Examination, Finding
from asyncload.operations.opening import open_readers
from asyncload.operations.planning import scanner_of
from asyncload.planning.collecting import SLICE, add_found, finish_plan
from asyncload.planning.plan import PUT_LIMIT, LoadPlan
from asyncload.reporting.text import format_count, format_size, printable
from asyncload.settings.container import (
    ADDRESSES,
    MIB,
    PROCESS,
    address_limit,
    memory_left,
    memory_limit,
)
from asyncload.settings.descriptors import descriptor_limit, descriptors_for
from asyncload.settings.run import (
    MAX_AUTO_CONCURRENCY,
    MIN_MEMORY,
    Settings,
    dates_of,
    layout_of,
)
from asyncload.source.readers import Readers

MAX_ENTRIES = 100_000
"""The scan ends here: a diagnosis should not take as long as a run."""
MAX_OPENED = 1_000
"""Files that are opened, to see whether they may be read."""


async def check_machine(examination: Examination, settings: Settings, now: datetime) -> None:
    """Check what a run needs besides the store."""

    async def volume() -> Finding:
        return await _scan(settings, now)

    async def open_files() -> Finding:
        return _open_files(settings)

    async def memory() -> Finding:
        return describe_memory(settings)

    await examination.check("volume", volume)
    await examination.check("open_files", open_files)
    await examination.check("memory", memory)


async def _scan(settings: Settings, now: datetime) -> Finding:
    """Open and scan the volume as a run does, up to a number of entries.

    Raises:
        AsyncloadError: a run would end with it before the first upload.
    """
    warnings: list[Warned] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event)

    async with open_readers(settings) as readers:
        open_disposal(settings, readers.roots)
        layout = layout_of(settings, now)
        plan = LoadPlan(layout, put_limit=PUT_LIMIT, dates=dates_of(settings))
        scanner = scanner_of(settings, now, readers)
        found = readers.scan(scanner.scan)
        entries, more = 0, True
        while more and entries < MAX_ENTRIES:
            items = await readers.take(found, SLICE)
            add_found(plan, items, observe)
            entries, more = entries + len(items), bool(items)
        if not more:
            finish_plan(plan, scanner, observe, allow_empty=settings.allow_empty)
        failures = [(failure.path, failure.error) for failure in plan.failures]
        failures += await _unreadable(plan, readers)
    values = {"files": plan.files, "bytes": plan.size, "complete": not more}
    volumes = ", ".join(map(str, settings.volumes))
    text = f"{volumes}: {format_count(plan.files, 'CSV')}, {format_size(plan.size)}"
    if more:
        text += f" among the first {entries:,} entries"
    if failures:
        path, error = failures[0]
        text += (
            f"; {len(failures):,} can't be loaded, the first: {printable(path)}: {error.message}"
        )
        return Finding(text, error.hint, "failed", values)
    if warnings:
        first = warnings[0]
        return Finding(f"{text}; {first.message}", first.hint, "warning", values)
    return Finding(text, values=values)


async def _unreadable(plan: LoadPlan, readers: Readers) -> list[tuple[str, AsyncloadError]]:
    """Open the first files of a plan; return the paths and errors of those that can't be opened."""
    found: list[tuple[str, AsyncloadError]] = []
    for upload in islice(plan.uploads(), MAX_OPENED):
        try:
            async with readers.opened(upload.source):
                pass
        except AsyncloadError as error:
            found.append((upload.source.path, error))
    return found


def _open_files(settings: Settings) -> Finding:
    limit, (requests, reason) = descriptor_limit(), settings.ceiling
    values = {"limit": limit, "requests": requests}
    text = "no limit" if limit is None else f"a limit of {limit:,}"
    if reason != "open files":
        return Finding(f"{text}, which is enough for {requests:,} requests at once", values=values)
    wanted = settings.concurrency
    wanted = wanted if isinstance(wanted, int) else MAX_AUTO_CONCURRENCY
    return Finding(
        f"{text}, which allows only {requests:,} requests at once",
        f"raise the hard limit (`ulimit -Hn`, LimitNOFILE of a service, --ulimit nofile of a "
        f"container): {descriptors_for(wanted)} is enough for {wanted:,}",
        "warning",
        values,
    )


def describe_memory(settings: Settings, root: Path = Path("/")) -> Finding:
    """Compare the memory for file data with the limits on it; `root` is for tests."""
    limit, left = memory_limit(root), memory_left(root=root, encrypted=settings.encrypted)
    addresses = address_limit()
    values = {"file_data": settings.memory, "limit": limit, "address_limit": addresses}
    text = f"{settings.memory // MIB:,} MiB for file data"
    if limit is None and addresses is None:
        return Finding(f"{text}; no limit on this process's memory", values=values)
    fix = ""
    if limit is not None:
        text += f", within the container's limit of {limit // MIB:,} MiB"
        if left is not None and left < MIN_MEMORY:
            text += ", which may be too small for a run"
            fix = f"raise it to {(PROCESS + MIN_MEMORY) // MIB} MiB or more"
    if addresses is not None:
        text += f", within this process's limit of {addresses // MIB:,} MiB (ulimit -v)"
        needed = settings.memory + ADDRESSES
        if addresses < needed:
            text += ", which may be too small for a run"
            fix = f"raise it: `ulimit -v {needed // 1024}` is enough; or lower --memory"
    return Finding(text, fix, "warning" if fix else "ok", values)
