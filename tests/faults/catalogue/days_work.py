"""I: a day's work, as a new user would do it."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (Fault("I7", "a terminal that can't move its cursor", "plain lines"),)
