"""H: requests that must be made once."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS = (
    Fault("H1", "any answer or none, to a put or part", "final: the client is not asked again"),
    Fault("H2", "a connection that breaks under the client", "one try, counted; not sent again"),
    Fault("H3", "an error that botocore takes for another region", "no request to find it out"),
)
