"""S: answers of the server."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("S1", "internal error", "the request is made again"),
    Fault("S2", "bad gateway, gateway time-out", "the request is made again"),
    Fault("S3", "slow down, service unavailable", "the request is made again"),
    Fault("S4", "too many requests", "the request is made again"),
    Fault("S5", "the server's time-out for a request", "the request is made again"),
    Fault("S6", "a minute of throttling", "the requests are made again until all files landed"),
    Fault("S7", "an error inside of a success of Complete", "made again, or the file fails"),
    Fault("S8", "a success that says nothing", "the object is looked at, then it is decided"),
    Fault("S9", "Complete done, its reply lost", "the object is looked at; it counts as landed"),
    Fault("S10", "Create done, its reply lost", "made again; the orphan is aborted by a later run"),
    Fault("S11", "the upload is gone", "begun again once; then the file fails"),
    Fault("S12", "the server finds the body damaged", "read and sent again; then the file fails"),
    Fault("S13", "the body came incomplete", "the request is made again"),
    Fault(
        "S14", "Complete refuses the parts", "all parts are sent again once; then the file fails"
    ),
    Fault("S15", "too large for an object or its parts", "the file fails, the others land"),
    Fault("S16", "the key is taken", "the object is looked at, then it is decided"),
    Fault("S17", "two conditional requests at once", "the put or the upload is made again"),
    Fault("S18", "the bucket is in another region", "the run ends and names the region"),
    Fault("S19", "a redirect", "it is not followed; the run ends"),
    Fault("S20", "the bucket vanishes", "the run ends"),
    Fault("S21", "another checksum is returned", "tried once more; then the file fails"),
    Fault("S22", "a feature is lacking", "the run ends and names the feature"),
)
