"""B: uploads, objects and records of other programs."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("B1", "an open upload with other settings, or of others", "a new one is started"),
    Fault("B2", "a recent upload with unsuitable parts", "left open until its lease ends"),
    Fault(
        "B3", "this machine's clock is hours or days off", "ages are measured by the store's clock"
    ),
    Fault(
        "B4",
        "open uploads of keys that asyncload never writes",
        "reported and skipped; the others are handled",
    ),
    Fault("B5", "a killed run's upload, and another part size", "resumed with its own part size"),
    Fault("B6", "a resumable upload completed by others", "the object is compared"),
    Fault("B7", "a damaged or huge upload record", "ignored, and not read completely"),
    Fault("B8", "a record that can't be written", "a warning; the files are uploaded"),
    Fault("B9", "a store that sends no time", "nothing is aborted by age"),
    Fault("B10", "uploads of others, and `clean`", "listed with their initiator"),
    Fault("B11", "an upload whose parts can't be listed", "reported and skipped; exit code 3"),
    Fault("B12", "a duration beyond the calendar", "usage error"),
)
