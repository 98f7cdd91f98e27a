"""N: the network between us and the store."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("N1", "the connection breaks at some byte", "the request is made again"),
    Fault("N2", "the server stops reading", "given up at the deadline and made again"),
    Fault("N3", "no reply", "given up at the deadline and made again; then the run ends"),
    Fault("N4", "a reply that trickles", "given up at the deadline and made again"),
    Fault("N5", "a connection closed on one side", "given up at the deadline and made again"),
    Fault("N6", "no 100 Continue", "never waited for: no request expects one"),
    Fault("N7", "the name does not resolve", "waited for a while; then the run ends"),
    Fault("N8", "the connection is refused", "waited for a while; then the run ends"),
    Fault("N9", "a certificate that is not to be trusted", "the run ends at once"),
    Fault("N10", "the TLS handshake stalls or is refused", "the request is made again"),
    Fault("N11", "a slow link", "every file lands: the deadline grows with the bytes"),
    Fault("N12", "a part that comes twice", "every file lands byte for byte"),
    Fault("N13", "a proxy that requires a login, or is in trouble", "the run ends, or asks again"),
    Fault("N14", "a bit flipped in flight", "found by its checksum and sent again"),
    Fault("N15", "an answer before the body was read", "taken as it is; a success proves nothing"),
    Fault("N16", "an answer that is not HTTP", "the request is made again"),
    Fault("N17", "an answer without end", "given up at the deadline and made again"),
    Fault("N18", "no body of some size is taken, all else is", "the file fails, the others land"),
)
