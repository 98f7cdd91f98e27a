"""L: the volume and the machine."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("L1", "a file cut while it is sent", "sent again in its new version, or it fails"),
    Fault("L2", "a file that grows", "sent again in its new version, or it fails"),
    Fault("L3", "a file rewritten at its size", "sent again in its new version, or it fails"),
    Fault("L4", "a file replaced", "sent again in its new version, or it fails"),
    Fault("L5", "a file deleted", "the file fails, the others land"),
    Fault("L6", "a file without permission to read", "the file fails by name, the others land"),
    Fault("L7", "a medium that fails", "the file fails, the others land"),
    Fault("L8", "too many open files", "opened later; after a while the file fails"),
    Fault("L9", "a read that stalls", "given up: the file fails, the process ends"),
    Fault("L10", "a folder without permission to list", "the folder fails by name"),
    Fault("L11", "a link that leads in a circle", "left out and told"),
    Fault("L12", "a link out of the volume", "left out and told; never opened"),
    Fault("L13", "a link to nowhere", "left out and told"),
    Fault("L14", "a FIFO", "left out and told"),
    Fault("L15", "a device or a socket", "left out and told"),
    Fault("L16", "a file with holes", "lands byte for byte"),
    Fault("L17", "an empty file", "lands by one put"),
    Fault("L18", "a name that is not UTF-8", "the file fails, its name escaped"),
    Fault("L19", "a control character in a name", "the file fails, its name escaped"),
    Fault("L20", "names that URLs and systems treat in their own way", "kept byte for byte"),
    Fault("L21", "a path that would lead elsewhere", "never made: a usage error"),
    Fault("L22", "a key that is too long", "the file fails before it is sent"),
    Fault("L23", "names that differ in case only", "two objects"),
    Fault("L24", "two files, one key", "the run ends before any upload and names both"),
    Fault("L25", "a volume that can't be written", "every file lands"),
    Fault("L26", "no room for report or log", "every file lands"),
    Fault("L27", "little memory", "within its bound; where there is none, the run says so"),
    Fault("L28", "a million files", "planned as a stream, in flat memory"),
)
