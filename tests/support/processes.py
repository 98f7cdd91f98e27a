"""The processes of a run, as the kernel lists them; other programs that tests start."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path


def parents():
    """The parent of each process that runs, by its id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def below(pid):
    """All processes that a process has started, and those that they have started."""
    found, family = parents(), {pid}
    while more := {child for child, parent in found.items() if parent in family} - family:
        family |= more
    return family - {pid}


def workers_of(pid, count=1):
    """The workers of a run, once there are so many: copies of a copy of it."""
    while True:
        family = parents()
        servers = {child for child, parent in family.items() if parent == pid}
        workers = sorted(child for child, parent in family.items() if parent in servers)
        if len(workers) >= count:
            return workers
        assert pid in family, "the run has ended"
        time.sleep(0.005)


def wait_for_end(pids):
    """Wait until none of the processes runs."""
    while set(pids) & set(parents()):
        time.sleep(0.01)


@contextmanager
def uncovered():
    """Keep coverage out of Python programs started in this context, which run none of asyncload.

    It traces each of their calls, and takes longer to start than most of them.
    """
    settings = os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    try:
        yield
    finally:
        if settings is not None:
            os.environ["COVERAGE_PROCESS_CONFIG"] = settings
