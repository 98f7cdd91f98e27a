"""The faults that asyncload must survive. Each fault has tests marked with its id.

A fault is an entry in the module of its kind, and its tests have the marker `fault`:

    @pytest.mark.fault("S1", "S2")
    def test_an_error_that_passes_costs_retries_only(...):

`python -m tests.faults.catalogue --write` renders the table of the page on reliability.
"""

from __future__ import annotations

from tests.faults.catalogue import (
    archives,
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
    time_limits,
    web,
)
from tests.faults.catalogue.fault import Fault

__all__ = ["CATALOGUE", "KINDS", "Fault"]

KINDS: dict[str, tuple[str, tuple[Fault, ...]]] = {
    "S": ("Server answers", server.FAULTS),
    "N": ("Network", network.FAULTS),
    "L": ("Volume and machine", machine.FAULTS),
    "P": ("Process", process.FAULTS),
    "K": ("Credentials and permissions", credentials.FAULTS),
    "A": ("Verification", proof.FAULTS),
    "B": ("Uploads and objects of others", ownership.FAULTS),
    "C": ("Tasks and their ends", ends.FAULTS),
    "D": ("Credential chain", chain.FAULTS),
    "E": ("Other connections", connections.FAULTS),
    "F": ("Streams, names, clock, filters", surroundings.FAULTS),
    "G": ("S3-compatible stores", stores.FAULTS),
    "H": ("Requests made once", asked_once.FAULTS),
    "I": ("Daily use", days_work.FAULTS),
    "J": ("Archives", archives.FAULTS),
    "W": ("APIs to collect from", web.FAULTS),
    "T": ("Time limits and AWS Lambda", time_limits.FAULTS),
}
"""Heading and faults of each kind, by the first letter of its ids."""

CATALOGUE: dict[str, Fault] = {fault.id: fault for _, faults in KINDS.values() for fault in faults}
"""Every fault, by its id."""
