"""I: a day's work, as a new user would do it."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("I5", "a partition that gets no marker", "named with the reason"),
    Fault("I7", "a terminal that can't move its cursor", "plain lines"),
    Fault("I13", "verify against a failed run", "what lies under the key is told"),
    Fault(
        "I2",
        "the program's name on the package index is another project's",
        "no hint or example installs that",
    ),
    Fault(
        "I3",
        "JSON asked for, and options, store or program fail, or a signal comes",
        "the last line is a summary with exit code and error",
    ),
    Fault(
        "I4",
        "a run ends early: by an error or a signal",
        "its record in the bucket says what landed and how it ended",
    ),
    Fault("I7", "a terminal that can't move its cursor", "plain lines"),
    Fault(
        "I14",
        "a program reads JSON, report and manifest",
        "one vocabulary, with a version, described field by field",
    ),
)
