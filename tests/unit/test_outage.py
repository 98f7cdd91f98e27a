"""A run over a store that serves nothing ends, wherever its files are loaded."""

from __future__ import annotations

import pytest

from asyncload.errors import RequestRejected, ServerError, StoreUnavailable
from asyncload.model.values import Checksum, Failed, FileFinished, ObjectKey, Uploaded
from asyncload.transfer.concluding import Outage

KEY = ObjectKey("Raw/a.csv")
FULL = FileFinished(Failed("a.csv", KEY, 1, ServerError("disk full", status=507)))
REFUSED = FileFinished(Failed("a.csv", KEY, 1, RequestRejected("no")))
LANDED = FileFinished(Uploaded("a.csv", KEY, 1, Checksum("CRC64NVME", "AAAAAAAAAAE=")))


def test_ten_failures_of_the_store_in_a_row_end_a_run():
    """The error is that of the last one."""
    outage = Outage()
    for _ in range(9):
        outage.observe(FULL)
    with pytest.raises(StoreUnavailable, match="the last 10 failed after all retries: disk full"):
        outage.observe(FULL)


def test_a_file_that_succeeds_begins_the_count_again():
    """Failures that are about one file are not counted."""
    outage = Outage()
    for _ in range(30):
        for _ in range(9):
            outage.observe(FULL)
            outage.observe(REFUSED)
        outage.observe(LANDED)
