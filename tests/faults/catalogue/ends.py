"""C: tasks that vanish, ends that do not end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("C1", "a connection that takes a little too long", "made again; no worker vanishes"),
    Fault("C2", "a signal or a refusal while an upload is being aborted", "no other file is begun"),
    Fault("C3", "the terminal closes, or a batch system warns", "as SIGTERM; ignored if it was"),
)
