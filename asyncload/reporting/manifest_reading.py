"""Read the manifest of a run, of any version, in constant memory; reject other objects."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.checksums import by_algorithm
from asyncload.model.values import Checksum, ObjectKey
from asyncload.reporting.records import VERSION
from asyncload.store.protocol import ObjectStore

_READ = 8 * 1024 * 1024
_MAX_LINE_BYTES = 8 * 1024 * 1024
# So many bytes of the first and the last line are asked for: usually the first number is enough.
_ENDS = (64 * 1024, _MAX_LINE_BYTES)
# A century.
_MAX_SECONDS = 100 * 366 * 24 * 3600
_LANDED = ("uploaded", "unchanged")
_STATUSES = (*_LANDED, "present", "skipped", "failed")
_HINT = "give a run id or the key of a manifest; manifests are stored below --manifest-prefix"


class ManifestEntry(NamedTuple):
    """One file of a manifest: `checksums` by algorithm; `error` is "" unless the file failed, and
    so are the `kind` and the `hint` of the error.

    `dataset`, `partition` and `finished` are "", `day` and `seconds` (of processing) None if the
    entry does not have them.
    """

    path: str
    key: ObjectKey | None
    status: str
    size: int
    checksums: Mapping[str, Checksum]
    error: str
    dataset: str = ""
    finished: str = ""
    day: date | None = None
    partition: str = ""
    seconds: float | None = None
    kind: str = ""
    hint: str = ""


Describe = Callable[[Mapping[str, Any]], None]
"""Receives what a manifest says of its run: the record `run`."""


class OddEntryError(ValueError):
    """A line of a manifest does not describe a file."""


async def read_manifest(
    store: ObjectStore, key: ObjectKey, describe: Describe | None = None
) -> AsyncIterator[ManifestEntry]:
    """Yield the files of a manifest; `describe` is called with what it says of its run, if given.

    Raises:
        NoRecordError: the object does not exist.
        UsageError: it is not a manifest of asyncload.
        StoreError: the store can't be queried.
    """
    try:
        async for entry in read_entries(store, key, describe=describe):
            yield entry
    except UnreadableRecordError as error:
        kind = NoRecordError if isinstance(error, _MissingError) else UsageError
        raise kind(f"--manifest: object {key!r} {error}", hint=_HINT) from error


class NoRecordError(UsageError):
    """There is no record of the run that an option names."""


class UnreadableRecordError(ValueError):
    """An object is not a complete manifest that can be read; the text says why, of the object."""


class _MissingError(UnreadableRecordError):
    """The object does not exist."""


async def read_entries(
    store: ObjectStore,
    key: ObjectKey,
    wanted: bytes = b"",
    *,
    describe: Describe | None = None,
) -> AsyncIterator[ManifestEntry]:
    """Yield the files of a manifest; only those whose line holds the `wanted` bytes.

    `describe` is as for `read_manifest`.

    Raises:
        UnreadableRecordError: the object does not exist, or is not a complete manifest.
        StoreError: the store can't be queried.
    """
    number = 1
    async for line in entry_lines(store, key, describe):
        number += 1
        if wanted in line:
            try:
                yield parse_entry(line)
            except (ValueError, RecursionError, InvalidKey) as error:
                raise UnreadableRecordError(f"can't be read: line {number}: {error}") from error


async def entry_lines(
    store: ObjectStore, key: ObjectKey, describe: Describe | None = None
) -> AsyncIterator[bytes]:
    """Yield the entries of a manifest as they are, without the separators between them.

    `describe` is as for `read_manifest`.

    Raises:
        UnreadableRecordError: the object does not exist, or is not a complete manifest.
        StoreError: the store can't be queried.
    """
    lines = _lines(store, key)
    head = await anext(lines, b"")
    if not head.startswith(b'{"run":'):
        raise UnreadableRecordError("is not a manifest of asyncload")
    run = _checked_run(head)
    if describe is not None:
        describe(run)
    async for line in lines:
        if line.startswith(b"]"):
            return
        if line:
            yield line.removesuffix(b",")
    raise UnreadableRecordError("is incomplete")


def _checked_run(head: bytes) -> Mapping[str, Any]:
    """Return what a manifest's first line says of its run; nothing if that can't be read.

    Raises:
        UnreadableRecordError: its version is newer than this program.
    """
    try:
        run = json.loads(head.removesuffix(b',"files":[') + b"}")["run"]
    except (ValueError, RecursionError, LookupError, TypeError):
        run = None
    if not isinstance(run, dict):
        # The entries can be read without it.
        return {}
    version = run.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UnreadableRecordError(f"is of version {version}, which needs a newer asyncload")
    return run


def parse_entry(line: bytes) -> ManifestEntry:
    """Parse one line of a manifest. Pure.

    Raises:
        ValueError, RecursionError, InvalidKey: the line does not describe a file.
    """
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise OddEntryError("the entry is not a JSON object")
    # Earlier versions used the name `outcome`.
    status = _text(entry, "status" if "status" in entry else "outcome")
    if status not in _STATUSES:
        raise OddEntryError(f"unknown status {status!r}")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise OddEntryError(f"the size {size!r} is not a number of bytes")
    key = None
    if status != "failed" or entry.get("key") is not None:
        key = ObjectKey(_text(entry, "key"))
    checksums = _checksums(entry)
    if status in _LANDED and not checksums:
        raise OddEntryError("the checksum of an uploaded file is missing")
    day = _optional(entry, "date")
    return ManifestEntry(
        _text(entry, "path"),
        key,
        status,
        size,
        checksums,
        _error(entry),
        dataset=_optional(entry, "dataset"),
        finished=_optional(entry, "finished"),
        day=date.fromisoformat(day) if day else None,
        partition=_optional(entry, "partition"),
        seconds=_seconds(entry),
        kind=_of_error(entry, "kind"),
        hint=_of_error(entry, "hint"),
    )


def _checksums(entry: Mapping[str, Any]) -> dict[str, Checksum]:
    given = entry.get("checksums", {})
    if not isinstance(given, dict):
        raise OddEntryError("the checksums are not a JSON object")
    found = [Checksum(algorithm, _text(given, algorithm)) for algorithm in given]
    if "checksum" in entry:
        # Earlier versions recorded only the checksum that verified the file.
        found.insert(0, Checksum(_text(entry, "verified_by"), _text(entry, "checksum")))
    return by_algorithm(*found)


def _of_error(entry: Mapping[str, Any], name: str) -> str:
    error = entry.get("error")
    return _optional(error, name) if isinstance(error, dict) else ""


def _error(entry: Mapping[str, Any]) -> str:
    error = entry.get("error", "")
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""


def _seconds(entry: Mapping[str, Any]) -> float | None:
    value = entry.get("seconds")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < _MAX_SECONDS else None


def _optional(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise OddEntryError(f"{name!r} is missing or not a string")
    return value


async def read_ends(
    store: ObjectStore, key: ObjectKey, size: int | None = None
) -> tuple[bytes, bytes] | None:
    """Return the first and the last line of an object; None if it does not exist.

    `size` is its size in bytes, if it is known from a listing. Lines of more than 8 MiB are cut.

    Raises:
        StoreError: the store can't be queried.
    """
    if size is None:
        remote = await store.head(key)
        if remote is None:
            return None
        size = remote.size
    first = last = b""
    for length in _ENDS:
        if b"\n" not in first:
            first = await store.read(key, 0, length)
        if len(first) == size:
            last = first
        # The last line ends in a line break itself.
        if b"\n" not in last[:-1]:
            last = await store.read(key, max(0, size - length), length)
    return first.partition(b"\n")[0], last.rstrip(b"\n").rpartition(b"\n")[2]


async def _lines(store: ObjectStore, key: ObjectKey) -> AsyncIterator[bytes]:
    """Yield an object's lines of up to 8 MiB; a line that starts with `]` may be incomplete."""
    if await store.head(key) is None:
        raise _MissingError("does not exist")
    offset, rest = 0, b""
    while piece := await store.read(key, offset, _READ):
        offset += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if rest.startswith(b"]"):
            break
        if len(rest) > _MAX_LINE_BYTES:
            raise UnreadableRecordError(
                f"is not a manifest of asyncload: a line is longer than {_MAX_LINE_BYTES:,} bytes"
            )
    if rest:
        yield rest
