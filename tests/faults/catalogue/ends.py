"""C: tasks that vanish, ends that do not end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("C3", "the terminal closes, or a batch system warns", "as SIGTERM; ignored if it was"),
)
