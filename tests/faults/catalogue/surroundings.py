"""F: streams, names, clock and filters."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "F1",
        "a stream that is full, closed or unread",
        "the load continues; incomplete report: exit code 3",
    ),
    Fault("F2", "an excluded folder without read permission", "not opened, and no failure"),
    Fault("F4", "a locale that is not UTF-8", "the same keys as in UTF-8"),
    Fault("F5", "a file older than 1970", "its time is recorded exactly"),
    Fault("F6", "ctime or inode change by themselves", "distinguished from a change, with a hint"),
    Fault(
        "F7",
        "a volume of symbolic links, such as a ConfigMap",
        "followed if requested; never out of the volume",
    ),
    Fault(
        "F8",
        "folders of systems and running jobs",
        "excluded and named, unless included explicitly",
    ),
    Fault("F9", "a pattern without effect", "compared in composed form (NFC); a warning"),
    Fault("F10", "control characters and line breaks in a message", "escaped"),
    Fault("F3", "`today`, and a wrong clock", "a warning; rejected if the dates differ"),
    Fault("F11", "a non-blocking standard stream", "its reader is waited for"),
    Fault("F12", "a reader that does not read", "a signal still ends the run"),
    Fault("F13", "a live display besides a JSON report", "the report contains every record"),
    Fault("F14", "a store that sends no time, or an invalid one", "the run continues"),
    Fault("F15", "a store with an absurd date", "a warning; `today` is rejected"),
)
