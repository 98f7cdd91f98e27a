"""F: streams, names, clock and filters."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("F1", "a stream full, closed or unread", "the load goes on; a cut report is exit code 3"),
    Fault("F11", "a standard stream that does not block", "its reader is waited for"),
    Fault("F12", "a reader that does not read", "a signal ends the run all the same"),
    Fault("F13", "a live display beside a JSON report", "every record is in the report"),
)
