"""L: the volume and the machine."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("L1", "a file truncated during the upload", "the new version is sent, or the file fails"),
    Fault("L2", "a file that grows", "the new version is sent, or the file fails"),
    Fault(
        "L3", "a file rewritten with the same size", "the new version is sent, or the file fails"
    ),
    Fault("L4", "a file replaced", "the new version is sent, or the file fails"),
    Fault("L5", "a file deleted", "the file fails, the others are uploaded"),
    Fault(
        "L6",
        "a file without read permission",
        "the file fails and is named, the others are uploaded",
    ),
    Fault("L7", "a disk error", "the file fails, the others are uploaded"),
    Fault("L8", "too many open files", "opened later; after a while the file fails"),
    Fault("L9", "a read that stalls", "given up: the file fails, the process ends"),
    Fault("L10", "a folder without permission to list", "the folder fails and is named"),
    Fault("L11", "a circular symbolic link", "excluded and reported"),
    Fault("L12", "a symbolic link out of the volume", "excluded and reported; never opened"),
    Fault("L13", "a dangling symbolic link", "excluded and reported"),
    Fault("L14", "a FIFO", "excluded and reported"),
    Fault("L15", "a device or a socket", "excluded and reported"),
    Fault("L16", "a sparse file", "uploaded byte for byte"),
    Fault("L17", "an empty file", "uploaded with one put"),
    Fault("L18", "a name that is not UTF-8", "the file fails, its name is escaped"),
    Fault("L19", "a control character in a name", "the file fails, its name is escaped"),
    Fault("L20", "names with a special meaning in URLs or systems", "kept byte for byte"),
    Fault("L21", "a path that would lead elsewhere", "rejected with a usage error"),
    Fault("L22", "a key that is too long", "the file fails before it is sent"),
    Fault("L23", "names that differ only in case", "two objects"),
    Fault("L24", "two files with one key", "the run ends before any upload and names both"),
    Fault("L25", "a read-only volume", "all files are uploaded"),
    Fault("L26", "no space for report or log", "all files are uploaded"),
    Fault("L27", "little memory", "the limit is kept; if allocation fails, the run says so"),
    Fault("L28", "a million files", "planned as a stream, in constant memory"),
)
