"""J: archives and their members."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("J1", "a ZIP archive in the volume", "loaded on request, or named with its CSVs counted"),
    Fault("J2", "any byte of an archive damaged", "a member lands whole, or fails with the reason"),
    Fault("J3", "forged sizes and counts in an archive", "refused; no memory is taken for them"),
    Fault(
        "J4",
        "a member encrypted, split, nested, overlapping, or of an unknown method",
        "refused alone, with the reason and a remedy",
    ),
    Fault("J5", "a member's name that leads elsewhere", "refused alone"),
    Fault("J6", "a member's name of unknown encoding", "refused, with the option that helps"),
    Fault("J7", "an archive that changes while it is read", "as a changed file"),
    Fault("J8", "a run killed within a large member", "only the missing parts are sent"),
    Fault("J9", "a member's bytes damaged in memory", "inflated again"),
    Fault(
        "J10",
        "a file and a member for one key",
        "equal: one is sent; else the run ends before any upload",
    ),
    Fault("J11", "more large members than threads", "none waits for another"),
    Fault(
        "J12",
        "an archive without a readable directory",
        "fails; no partition it may concern is marked",
    ),
    Fault(
        "J13",
        "an archive that is to be deleted or moved",
        "only once all of its CSVs are verified, and nothing else would be lost",
    ),
    Fault(
        "J14",
        "an archive in a watched volume",
        "loaded once it is quiet; then only members that failed are tried again",
    ),
)
