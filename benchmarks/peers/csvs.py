"""Common code of the runners: the files of a volume and their keys."""

from __future__ import annotations

import os


def find_csvs(volume: str, prefix: str) -> list[tuple[str, str]]:
    """Return each CSV's path and key."""
    found = []
    for folder, _, names in os.walk(volume):
        for name in names:
            if name.endswith(".csv"):
                path = os.path.join(folder, name)  # noqa: PTH118  # a third of pathlib's time
                found.append((path, f"{prefix}/{os.path.relpath(path, volume)}"))
    return found
