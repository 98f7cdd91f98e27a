"""How many requests at once the limit on open files (`ulimit -n`) leaves room for.

Connections are kept open between requests, while a file that can't be opened waits for a
descriptor: connections that take all of them would never give one back.
"""

from __future__ import annotations

import resource

_KEPT_FREE = 20
"""Descriptors that are not connections: streams, event loop, the volume, some files being read."""

_PER_REQUEST = 2
"""The fast lane and the generic S3 client keep connections of their own."""


def requests_allowed(wanted: int) -> int:
    """Return how many requests at once there may be: `wanted`, or fewer, but at least one."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(1, (limit - _KEPT_FREE) // _PER_REQUEST))
