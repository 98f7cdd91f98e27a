"""S: answers of the server."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("S1", "internal error", "the request is repeated"),
    Fault("S2", "bad gateway, gateway timeout", "the request is repeated"),
    Fault("S3", "slow down, service unavailable", "the request is repeated"),
    Fault("S4", "too many requests", "the request is repeated"),
    Fault("S5", "the server's timeout for a request", "the request is repeated"),
    Fault("S6", "a minute of throttling", "requests are repeated until all files are uploaded"),
    Fault("S7", "an error in a success answer to Complete", "repeated, or the file fails"),
    Fault("S8", "a success without details", "the object is inspected to decide"),
    Fault(
        "S9",
        "Complete succeeded, the reply is lost",
        "the object is inspected and counts as uploaded",
    ),
    Fault("S10", "Create succeeded, the reply is lost", "repeated; a later run aborts the orphan"),
    Fault("S11", "the multipart upload is gone", "started again once; then the file fails"),
    Fault("S12", "the server finds the body damaged", "read and sent again; then the file fails"),
    Fault("S13", "the body arrived incomplete", "the request is repeated"),
    Fault(
        "S14", "Complete rejects the parts", "all parts are sent again once; then the file fails"
    ),
    Fault("S15", "too large for an object or its parts", "the file fails, the others are uploaded"),
    Fault("S16", "the key already exists", "the object is inspected to decide"),
    Fault("S17", "two conditional requests at the same time", "the put or the upload is repeated"),
    Fault("S18", "the bucket is in another region", "the run ends and names the region"),
    Fault("S19", "a redirect", "not followed; the run ends"),
    Fault("S20", "the bucket disappears", "the run ends"),
    Fault("S21", "another checksum is returned", "tried once more; then the file fails"),
    Fault("S22", "a feature is not supported", "the run ends and names the feature"),
)
