"""N: the network between asyncload and the store."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("N1", "the connection breaks at any byte", "the request is repeated"),
    Fault("N2", "the server stops reading", "given up at the deadline and repeated"),
    Fault("N3", "no reply", "given up at the deadline and repeated; then the run ends"),
    Fault("N4", "a very slow reply", "given up at the deadline and repeated"),
    Fault("N5", "a connection closed on one side", "given up at the deadline and repeated"),
    Fault("N6", "no 100 Continue", "no request expects one"),
    Fault("N7", "the host name can't be resolved", "retried for a while; then the run ends"),
    Fault("N8", "the connection is refused", "retried for a while; then the run ends"),
    Fault("N9", "an untrusted certificate", "the run ends at once"),
    Fault("N10", "the TLS handshake stalls or is refused", "the request is repeated"),
    Fault("N11", "a slow link", "all files are uploaded: the deadline grows with the size"),
    Fault("N12", "a part that arrives twice", "all files are uploaded byte for byte"),
    Fault(
        "N13",
        "a proxy that requires a login, or has an error",
        "the run ends, or the request is repeated",
    ),
    Fault("N14", "a bit flipped in transit", "detected by the checksum and sent again"),
    Fault(
        "N15", "an answer before the body was read", "an error is final; a success proves nothing"
    ),
    Fault("N16", "an answer that is not HTTP", "the request is repeated"),
    Fault("N17", "an endless answer", "given up at the deadline and repeated"),
    Fault(
        "N18",
        "bodies of some size are not accepted, all others are",
        "the file fails, the others are uploaded",
    ),
)
