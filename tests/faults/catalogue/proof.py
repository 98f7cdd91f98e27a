"""A: verification: what counts as proof."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("A1", "different content with asyncload's own metadata", "a conflict; verify reports it"),
    Fault(
        "A2", "the manifest of a second run, an unchanged bucket", "matches, by any common checksum"
    ),
    Fault("A3", "a checksum other than the requested one", "not accepted as proof, in any run"),
    Fault("A4", "an object in parts of another size", "matches, or can't be compared"),
    Fault("A5", "a success before the body was sent", "does not count; repeated"),
    Fault("A6", "a file with more content than its size", "fails, and is not uploaded as empty"),
    Fault(
        "A7", "success markers of incomplete partitions", "none is written, an old one is removed"
    ),
    Fault("A8", "a listing that repeats itself", "the run ends"),
    Fault("A9", "a write through mmap to a dirty page", "can't be detected; documented"),
    Fault("A10", "a crafted file with the same checksum", "counts as the same; documented"),
    Fault(
        "A11", "an invalid manifest, or invalid entries", "reported with the line; constant memory"
    ),
    Fault("A12", "a partition that changes while it has a marker", "the marker is removed first"),
    Fault("A13", "pages repeated under other markers, or always empty", "the run ends"),
)
