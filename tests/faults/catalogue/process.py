"""P: the process and its end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("P1", "SIGINT", "ends within seconds, exit code 130, no open upload"),
    Fault("P2", "a second signal", "ends at once"),
    Fault("P3", "SIGTERM", "ends within seconds, exit code 143, no open upload"),
    Fault("P4", "SIGKILL", "the next run resumes; nothing partial, lost or duplicate"),
    Fault(
        "P5",
        "killed for lack of memory",
        "the next run resumes; nothing partial, lost or duplicate",
    ),
    Fault("P6", "docker stop", "ended before Docker kills the process"),
    Fault("P7", "a wrong clock", "corrected by the server's clock, or the run ends"),
    Fault(
        "P8",
        "standard output closed",
        "all files uploaded, no traceback; incomplete report: exit code 3",
    ),
    Fault("P9", "two runs at the same time", "neither harms the other"),
    Fault("P10", "midnight during a run", "all files have the same date"),
    Fault("P11", "a worker process killed", "its files are loaded by another; the run says so"),
    Fault("P12", "worker processes killed again and again", "the run ends with a clear error"),
    Fault("P13", "SIGKILL of a run with workers", "they end at once"),
    Fault("P14", "a shard killed", "reported; run again, it completes the run"),
    Fault("P15", "two processes for one shard", "one of them is refused and sends nothing"),
    Fault("P16", "shards with different options or dates in one run", "refused; nothing sent"),
    Fault(
        "P17",
        "a Dask worker killed, or the process that it has started",
        "its files are loaded by others; the run says so",
    ),
)
