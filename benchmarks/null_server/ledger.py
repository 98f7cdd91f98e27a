"""What the null server remembers: calls, and of each object all but its bytes."""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Checksums = dict[bytes, bytes]
"""Checksums by their header, such as `x-amz-checksum-crc64nvme`."""


@dataclass(slots=True)
class Part:
    """One part of an open multipart upload."""

    size: int
    etag: str
    digest: str | None
    checksums: Checksums


@dataclass(slots=True)
class Upload:
    """An open multipart upload."""

    name: str
    checksums: Checksums
    started: float
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(slots=True)
class Stored:
    """One object: `digests` has the SHA-256 of it, or of each of its parts with their sizes."""

    size: int
    etag: str
    checksums: Checksums
    digests: list[tuple[int, str | None]]
    modified: float


class Ledger:
    """Counts and objects since the start or the last reset. Names are `bucket/key`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.body_bytes = 0
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self._etags = 0
        self._sorted: list[str] = []
        self._cpu_before = time.process_time()

    def next_etag(self) -> str:
        """Return a tag that no other object or part has; like S3's it is opaque."""
        self._etags += 1
        return f'"{self._etags:032x}"'

    def put(self, name: str, stored: Stored) -> None:
        """Keep an object."""
        self.objects[name] = stored

    def sorted_names(self) -> list[str]:
        """Return every name in the order in which S3 lists: by UTF-8 bytes."""
        # No object is ever deleted, so the same number of names means the same names.
        if len(self._sorted) != len(self.objects):
            self._sorted = sorted(self.objects, key=str.encode)
        return self._sorted

    def stats(self, with_objects: bool) -> dict[str, Any]:
        """Return the counts, with each object's size and digests where they are asked for.

        `cpu_seconds` are the server's own, user and system, since the last reset.
        """
        stats: dict[str, Any] = {
            "calls": dict(self.calls),
            "requests": self.calls.total(),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "body_bytes": self.body_bytes,
            "objects": len(self.objects),
            "object_bytes": sum(stored.size for stored in self.objects.values()),
            "open_uploads": len(self.uploads),
            "cpu_seconds": round(time.process_time() - self._cpu_before, 6),
            "peak_rss_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
        if with_objects:
            stats["contents"] = {
                name: {"size": stored.size, "digests": stored.digests}
                for name, stored in self.objects.items()
            }
        return stats
