"""The content of a raw zone before a run."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from benchmarks.null_server.history import HistorySpec
from benchmarks.peers.asyncload import RUN_DATE
from benchmarks.verification import list_files


def history_of(volume: Path, bucket: str, days: int) -> HistorySpec:
    """Return the objects that loads of the same volume on earlier days would have left."""
    datasets: defaultdict[str, list[str]] = defaultdict(list)
    for path in list_files(volume):
        first, *below = path.relative_to(volume).parts
        name = first if below else path.stem
        prefix = f"{bucket}/Raw/Local/CSV/{name[0].upper()}{name[1:]}/"
        datasets[prefix].append("/".join(below) or first)
    return HistorySpec(RUN_DATE - timedelta(days), days, datasets)
