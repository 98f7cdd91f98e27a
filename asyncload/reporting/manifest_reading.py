"""Read the manifest of a run: any version of it, in flat memory, and nothing else for one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.checksums import by_algorithm
from asyncload.model.values import Checksum, ObjectKey
from asyncload.store.protocol import ObjectStore

_READ = 8 * 1024 * 1024
_MAX_LINE = 8 * 1024 * 1024
_LANDED = ("uploaded", "unchanged")
_STATUSES = (*_LANDED, "skipped", "failed")
_HINT = "name a run id or the key of a manifest; they are below --manifest-prefix"


class ManifestEntry(NamedTuple):
    """One file of a manifest: `checksums` by algorithm, and why it failed, if it did."""

    path: str
    key: ObjectKey | None
    status: str
    size: int
    checksums: Mapping[str, Checksum]
    error: str


class OddEntryError(ValueError):
    """A line of a manifest that does not describe a file."""


async def read_manifest(store: ObjectStore, key: ObjectKey) -> AsyncIterator[ManifestEntry]:
    """Yield the files of a manifest.

    Raises:
        UsageError: there is no such object, or it is no manifest of asyncload's.
        StoreError: the store can't be asked.
    """
    lines = _lines(store, key)
    head = await anext(lines, b"")
    if not head.startswith(b'{"run":'):
        raise UsageError(f"--manifest: {key!r} is not a manifest of asyncload", hint=_HINT)
    number = 1
    async for line in lines:
        number += 1
        if line.startswith(b"]"):
            return
        if line:
            try:
                yield parse_entry(line.removesuffix(b","))
            except (ValueError, RecursionError, InvalidKey) as error:
                raise UsageError(
                    f"--manifest: {key!r} can't be read: line {number}: {error}", hint=_HINT
                ) from error
    raise UsageError(f"--manifest: {key!r} is cut off", hint="that run did not end well")


def parse_entry(line: bytes) -> ManifestEntry:
    """Read one line of a manifest. Pure.

    Raises:
        ValueError, RecursionError, InvalidKey: it does not describe a file, see `OddEntryError`.
    """
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise OddEntryError("it is not an object of JSON")
    # Earlier versions called the status the outcome.
    status = _text(entry, "status" if "status" in entry else "outcome")
    if status not in _STATUSES:
        raise OddEntryError(f"the status {status!r} is not known")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise OddEntryError(f"the size {size!r} is not a number of bytes")
    key = None
    if status != "failed" or entry.get("key") is not None:
        key = ObjectKey(_text(entry, "key"))
    checksums = _checksums(entry)
    if status in _LANDED and not checksums:
        raise OddEntryError("there is no checksum of a file that landed")
    return ManifestEntry(_text(entry, "path"), key, status, size, checksums, _error(entry))


def _checksums(entry: Mapping[str, Any]) -> dict[str, Checksum]:
    given = entry.get("checksums", {})
    if not isinstance(given, dict):
        raise OddEntryError("the checksums are not an object of JSON")
    found = [Checksum(algorithm, _text(given, algorithm)) for algorithm in given]
    if "checksum" in entry:
        # Earlier versions recorded one: that which proved the file.
        found.insert(0, Checksum(_text(entry, "verified_by"), _text(entry, "checksum")))
    return by_algorithm(*found)


def _error(entry: Mapping[str, Any]) -> str:
    error = entry.get("error", "")
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise OddEntryError(f"{name!r} is missing or not a text")
    return value


async def _lines(store: ObjectStore, key: ObjectKey) -> AsyncIterator[bytes]:
    """Yield an object's lines, each of at most 8 MiB; the last one from a `]` on may be cut."""
    if await store.head(key) is None:
        raise UsageError(f"--manifest: there is no object {key!r}", hint=_HINT)
    offset, rest = 0, b""
    while piece := await store.read(key, offset, _READ):
        offset += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if rest.startswith(b"]"):
            break
        if len(rest) > _MAX_LINE:
            raise UsageError(
                f"--manifest: {key!r} is not a manifest of asyncload: it has a line of over "
                f"{_MAX_LINE:,} bytes",
                hint=_HINT,
            )
    if rest:
        yield rest
