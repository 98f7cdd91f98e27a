"""The null server's memory: calls, and everything about objects except their bytes."""

from __future__ import annotations

import resource
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.null_server.history import History

Checksums = dict[bytes, bytes]
"""Checksums by their header, such as `x-amz-checksum-crc64nvme`."""
# A tenth of a second's requests may arrive at once, so that synchronous arrivals are not refused.
_BURST_SECONDS = 0.1


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
    metadata: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Stored:
    """One object: `digests` has its SHA-256, or those of its parts with their sizes.

    `metadata` are the headers stored with it, `x-amz-meta-*`.
    """

    size: int
    etag: str
    checksums: Checksums
    digests: list[tuple[int, str | None]]
    modified: float
    metadata: dict[bytes, bytes] = field(default_factory=dict)


class Capacity:
    """A store's capacity: at most `rate` requests per second are served, others are refused.

    Source: a token bucket that fills with `rate` per second.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * _BURST_SECONDS)
        self._tokens = self._burst
        self._filled = now

    def serves(self, now: float) -> bool:
        """Return whether a request that arrives now is served."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_EARLIER = Stored(17_000, '"0123456789abcdef0123456789abcdef"', {}, [], 1.6e9)


class Ledger:
    """Counts and objects since the start or the last reset. Names are `bucket/key`.

    `history` are objects of earlier days, which a reset does not remove. `capacity` is in requests
    per second, None for no limit.
    """

    def __init__(self, history: History | None = None, capacity: float | None = None) -> None:
        self.history = history
        self.capacity = Capacity(capacity, time.monotonic()) if capacity else None
        self.reset()

    def reset(self) -> None:
        """Delete all objects and counts."""
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self._etags = 0
        self._sorted: list[str] = []
        self.reset_counts()

    def reset_counts(self) -> None:
        """Reset the counts; keep the objects."""
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.body_bytes = 0
        self._cpu_before = time.process_time()

    def next_etag(self) -> str:
        """Return a unique tag; like S3's it is opaque."""
        self._etags += 1
        return f'"{self._etags:032x}"'

    def put(self, name: str, stored: Stored) -> None:
        """Store an object."""
        self.objects[name] = stored

    def listed(self, name: str) -> Stored:
        """Return an object whose name `names_between` returned."""
        return self.objects.get(name, _EARLIER)

    def find(self, name: str) -> Stored | None:
        """Return an object of today or of an earlier day."""
        stored = self.objects.get(name)
        if stored is None and self.history is not None and name in self.history:
            return _EARLIER
        return stored

    def names_between(self, start: bytes, end: bytes, count: int) -> list[str]:
        """Return at most `count` names from `start` on and below `end`, in S3's listing order.

        That is the order of their UTF-8 bytes.
        """
        # Objects are never deleted, so an equal number of names means equal names.
        if len(self._sorted) != len(self.objects):
            self._sorted = sorted(self.objects, key=str.encode)
        at = bisect_left(self._sorted, start, key=str.encode)
        names = self._sorted[at : min(at + count, bisect_left(self._sorted, end, key=str.encode))]
        if self.history is None:
            return names
        earlier = self.history.names_between(start, end, count)
        if not names:
            return earlier
        # A put over an object of an earlier day counts once.
        return sorted({*names, *earlier}, key=str.encode)[:count]

    def stats(self, with_objects: bool) -> dict[str, Any]:
        """Return the counts, and on request each object's size and digests.

        `cpu_seconds` is the server's own user and system time since the last reset.
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
