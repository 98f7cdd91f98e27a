"""The places of a file: the keys under which past runs have stored it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from asyncload.model.names import split_volume
from asyncload.reporting.manifest_reading import ManifestEntry
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.records import VERSION, format_day
from asyncload.reporting.text import format_count, printable

NO_MATCH = 3
"""The rank of an entry about another file."""


class Place(NamedTuple):
    """What one run did with a file. `day` is the date of its key, None if it is not known."""

    run: PastRun
    entry: ManifestEntry
    day: date | None


def needle_of(file: str) -> bytes:
    """Return bytes that each line of a manifest about a file contains."""
    return json.dumps(file.rpartition("/")[2])[1:-1].encode()


def rank_of(entry: ManifestEntry, file: str, volumes: Collection[str] = ()) -> int:
    """Return how well a file that a user has named matches an entry; 0 is best.

    0: its path, its path below its volume, or its key; 1: the end of its path; 2: the path with
    folders before it, such as the volume's; else `NO_MATCH`. `volumes` are those of the entry's run
    if it has several; whether an entry matches at all does not depend on them.
    """
    if file in (entry.path, entry.key):
        return 0
    if entry.path.endswith(f"/{file}"):
        return 0 if split_volume(entry.path, volumes)[1] == file else 1
    return 2 if file.endswith(f"/{entry.path}") else NO_MATCH


def place_lines(places: Iterable[Place], bucket: str) -> Iterator[str]:
    """Yield each object once, and below it each run, in the order of their start."""
    shown = None
    for run, entry, _ in places:
        target = (entry.path, entry.key)
        if target != shown:
            shown = target
            key = f"s3://{bucket}/{printable(entry.key)}" if entry.key else "no valid key"
            yield f"{printable(entry.path)} -> {key}"
        time = f" {entry.finished[:19].replace('T', ' ')} UTC" if entry.finished else ""
        text = f"  {entry.status}{printable(time)} by run {run.run_id}"
        text += f": {format_count(entry.size, 'byte')}"
        sums = [f"{name} {checksum.digest}" for name, checksum in entry.checksums.items()]
        text += "".join(f", {printable(one)}" for one in sums)
        yield f"{text}, {printable(entry.error)}" if entry.error else text


def place_record(place: Place, bucket: str) -> dict[str, Any]:
    """Return the record of a place; described in the page on records."""
    run, entry, day = place
    return {
        "version": VERSION,
        "type": "place",
        "status": entry.status,
        "path": entry.path,
        "bucket": bucket,
        "key": entry.key,
        "date": format_day(day),
        "dataset": entry.dataset or None,
        "size": entry.size,
        "checksums": {name: checksum.digest for name, checksum in entry.checksums.items()},
        "finished": entry.finished or None,
        "reason": entry.error,
        "run_id": run.run_id,
        "manifest": run.manifest,
    }
