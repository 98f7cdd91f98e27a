"""I: a day's work, as a new user would do it."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("I5", "a partition that gets no marker", "named with the reason"),
    Fault("I7", "a terminal that can't move its cursor", "plain lines"),
    Fault("I13", "verify against a failed run", "what lies under the key is told"),
)
