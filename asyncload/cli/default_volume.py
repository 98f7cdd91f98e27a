"""The folder to load if none is given."""

from __future__ import annotations

from pathlib import Path

from asyncload.source.heartbeat import STALLED_SECONDS, Heartbeat
from asyncload.source.watchdog import watched

MOUNTED = Path("/data")
"""The folder at which a container mounts its volume."""


def default_volume() -> Path:
    """Return /data if it exists, else data.

    Raises:
        SourceStalled: the file system mounted there does not respond.
    """
    mounted = watched(MOUNTED.exists, Heartbeat(), patience=STALLED_SECONDS)
    return MOUNTED if mounted else Path("data")
