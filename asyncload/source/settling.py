"""When is a file of a watched volume complete? Pure: events and a clock in, paths out.

A file is *quiet* once nothing was heard of it, and nothing about it has changed, for a whole settle
time. Each version of a file that became quiet is handed out once.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from asyncload.model.names import to_bytes

Version = Sequence[int]
"""The attributes that identify a version of a file; see `file_state.TRUST`."""

FIRST_RETRY = 10.0
"""In seconds; the wait after the first failure, which doubles with each further one."""
MAX_RETRY = 3600.0


@dataclass(slots=True)
class _Waiting:
    """A file that is not known to be complete. `version` is None if it was not looked at yet.

    `due` is when it is looked at next; `touched` is when something was last heard of it; `queued`
    is the time of its entry in the queue, None without one.
    """

    version: Version | None
    due: float
    touched: float
    failures: int = 0
    queued: float | None = None


@dataclass(frozen=True, slots=True)
class _InFlight:
    version: Version
    failures: int


class Settling:
    """Decides which files are complete. Times are in seconds of any monotonic clock.

    It remembers 200 bytes for each file that was loaded and is still in the volume.

    Args:
        settle: how long a file must be quiet.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._waiting: dict[str, _Waiting] = {}
        self._queue: list[tuple[float, str]] = []
        self._in_flight: dict[str, _InFlight] = {}
        # Digests of paths, and of their versions.
        self._loaded: dict[bytes, bytes] = {}
        self._found: set[bytes] | None = None
        self._rescan_began = 0.0

    @property
    def waiting(self) -> int:
        """The number of files that are not known to be complete, or failed."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """The number of files that were handed out and have no result."""
        return len(self._in_flight)

    @property
    def failing(self) -> int:
        """The number of files whose last attempt failed."""
        return sum(waiting.failures > 0 for waiting in self._waiting.values())

    def knows(self, path: str) -> bool:
        """Return whether a file is waiting, or was handed out and has no result."""
        return path in self._waiting or path in self._in_flight

    def seen(self, path: str, version: Version, now: float, *, event: bool = False) -> None:
        """Note the present version of a file; `event` if something was heard of it."""
        digest = _digest(path)
        if self._found is not None:
            self._found.add(digest)
        waiting = self._waiting.get(path)
        if waiting is None:
            flying = self._in_flight.get(path)
            known = flying.version if flying else None
            if known == version or (flying is None and self._is_loaded(digest, version)):
                return
            self._wait(path, _Waiting(version, now + self._settle, now))
        elif waiting.version != version:
            waiting.version, waiting.failures = version, 0
            waiting.touched, waiting.due = now, now + self._settle
            self._enqueue(path, waiting)
        elif event:
            waiting.touched = now
            waiting.due = max(waiting.due, now + self._settle)

    def gone(self, path: str) -> None:
        """Note that a file does not exist any more, or is not one to load."""
        self._waiting.pop(path, None)
        self._loaded.pop(_digest(path), None)

    def due(self, now: float, limit: int) -> list[str]:
        """Return up to `limit` paths to look at: their versions go to `take`."""
        paths: list[str] = []
        while self._queue and self._queue[0][0] <= now and len(paths) < limit:
            at, path = heapq.heappop(self._queue)
            waiting = self._waiting.get(path)
            if waiting is None or waiting.queued != at:
                continue
            waiting.queued = None
            if path in self._in_flight:
                # An earlier version is being loaded: its result comes first.
                continue
            if waiting.due > now:
                self._enqueue(path, waiting)
            else:
                paths.append(path)
        return paths

    def take(self, path: str, version: Version | None, now: float) -> bool:
        """Return whether a due file is complete in this version; it is in flight then.

        `version` is its present one; None if it does not exist any more.
        """
        waiting = self._waiting.get(path)
        if version is None:
            self.gone(path)
            return False
        if waiting is None:
            return False
        if self._is_loaded(_digest(path), version):
            del self._waiting[path]
            return False
        if waiting.version != version or waiting.due > now:
            self.seen(path, version, now)
            self._enqueue(path, waiting)
            return False
        del self._waiting[path]
        self._in_flight[path] = _InFlight(version, waiting.failures)
        return True

    def loaded(self, path: str) -> None:
        """Note that a file in flight was loaded, in the version that was handed out."""
        flying = self._in_flight.pop(path)
        digest = _digest(path)
        self._loaded[digest] = _digest_of(flying.version)
        if self._found is not None:
            self._found.add(digest)
        self._resume(path)

    def failed(self, path: str, now: float, *, count: bool = True) -> float:
        """Note that a file in flight was not loaded; another attempt follows.

        A newer version begins without failures. `count` is false if it was not the file's fault.
        Returns the seconds until the next attempt.
        """
        flying = self._in_flight.pop(path)
        if path in self._waiting:
            self._resume(path)
            return self._settle
        failures = flying.failures + count
        delay = min(FIRST_RETRY * 2.0 ** min(max(0, failures - 1), 20), MAX_RETRY)
        self._wait(path, _Waiting(flying.version, now + delay, now, failures))
        return delay

    def changed(self, path: str, now: float) -> None:
        """Note that a file in flight changed before it was loaded."""
        del self._in_flight[path]
        if path not in self._waiting:
            self._wait(path, _Waiting(None, now + self._settle, now))
        self._resume(path)

    def release(self, now: float) -> None:
        """Note that nothing is in flight any more: all of it is tried again."""
        for path in list(self._in_flight):
            self.changed(path, now)

    def begin_rescan(self, now: float) -> None:
        """Begin to note what is found in a scan of the whole volume."""
        self._found, self._rescan_began = set(), now

    def end_rescan(self, *, complete: bool) -> None:
        """Forget what a `complete` scan did not find, unless it was heard of meanwhile."""
        found, self._found = self._found, None
        if not complete or found is None:
            return
        for digest in self._loaded.keys() - found:
            del self._loaded[digest]
        for path, waiting in list(self._waiting.items()):
            if waiting.touched < self._rescan_began and _digest(path) not in found:
                del self._waiting[path]

    def _is_loaded(self, digest: bytes, version: Version) -> bool:
        return self._loaded.get(digest) == _digest_of(version)

    def _wait(self, path: str, waiting: _Waiting) -> None:
        self._waiting[path] = waiting
        self._enqueue(path, waiting)

    def _resume(self, path: str) -> None:
        """Queue a file that became due while an earlier version was in flight."""
        waiting = self._waiting.get(path)
        if waiting is not None:
            self._enqueue(path, waiting)

    def _enqueue(self, path: str, waiting: _Waiting) -> None:
        # One valid entry for each file, which is put back if it comes too early.
        if waiting.queued is None or waiting.due < waiting.queued:
            waiting.queued = waiting.due
            heapq.heappush(self._queue, (waiting.due, path))


def _digest(path: str) -> bytes:
    return hashlib.blake2b(to_bytes(path), digest_size=16).digest()


def _digest_of(version: Version) -> bytes:
    return hashlib.blake2b(repr(tuple(version)).encode(), digest_size=16).digest()
