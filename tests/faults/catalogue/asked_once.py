"""H: requests that must be made once."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS = (
    Fault("H1", "any answer or none, to a put or part", "final: the client is not asked again"),
    Fault("H2", "a connection that breaks under the client", "one try, counted; not sent again"),
    Fault("H3", "an error that botocore takes for another region", "no request to find it out"),
    Fault("H4", "an answer of HTTP/1.0, in chunks, or after a 1xx", "read by both ways alike"),
    Fault("H5", "an error document larger than any of S3's", "64 KiB are read; the status counts"),
    Fault("H6", "a proxy, or a bucket that signs otherwise", "known at the start: no fast lane"),
    Fault("H7", "credentials that can't be refreshed on the way", "told as the client tells it"),
    Fault("H8", "a clock that goes wrong between two puts", "corrected by the lane's own answer"),
)
