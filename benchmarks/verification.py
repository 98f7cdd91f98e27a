"""Check the objects that a tool uploaded: names, sizes and digests."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_READ = 1024 * 1024


class NotVerified(Exception):
    """The objects differ from the files."""


def verify_contents(volume: Path, stats: Mapping[str, Any]) -> str:
    """Compare a null server's digests with the files; return a description.

    Tools use different keys, so an object is matched to the file with the same name, size and
    digest. A large object is compared part by part, in the sizes in which it was sent.

    Raises:
        NotVerified: a file is missing, an object has no file, or an upload was left open.
    """
    if stats["open_uploads"]:
        raise NotVerified(f"{stats['open_uploads']} multipart uploads were left open")
    files = list_files(volume)
    wanted = Counter((path.name, size) for path, size in files.items())
    shapes: dict[tuple[str, int], set[tuple[int, ...]]] = {}
    found: Counter[tuple[str, int]] = Counter()
    digests: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for key, stored in stats["contents"].items():
        name = (key.rpartition("/")[2], stored["size"])
        sizes, hashes = zip(*stored["digests"], strict=True)
        found[name] += 1
        shapes.setdefault(name, set()).add(sizes)
        digests[name[0], hashes] += 1
    if found != wanted:
        missing, extra = wanted - found, found - wanted
        raise NotVerified(
            f"{missing.total()} files have no object and {extra.total()} objects no file, "
            f"such as {next(iter(missing), None)} and {next(iter(extra), None)}"
        )
    for path, size in files.items():
        candidates = {(path.name, part_digests(path, sizes)) for sizes in shapes[path.name, size]}
        match = next((candidate for candidate in candidates if digests[candidate]), None)
        if match is None:
            raise NotVerified(f"{path.name}: the object's bytes are not the file's")
        digests[match] -= 1
    return f"{len(files):,} objects, {sum(files.values()):,} bytes: SHA-256 of all"


def list_files(volume: Path) -> dict[Path, int]:
    """Return the files below a folder with their sizes."""
    return {path: path.stat().st_size for path in volume.rglob("*") if path.is_file()}


def part_digests(path: Path, sizes: tuple[int, ...]) -> tuple[str, ...]:
    """Return the SHA-256 of a file's consecutive parts of these sizes."""
    digests = []
    buffer = memoryview(bytearray(_READ))
    with path.open("rb", buffering=0) as file:
        for size in sizes:
            digest = hashlib.sha256()
            left = size
            while left and (count := file.readinto(buffer[: min(left, _READ)])):
                digest.update(buffer[:count])
                left -= count
            digests.append(digest.hexdigest())
    return tuple(digests)


def verify_counts(files: int, size: int, stats: Mapping[str, Any]) -> None:
    """Check a timed run: equal numbers of objects, files and bytes, and no open upload.

    Raises:
        NotVerified: the numbers differ.
    """
    reached = (stats["objects"], stats["object_bytes"], stats["open_uploads"])
    if reached != (files, size, 0):
        raise NotVerified(f"objects, bytes and open uploads are {reached}, not {(files, size, 0)}")


def verify_nothing_sent(stats: Mapping[str, Any]) -> str:
    """Check a run over existing objects; return a description.

    Raises:
        NotVerified: file data was sent again.
    """
    if stats["body_bytes"]:
        raise NotVerified(f"{stats['body_bytes']:,} bytes were sent again")
    return "0 body bytes again"
