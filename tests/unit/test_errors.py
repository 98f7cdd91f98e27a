"""Errors by meaning: exit codes, and what may be retried."""

from __future__ import annotations

import pytest

from asyncload import errors
from asyncload.errors import AsyncloadError, StoreError


def _all_below(root):
    for child in root.__subclasses__():
        yield child
        yield from _all_below(child)


def test_an_error_says_what_happened_and_what_to_do():
    """The message is the error's text; the hint is beside it."""
    error = errors.SourceUnreadable("the file can't be read", hint="run again")
    assert (str(error), error.message, error.hint) == (
        "the file can't be read",
        "the file can't be read",
        "run again",
    )


def test_a_store_error_says_what_the_store_said():
    """Code, status and request id are kept for the report."""
    error = errors.Throttled("slow", code="SlowDown", status=503, request_id="R1", retry_after=2.5)
    assert (error.code, error.status, error.request_id) == ("SlowDown", 503, "R1")
    assert error.retry_after == 2.5


@pytest.mark.parametrize(
    ("exit_code", "kinds"),
    [
        (1, [AsyncloadError]),
        (2, [errors.UsageError, errors.SourceUnreadable, errors.SourceStalled]),
        (3, [errors.FileFailed, errors.SourceChanged, errors.ObjectConflict]),
        (4, [errors.NothingToLoad]),
        (5, [errors.Refused, errors.StoreRefused, errors.KeyCollision, errors.BucketNotFound]),
        (5, [StoreError, errors.RequestRejected, errors.NoSuchUpload, errors.UploadBroken]),
        (6, [errors.StoreUnavailable, errors.ServerError, errors.Throttled]),
    ],
)
def test_each_kind_has_its_exit_code(exit_code, kinds):
    """The exit codes are those that the documents list."""
    assert {kind.exit_code for kind in kinds} == {exit_code}


def test_errors_that_end_a_run_are_not_errors_of_a_file():
    """Every refusal ends with 5, and none is a fault of a file.

    A fault of a file makes a run end with 3 as an outcome. What can end a run before any file was
    tried has the code of what is at fault then: the volume, or the store.
    """
    refusals, faults = set(_all_below(errors.Refused)), set(_all_below(errors.FileFailed))
    # A bug in an observer is not a refusal, but ends the run as one does.
    assert {kind.exit_code for kind in refusals - {errors.ObserverFailed}} == {5}
    outside = {errors.RequestRejected, errors.SourceUnreadable} | set(
        _all_below(errors.SourceUnreadable)
    )
    assert {kind.exit_code for kind in faults - outside} == {3}
    assert 3 not in {kind.exit_code for kind in outside}
    assert not refusals & faults


def test_only_a_busy_or_silent_store_or_one_whose_time_is_now_known_is_asked_again():
    """Everything else would be answered the same."""
    retryable = {kind for kind in _all_below(StoreError) if kind.retryable}
    overloaded = {kind for kind in _all_below(StoreError) if kind.overloaded}
    assert overloaded == {errors.Throttled, errors.TimedOut}
    others = {errors.ServerError, errors.StoreUnavailable, errors.ClockCorrected}
    # A damaged body is read again from its file by the code that sends it.
    others |= {errors.BodyDamaged, errors.WriteConflict}
    assert retryable == others | overloaded


def test_a_chain_of_errors_ends_though_it_is_a_ring():
    """An error may be raised from itself, or two from each other."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(errors.chain_of(first)) == [first, second]
