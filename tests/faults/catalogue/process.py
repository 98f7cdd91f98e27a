"""P: the process and its end."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("P1", "SIGINT", "ends within seconds, exit code 130, no upload left open"),
    Fault("P2", "a second signal", "ends at once"),
    Fault("P3", "SIGTERM", "ends within seconds, exit code 143, no upload left open"),
    Fault("P4", "SIGKILL", "the next run resumes; nothing partial, lost or doubled"),
    Fault("P5", "killed for its memory", "the next run resumes; nothing partial, lost or doubled"),
    Fault("P6", "docker stop", "ended before Docker kills"),
    Fault("P7", "a clock that is off", "corrected by the server's clock, or the run ends"),
    Fault("P8", "standard output closed", "all land, no traceback; a cut report is exit code 3"),
    Fault("P9", "two runs at once", "both do no harm"),
    Fault("P10", "midnight", "a run has one date"),
)
