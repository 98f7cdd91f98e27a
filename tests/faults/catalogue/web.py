"""W: APIs to collect from."""

from __future__ import annotations

from tests.faults.catalogue.fault import Fault

FAULTS: tuple[Fault, ...] = (
    Fault("W1", "the API throttles (429)", "all requests wait as long as it asks; none fails"),
    Fault(
        "W2",
        "an answer is cut, garbled or not JSON",
        "requested again, never stored; if it stays, exit code 3 and no marker",
    ),
    Fault(
        "W3",
        "the API fails (5xx) or does not answer",
        "the rest is collected, exit code 6; after ten failures in a row the run ends",
    ),
    Fault("W4", "an answer that is too large, or becomes so when decoded", "a failure, unread"),
    Fault("W5", "a redirect or a link to another host", "not followed"),
    Fault("W6", "a wrong token, or an API that repeats it", "exit code 5; it is in no text"),
    Fault("W7", "details of a result do not exist", "counted as excluded, no failure"),
    Fault(
        "W8",
        "results move while pages are requested",
        "new pages are requested, a result on two pages gets its details once",
    ),
    Fault("W9", "two collections at once", "the first answer stays and decides what follows"),
    Fault(
        "W10",
        "more pages than the API serves",
        "divided by date, else collected as far as possible with a warning",
    ),
)
