"""From a scan of the volume to a plan, slice by slice, telling an observer how far it got."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from asyncload.discovery import Found
from asyncload.errors import NothingToLoad
from asyncload.model import Event, LeftOut, Scanned, SourceFile
from asyncload.plan import LoadPlan

SLICE = 2_000
"""Entries of the volume to handle between two looks at the clock, signals and progress."""


def add_found(plan: LoadPlan, found: Iterable[Found], observe: Callable[[Event], None]) -> None:
    """Put a slice of what the scan found into the plan."""
    for item in found:
        if isinstance(item, SourceFile):
            plan.add(item)
        elif isinstance(item, LeftOut):
            observe(item)
        else:
            plan.add_failure(item)
    observe(Scanned(plan.files, plan.size))


def check_plan(plan: LoadPlan) -> None:
    """Make sure that there is something to load, and that no two files want one key.

    Raises:
        NothingToLoad: the plan is empty.
        KeyCollision: see `LoadPlan.check_collisions`.
    """
    if not plan.files:
        raise NothingToLoad(
            "there is no CSV to load in the volume",
            hint="files named *.csv in any letter case are loaded; "
            "check the mount, --include and --exclude",
        )
    plan.check_collisions()
