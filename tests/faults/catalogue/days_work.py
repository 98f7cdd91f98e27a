"""I: a day's work, as a new user would do it."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("I1", "a container's limit on memory", "kept by default; more is refused"),
    Fault("I2", "our name on the package index is another's", "no hint installs that"),
    Fault("I3", "JSON asked for, and something fails early", "the last line is a summary"),
    Fault("I4", "a run ends by an error or a signal", "its record says what landed, and why"),
    Fault("I5", "files skipped, a partition without marker", "named with the reason"),
    Fault("I6", "very many files fail alike", "the first are named, the others counted"),
    Fault("I7", "a terminal that can't move its cursor", "plain lines"),
    Fault("I9", "odd settings or observers from Python", "taken, or a usage error; a clean end"),
    Fault("I10", "an option mistyped or meant otherwise", "what is meant, or a near name"),
    Fault("I11", "an empty night, or all left out", "exit code 4 and why, or 0 if allowed"),
    Fault("I13", "verify against a failed run", "what lies under the key is told"),
    Fault("I14", "a program reads JSON and manifest", "one vocabulary, with a version, described"),
    Fault("I8", "a volume of another user", "both user IDs, and the --user that helps"),
    Fault("I12", "packed CSVs in the volume", "left out, counted and named"),
    Fault("I15", "two runs over the same files at once", "the second costs one HEAD a file"),
    Fault(
        "I17", "a signal as the record is being written", "the record is whole, or there is none"
    ),
    Fault(
        "I18", "a store that hangs as a run is cut off", "the record is given up in time, and told"
    ),
    Fault("I19", "an observer that raises an error", "the run ends, nothing stays open"),
    Fault("I20", "no volume, and no bucket to record that in", "the volume's error, exit code 2"),
    Fault("I21", "very many files are left out", "the first are named, the others counted"),
    Fault("I22", "a conflict with a writer that gives up", "the put is made again and lands"),
    Fault("I23", "limits of nested control groups, of both versions", "the least counts"),
    Fault("I24", "JSON asked of a command that is not there", "a summary without a command"),
    Fault("I25", "very many files fail, and all are kept", "errors hold no file's bytes"),
    Fault("I26", "a value of the command line that is empty", "a usage error that names it"),
    Fault("I27", "a signal while the program is being imported", "its exit code, no traceback"),
    Fault(
        "I28", "a settings file that can't be used", "a usage error: file, line, key, what to do"
    ),
    Fault("I29", "a variable that is named as ours, and is none", "a warning with the nearest one"),
)
