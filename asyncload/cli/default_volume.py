"""Which folder is loaded where none is named."""

from __future__ import annotations

from pathlib import Path

from asyncload.source.heartbeat import STALLED_SECONDS, Heartbeat
from asyncload.source.watchdog import watched

MOUNTED = Path("/data")
"""Where a container has its volume."""


def default_volume() -> Path:
    """Return /data where there is one, else data.

    Raises:
        SourceStalled: what is mounted there does not answer.
    """
    mounted = watched(MOUNTED.exists, Heartbeat(), patience=STALLED_SECONDS)
    return MOUNTED if mounted else Path("data")
