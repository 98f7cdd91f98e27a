"""A chaos proxy in front of any S3 endpoint, which is a strict judge of what passes it, too.

Run it by hand as `python -m tests.faults.proxy --seed N --endpoint URL`.
"""

from tests.faults.proxy.call import Call
from tests.faults.proxy.faults import Fault, Reply, clock_off_by, no_fault, s3_error
from tests.faults.proxy.oracle import Oracle
from tests.faults.proxy.running import proxy_before
from tests.faults.proxy.seeded import Rates, Seeded, draw
from tests.faults.proxy.server import ChaosProxy

__all__ = [
    "Call",
    "ChaosProxy",
    "Fault",
    "Oracle",
    "Rates",
    "Reply",
    "Seeded",
    "clock_off_by",
    "draw",
    "no_fault",
    "proxy_before",
    "s3_error",
]
