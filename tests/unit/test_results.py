"""The results of a verification and of a cleanup, which count events."""

from __future__ import annotations

from collections import Counter

import pytest

from asyncload.errors import AccessDenied, InvalidKey, RequestRejected
from asyncload.model.values import Checksum, Warned
from asyncload.reporting import verification
from asyncload.reporting.cleanup import Cleanup, CleanupStarted, Leftover, SkippedUpload
from asyncload.reporting.verification import (
    Difference,
    FileVerified,
    Verification,
    VerificationStarted,
)
from asyncload.store.protocol import OpenUpload


def test_a_verification_counts_all_differences_and_keeps_the_first(monkeypatch):
    """Memory does not grow with their number."""
    monkeypatch.setattr(verification, "DIFFERENCES_KEPT", 2)
    result = Verification()
    result.observe(VerificationStarted(None, "_asyncload/1.json"))
    result.observe(FileVerified("a.csv", "k", Checksum("MD5", "=")))
    assert (result.matches, result.exit_code, result.verified) == (True, 0, 1)
    found = [Difference("missing", f"{n}.csv", "k", "there is no object") for n in range(3)]
    for event in (*found, Warned("a clock is off", "set it")):
        result.observe(event)
    assert (result.matches, result.exit_code) == (False, 3)
    assert result.counts == Counter(missing=3)
    assert result.differences == found[:2]
    assert result.verified_by == Counter(MD5=1)
    assert result.manifest == "_asyncload/1.json"
    assert [warned.message for warned in result.warnings] == ["a clock is off"]


OPEN = OpenUpload("Raw/a.csv", "1", None)
REFUSED = RequestRejected("not this one", code="MethodNotAllowed", status=405)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Leftover(OPEN, 1, 5, None), 0),
        (Leftover(OPEN, 1, 5, None, aborted=True), 0),
        (Leftover(OPEN, 1, 5, None, error=REFUSED), 3),
        (SkippedUpload(OPEN, InvalidKey("a key of another program")), 0),
        (SkippedUpload(OPEN, AccessDenied("not to be listed", code="AccessDenied")), 3),
        (Warned("a clock is off", "set it"), 0),
    ],
)
def test_a_cleanup_fails_if_an_upload_could_not_be_inspected_or_aborted(event, code):
    """Uploads of keys that asyncload never writes are skipped on purpose."""
    result = Cleanup()
    result.observe(CleanupStarted("Raw/", abort=True))
    result.observe(event)
    assert (result.exit_code, result.prefix, result.abort) == (code, "Raw/", True)
    assert len(result.leftovers) + len(result.skipped) + len(result.warnings) == 1


def test_a_cleanup_counts_bytes_and_aborted_uploads():
    """Of all uploads that were found."""
    result = Cleanup()
    for aborted in (True, False, True):
        result.observe(Leftover(OPEN, 1, 5, None, aborted=aborted))
    assert (result.size, result.aborted) == (15, 2)
