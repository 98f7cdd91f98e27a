"""Limit concurrent requests by the limit on open files (`ulimit -n`).

Connections stay open between requests. If they used all descriptors, files could never be opened.
"""

from __future__ import annotations

import resource
from contextlib import suppress

_KEPT_FREE = 20
"""Descriptors reserved for streams, event loop, volume and open files."""

_PER_REQUEST = 2
"""The fast lane and the generic S3 client each keep their own connections."""


def descriptors_for(requests: int) -> int:
    """Return the limit on open files that so many concurrent requests need."""
    return _KEPT_FREE + _PER_REQUEST * requests


def descriptor_limit() -> int | None:
    """Return the limit on open files of this process; None if there is none."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


def requests_allowed(wanted: int) -> int:
    """Return the allowed number of concurrent requests: at most `wanted`, at least one."""
    limit = descriptor_limit()
    if limit is None:
        return wanted
    return min(wanted, max(1, (limit - _KEPT_FREE) // _PER_REQUEST))


def raise_descriptor_limit(requests: int) -> None:
    """Raise this process's limit on open files to what so many concurrent requests need.

    Many systems give a process a low limit, of 1024 or 256, which it may raise itself to the hard
    limit; the low one protects programs that use `select`. Processes started from now on inherit
    the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    needed = descriptors_for(requests)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if wanted > soft:
        # Some systems, and sandboxes, refuse what they say is allowed.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
