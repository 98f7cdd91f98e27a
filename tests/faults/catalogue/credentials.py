"""K: credentials and permissions."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("K1", "no credentials", "the run ends before any request"),
    Fault("K2", "an unknown key", "the run ends before any upload"),
    Fault("K3", "a wrong secret", "the run ends before any upload"),
    Fault("K4", "expired before the start", "the run ends before any upload"),
    Fault("K5", "expired on the way, can be refreshed", "refreshed once, the requests made again"),
    Fault("K6", "expired on the way, for good", "the run ends; landed files stay"),
    Fault("K7", "signed for the wrong region", "the run ends and names the right one"),
    Fault("K8", "putting is denied", "the run ends at once and names the permission"),
    Fault("K9", "all but putting is denied", "the put's answer counts"),
    Fault("K10", "no such bucket", "the run ends"),
    Fault("K11", "somebody else's bucket", "the run ends; the owner is in every request"),
    Fault("K12", "Object Lock", "every file lands: checksums always, deletions never"),
    Fault("K13", "the encryption key is denied", "the run ends and names the permission"),
    Fault("K14", "the metadata service out of reach", "waited for a while; then the run ends"),
)
