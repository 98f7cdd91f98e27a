"""F: streams, names, clock and filters."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("F1", "a stream full, closed or unread", "the load goes on; a cut report is exit code 3"),
    Fault(
        "F2", "a folder that is left out may not be read", "it is not entered, and fails nothing"
    ),
    Fault("F4", "a locale that is not UTF-8", "names are the same keys as ever"),
    Fault("F5", "a file older than 1970", "its time is recorded exactly"),
    Fault("F6", "ctime or inode change by themselves", "told apart from a change, with a way out"),
    Fault(
        "F7", "a volume of links, as a ConfigMap is", "followed if asked; never out of the volume"
    ),
    Fault("F8", "folders of systems and running jobs", "left out and named, unless asked for"),
    Fault("F9", "a pattern without effect", "letters compared as composed; a warning"),
    Fault("F10", "control characters and line ends in a message", "shown, never obeyed"),
    Fault("F3", "`today`, and a clock that is off", "a warning; refused where the days differ"),
    Fault("F11", "a standard stream that does not block", "its reader is waited for"),
    Fault("F12", "a reader that does not read", "a signal ends the run all the same"),
    Fault("F13", "a live display beside a JSON report", "every record is in the report"),
    Fault("F14", "a store that tells no time, or no valid one", "the run goes on"),
    Fault("F15", "a store whose date is absurd", "a warning; `today` is refused"),
)
