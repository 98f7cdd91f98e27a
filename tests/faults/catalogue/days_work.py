"""I: daily use."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("I1", "a container's memory limit", "kept by default; a larger value is rejected"),
    Fault("I2", "asyncload's name on the package index is another project", "no hint installs it"),
    Fault("I3", "JSON requested, and an early failure", "the last line is a summary"),
    Fault(
        "I4",
        "a run ends with an error or a signal",
        "the manifest has all uploaded files and the error",
    ),
    Fault("I5", "skipped files, a partition without marker", "named with the reason"),
    Fault("I6", "very many files fail in the same way", "the first are named, the others counted"),
    Fault("I7", "a terminal without a movable cursor", "plain lines"),
    Fault(
        "I9", "unusual settings or observers in Python", "accepted, or a usage error; a clean end"
    ),
    Fault(
        "I10",
        "a mistyped option, or one of another program",
        "a hint to the right or a similar name",
    ),
    Fault(
        "I11",
        "an empty volume, or all files excluded",
        "exit code 4 and the reason, or 0 if allowed",
    ),
    Fault("I13", "verify against a failed run", "the existing object is described"),
    Fault("I14", "a program reads JSON and manifest", "one vocabulary, versioned and documented"),
    Fault("I8", "a volume of another user", "both user ids, and the --user that helps"),
    Fault(
        "I12",
        "compressed CSVs and archives in the volume",
        "loaded as they are, or named and counted",
    ),
    Fault(
        "I15", "two runs over the same files at the same time", "the second sends one HEAD per file"
    ),
    Fault(
        "I17",
        "a signal while the manifest is written",
        "the manifest is complete, or does not exist",
    ),
    Fault(
        "I18",
        "a store that hangs when a run is interrupted",
        "the manifest is given up in time, and reported",
    ),
    Fault("I19", "an observer that raises an error", "the run ends, nothing stays open"),
    Fault("I20", "no volume, and no bucket to record that in", "the volume's error, exit code 2"),
    Fault("I21", "very many files are excluded", "the first are named, the others counted"),
    Fault("I22", "a conflict with a writer that gives up", "the put is repeated and succeeds"),
    Fault("I23", "limits of nested control groups, of both versions", "the smallest one is used"),
    Fault("I24", "JSON requested from an unknown command", "a summary without a command"),
    Fault("I25", "very many files fail, and all are kept", "errors don't hold file data"),
    Fault("I26", "an empty value on the command line", "a usage error that names the option"),
    Fault("I27", "a signal during the program's imports", "its exit code, no traceback"),
    Fault("I28", "an invalid settings file", "a usage error with file, line, key and remedy"),
    Fault(
        "I29", "an unknown variable with asyncload's prefix", "a warning with the most similar name"
    ),
    Fault(
        "I30",
        "a watch is killed while files are written slowly, renamed, replaced and deleted",
        "each version that stayed quiet is loaded once, whole",
    ),
    Fault(
        "I31",
        "a watched folder disappears, the store is down, events are lost",
        "waited for, or found by a scan; reported once; other watched folders are loaded meanwhile",
    ),
    Fault(
        "I32",
        "a source file changes, or its place in the target exists, before --then clears it",
        "it stays, and is named",
    ),
    Fault("I33", "a list of files with missing ones, odd names, CRLF", "each fails by name"),
    Fault("I34", "a path with no date, or with two", "the file fails by name, nothing is marked"),
)
