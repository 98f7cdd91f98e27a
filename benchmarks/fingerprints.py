"""A digest of everything that the figures of a workload depend on; equal ones need no new run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import asyncload
from benchmarks.workloads import Workload

_SOURCES = (Path(asyncload.__file__).parent, Path(__file__).parent)


def fingerprint_of(
    workload: Workload,
    rounds: int,
    tools: Mapping[str, tuple[str, str]],
    machine: Mapping[str, str | int],
) -> str:
    """Return a digest of the code of asyncload and the harness, rows, rounds, tools and machine."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    digest.update(repr((workload, rounds, sorted(tools.items()), sorted(machine.items()))).encode())
    return digest.hexdigest()[:16]
