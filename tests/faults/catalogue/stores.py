"""G: S3-compatible stores."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "G1",
        "checksum headers and HEAD's checksum mode rejected with 400",
        "learned once; MD5 is used",
    ),
    Fault(
        "G2",
        "path style or If-None-Match rejected, unknown 403",
        "the run ends with the store's message",
    ),
    Fault("G3", "501 for a checksum header", "learned once; MD5 is used"),
    Fault(
        "G5",
        "If-None-Match ignored",
        "each key is checked before the write, or the store is rejected",
    ),
    Fault("G7", "encryption, owner, tags ignored", "the run ends; for tags, a warning"),
    Fault(
        "G8",
        "wrong checksums accepted, or echoed",
        "not used as proof; an MD5 is, or the file fails",
    ),
    Fault("G4", "any rejection, such as nginx's 413", "reported with what to do"),
    Fault(
        "G11",
        "a store that answers but serves no file: its disks are full (507)",
        "the run ends after ten files in a row were given up, exit code 6, in the store's words",
    ),
    Fault("G10", "files that fail or change after data was sent", "every number is correct"),
    Fault(
        "G6",
        "NoSuchUpload from a bucket without uploads",
        "no uploads; exit code 3 only if files failed",
    ),
    Fault("G9", "one key whose signature is computed differently", "that file fails and is named"),
    Fault("G12", "a manifest for a store that rejects checksums", "written with an MD5"),
    Fault("G13", "400 or 403 to HEAD", "an answer: no other region is tried"),
    Fault("G14", "a store that ignores ranges or returns others", "no wrong data is accepted"),
    Fault(
        "G15",
        "a key that the store lists in another spelling",
        "`verify` queries it by its own spelling",
    ),
    Fault("G16", "a listing in another order, or with another start", "each key is queried"),
)
