"""Object Lock: until when objects are locked, and what can't be meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from asyncload.errors import UsageError
from asyncload.settings.run import Settings, lock_of

NOW = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)


def settings(**options):
    return Settings(volume=Path(), bucket="lake", **options)


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("1d", "2024-03-02T00:00:00Z"),
        ("90 D", "2024-05-30T00:00:00Z"),
        ("2 weeks", "2024-03-15T00:00:00Z"),
        ("1y", "2025-03-02T00:00:00Z"),
        ("4 Years", "2028-03-01T00:00:00Z"),
        ("100y", "2124-03-01T00:00:00Z"),
        (timedelta(hours=25), "2024-03-03T00:00:00Z"),
        ("2033-05-02", "2033-05-02T00:00:00Z"),
        (date(2033, 5, 2), "2033-05-02T00:00:00Z"),
        ("2033-05-02 18:30:00.25", "2033-05-02T18:30:01Z"),
        (" 2033-05-02T18:30:00+02:00 ", "2033-05-02T16:30:00Z"),
    ],
)
def test_a_lock_ends_at_a_time_or_after_a_duration(until, expected):
    """A duration ends with a day, so that it is never shorter, and the same for runs of one day."""
    lock = lock_of(settings(lock_mode="Governance", lock_until=until), NOW)
    assert (lock.mode, lock.until_text) == ("GOVERNANCE", expected)


def test_days_and_dates_are_those_of_the_time_zone():
    """In São Paulo it is still the 29th for a while."""
    asked = {"lock_mode": "compliance", "timezone": "America/Sao_Paulo"}
    for until, expected in (("1d", "2024-03-02T03:00:00Z"), ("2033-05-02", "2033-05-02T03:00:00Z")):
        assert lock_of(settings(lock_until=until, **asked), NOW).until_text == expected


@pytest.mark.parametrize("until", ["", "soon", "90", "12h", "0d", "-1d", "1.5y", "99999999d"])
def test_what_is_no_time_is_refused_without_a_clock(until):
    """With what would be one."""
    with pytest.raises(UsageError, match="is not a valid time") as caught:
        settings(lock_mode="compliance", lock_until=until)
    assert "90d" in caught.value.hint


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("2024-02-29", "is not in the future"),
        ("2024-02-29T23:30:00Z", "is not in the future"),
        ("2124-03-02", "is more than 100 years ahead"),
        ("3033-05-02", "is more than 100 years ahead"),
        ("101y", "is more than 100 years ahead"),
        ("99999y", "is more than 100 years ahead"),
    ],
)
def test_a_time_that_locks_nothing_or_for_ever_is_refused_at_the_start(until, message):
    """A lock can't be taken back."""
    with pytest.raises(UsageError, match=f"--lock-until: .* {message}"):
        lock_of(settings(lock_mode="compliance", lock_until=until), NOW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lock_mode": "governance"}, "--lock-mode needs --lock-until"),
        ({"lock_until": "90d"}, "--lock-until has no effect without --lock-mode"),
        ({"lock_mode": "legal", "lock_until": "90d"}, "--lock-mode: 'legal' is not a known value"),
    ],
)
def test_one_without_the_other_is_refused(options, message):
    """Nothing is locked by mistake, and nothing is left unlocked by one."""
    with pytest.raises(UsageError, match=message):
        settings(**options)


def test_by_default_nothing_is_locked():
    """The bucket's own default holds."""
    assert lock_of(settings(), NOW) is None


def test_a_name_that_is_a_label_of_a_host_name_can_be_accelerated():
    """With the bucket in the host name."""
    chosen = settings(endpoint_accelerate=True, addressing_style="virtual")
    assert chosen.endpoint_accelerate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint_url": "https://s3.example.com"}, "can't be combined with --endpoint-url"),
        ({"addressing_style": "path"}, "can't be combined with --addressing-style path"),
        ({"bucket": "my.lake"}, "can't be used for the bucket 'my.lake'"),
        ({"bucket": "My_Lake"}, "can't be used for the bucket 'My_Lake'"),
        ({"bucket": "lake--use1-az4--x-s3"}, "can't be used for the bucket"),
        ({"bucket": "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap"}, "can't be used for"),
    ],
)
def test_what_has_no_accelerated_endpoint_is_refused(options, message):
    """Other stores, paths, and names that are not one label of a host name."""
    with pytest.raises(UsageError, match=f"--endpoint-accelerate {message}"):
        Settings(**{"volume": Path(), "bucket": "lake"} | options, endpoint_accelerate=True)
