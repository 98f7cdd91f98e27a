"""H: requests that must be made only once."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "H1",
        "any answer or none to a put or part",
        "final: the generic client is not used for it again",
    ),
    Fault(
        "H2",
        "a connection that breaks in the generic client",
        "one attempt, counted; not sent again",
    ),
    Fault("H3", "an error that botocore takes for a wrong region", "no request to find the region"),
    Fault(
        "H4", "an answer in HTTP/1.0, in chunks, or after a 1xx", "both code paths read it alike"
    ),
    Fault("H5", "an error document larger than any of S3's", "64 KiB are read; the status decides"),
    Fault(
        "H6",
        "a proxy, or a bucket with another signature",
        "known at the start: the fast lane is not used",
    ),
    Fault(
        "H7",
        "credentials that can't be refreshed during a run",
        "the same message as from the generic client",
    ),
    Fault(
        "H8",
        "a clock that becomes wrong between two puts",
        "corrected by the fast lane's own answer",
    ),
)
