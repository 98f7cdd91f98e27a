"""Outputs replace only files of their own kind: a mistyped name must not destroy another file."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def check_own(path: Path, what: str, *beginnings: bytes) -> None:
    """Check that a file can be replaced or appended to: one that is missing, or empty, or begins
    as the output does. Pipes and devices are always taken.

    Raises:
        OSError: it is something else than `what`, or can't be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return
        with path.open("rb") as file:
            head = file.read(max(map(len, beginnings)))
    except FileNotFoundError:
        return
    if head and not head.startswith(beginnings):
        raise FileExistsError(errno.EEXIST, f"the file exists and does not contain {what}")
