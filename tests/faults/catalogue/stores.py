"""G: stores that are not AWS."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("G1", "checksum headers and HEAD's checksum mode refused by 400", "learned once: MD5s"),
    Fault("G2", "path style or If-None-Match refused, unknown 403", "stop, in the store's words"),
    Fault("G3", "501 on a checksum header", "learned once: MD5s"),
    Fault("G5", "If-None-Match ignored", "each key is looked at right before, or refused"),
    Fault("G7", "encryption, owner, tags ignored", "the run is refused; for tags, a warning"),
    Fault("G8", "wrong checksums taken, or echoed", "are no proof; an MD5 is, or the file fails"),
    Fault("G4", "any refusal, such as nginx's 413", "told with what to do"),
    Fault(
        "G11",
        "a store that answers, but serves no file: its disks are full (507)",
        "the run ends after ten files in a row were given up, exit 6, in the store's words",
    ),
    Fault("G10", "files that fail or change after bytes were sent", "every number is true"),
    Fault("G6", "no such upload, of a bucket without uploads", "none; 3 only where files failed"),
    Fault("G9", "one key whose signature is computed otherwise", "that file fails, named"),
    Fault("G12", "a manifest where checksums are refused", "written with an MD5"),
    Fault("G13", "400 or 403 to HEAD", "an answer: no other region is looked for"),
    Fault("G14", "a store that ignores ranges, or answers another one", "no other bytes are taken"),
    Fault("G15", "a key that the store lists in other words", "`verify` asks for it by its own"),
    Fault("G16", "a listing in another order, or that begins elsewhere", "each key is asked for"),
)
