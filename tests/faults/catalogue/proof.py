"""A: things that count as proof, or must not."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("A1", "other bytes under our own metadata", "a conflict; not whole"),
    Fault("A2", "a second run's manifest, an untouched bucket", "whole, by any common checksum"),
    Fault("A3", "another checksum than the one asked for", "is no proof, on any run"),
    Fault("A4", "an object in parts of another size", "the same, or can't be compared"),
    Fault("A5", "a success that comes before the body was sent", "does not count; made again"),
    Fault("A6", "a file that holds more than its size", "fails, and is not landed as empty"),
    Fault("A7", "success markers of what is not complete", "none is written, an old one goes"),
    Fault("A8", "a listing that leads in a circle", "stop"),
    Fault("A9", "a write through mmap to a dirty page", "can't be noticed, which is said"),
    Fault("A10", "a crafted file of the same checksum", "counts as the same, which is said"),
    Fault("A11", "a manifest with odd entries, or that is none", "told with its line; flat memory"),
    Fault("A12", "a partition that changes under its marker", "the marker goes first"),
    Fault("A13", "pages that come again under other markers, or stay empty", "stop"),
)
