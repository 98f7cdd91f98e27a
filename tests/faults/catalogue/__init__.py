"""The faults that asyncload must survive. Each has tests that carry its id.

A fault is an entry in the module of its kind, and the marker `fault` of its tests:

    @pytest.mark.fault("S1", "S2")
    def test_an_error_that_passes_costs_retries_only(...):

`python -m tests.faults.catalogue --write` renders the table of RELIABILITY.md.
"""

from __future__ import annotations

from tests.faults.catalogue import (
    asked_once,
    chain,
    connections,
    credentials,
    days_work,
    ends,
    machine,
    network,
    ownership,
    process,
    proof,
    server,
    stores,
    surroundings,
)
from tests.faults.catalogue.fault import Fault

__all__ = ["CATALOGUE", "KINDS", "Fault"]

KINDS: dict[str, tuple[str, tuple[Fault, ...]]] = {
    "S": ("The server's answers", server.FAULTS),
    "N": ("The network", network.FAULTS),
    "L": ("The volume and the machine", machine.FAULTS),
    "P": ("The process", process.FAULTS),
    "K": ("Credentials and permissions", credentials.FAULTS),
    "A": ("Proof", proof.FAULTS),
    "B": ("Ownership", ownership.FAULTS),
    "C": ("Tasks and ends", ends.FAULTS),
    "D": ("The credential chain", chain.FAULTS),
    "E": ("Connections", connections.FAULTS),
    "F": ("Streams, names, clock, filters", surroundings.FAULTS),
    "G": ("Stores that are not AWS", stores.FAULTS),
    "H": ("Asked once", asked_once.FAULTS),
    "I": ("A day's work", days_work.FAULTS),
}
"""Heading and faults of each kind, by the letter that its ids begin with."""

CATALOGUE: dict[str, Fault] = {fault.id: fault for _, faults in KINDS.values() for fault in faults}
"""Every fault, by its id."""
