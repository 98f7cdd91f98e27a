"""B: uploads, objects and records that are not ours."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("B1", "an open upload of other settings, or of others", "a new one is begun"),
    Fault("B2", "a young upload whose parts do not fit", "left open until its lease is over"),
    Fault("B3", "the machine's clock hours or days off", "ages go by the store's clock"),
    Fault("B4", "open uploads of keys we never write", "named, left alone; the others go on"),
    Fault("B5", "a killed run's upload, and other bounds", "resumed in the parts it was cut into"),
    Fault("B6", "a resumable upload completed by others", "the object is compared"),
    Fault("B7", "a damaged or huge record of an upload", "not trusted, nor read whole"),
    Fault("B8", "a record that may not be written", "a warning; the files land"),
    Fault("B9", "a store that tells no time", "nothing is aborted by age"),
    Fault("B10", "uploads that others began, and `clean`", "named with who began them"),
    Fault("B11", "an upload whose parts may not be listed", "named, left alone; exit code 3"),
    Fault("B12", "a duration that no calendar has", "usage error"),
)
