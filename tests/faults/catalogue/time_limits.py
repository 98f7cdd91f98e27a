"""T: time limits, and AWS Lambda."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "T1",
        "a host that ends a run after a fixed time",
        "with `--deadline` it ends before, with a manifest and exit code 3; the next run continues",
    ),
    Fault(
        "T2",
        "a large file that needs more time than one run has",
        "its parts are kept, and the next run resumes them",
    ),
    Fault("T3", "a request that hangs until the deadline", "cancelled before it; manifest written"),
    Fault(
        "T4",
        "AWS Lambda's time limit",
        "the invocation fails before it, and the retry does the rest",
    ),
    Fault("T5", "an event that is delivered twice, also at the same time", "nothing is sent twice"),
    Fault("T6", "a retry of an event after midnight", "it has the same date"),
    Fault("T7", "an event with a wrong option or type", "exit code 2, and the nearest name"),
    Fault(
        "T8",
        "a function whose bucket or token is refused",
        "the invocation fails with the error's type and remedy, and without a secret",
    ),
)
