"""K: credentials and permissions."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("K1", "no credentials", "the run ends before any request"),
    Fault("K2", "an unknown access key", "the run ends before any upload"),
    Fault("K3", "a wrong secret key", "the run ends before any upload"),
    Fault("K4", "expired before the start", "the run ends before any upload"),
    Fault("K5", "expired during the run, renewable", "renewed once, the requests are repeated"),
    Fault("K6", "expired during the run, not renewable", "the run ends; uploaded files stay"),
    Fault("K7", "signed for the wrong region", "the run ends and names the right one"),
    Fault("K8", "PutObject is denied", "the run ends at once and names the permission"),
    Fault("K9", "everything except PutObject is denied", "the answer to the put decides"),
    Fault("K10", "the bucket does not exist", "the run ends"),
    Fault("K11", "a bucket of another account", "the run ends; every request names the owner"),
    Fault("K12", "Object Lock", "all files are uploaded: always with checksums, never deleting"),
    Fault("K13", "the encryption key is denied", "the run ends and names the permission"),
    Fault("K14", "the metadata service is unreachable", "retried for a while; then the run ends"),
)
