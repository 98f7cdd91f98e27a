"""G: stores that are not AWS."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("G2", "path style or If-None-Match refused, unknown 403", "stop, in the store's words"),
    Fault("G4", "any refusal, such as nginx's 413", "told with what to do"),
)
