"""Parse the options of Object Lock. Pure.

Source: "Locking objects with Object Lock" in the S3 user guide.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta

from asyncload.errors import UsageError
from asyncload.settings.objects import choose

MODES = ("GOVERNANCE", "COMPLIANCE")
MAX_YEARS = 100
"""A typing error in a year must not lock objects for longer than anybody lives."""

_LASTING = re.compile(r"([1-9]\d{0,4}) *(d|days?|w|weeks?|y|years?)", re.IGNORECASE | re.ASCII)
_SECOND = timedelta(seconds=1)


def check_lock(mode: str | None, until: str | None, any_time: datetime) -> str:
    """Check the two options of a lock, and return the mode as S3 spells it.

    Of the end only the form is checked: whether it is in the past, a run says at its start.

    Raises:
        UsageError: an option is invalid, or one of them is missing.
    """
    if mode is None:
        raise UsageError(
            "--lock-until has no effect without --lock-mode",
            hint="add --lock-mode governance or --lock-mode compliance, or omit it",
        )
    if until is None:
        raise UsageError(
            "--lock-mode needs --lock-until", hint="say until when, such as --lock-until 90d"
        )
    read_until(until, any_time)
    return choose("--lock-mode", mode, MODES)


def lock_until(text: str, now: datetime) -> datetime:
    """Return the end of a lock in UTC.

    Args:
        text: as for `read_until`.
        now: the start of the run, in the time zone of dates.

    Raises:
        UsageError: it is not after `now`, or more than a hundred years ahead.
    """
    until = read_until(text, now)
    if until <= now:
        raise UsageError(
            f"--lock-until: {text!r} is not in the future",
            hint="use a later time, or omit --lock-mode and --lock-until",
        )
    if until > _years_after(now, MAX_YEARS) + timedelta(days=1):
        raise UsageError(
            f"--lock-until: {text!r} is more than {MAX_YEARS} years ahead",
            hint="use an earlier time: a lock can't be shortened",
        )
    return until.astimezone(UTC)


def is_duration(text: str) -> bool:
    """Return whether a text that `read_until` accepts is a duration, not a time."""
    return _LASTING.fullmatch(text.strip()) is not None


def read_until(text: str, now: datetime) -> datetime:
    """Return the time that a text means: a date, a date with a time, or `90d`, `12 weeks`, `7y`.

    A duration is counted from `now`, and extended to the end of the day in its time zone: then runs
    of one day lock their objects for the same time, so that one can resume an upload of another.
    A year has the length that it has in the calendar. A fraction of a second counts as a second.

    Raises:
        UsageError: the text has another form.
    """
    words = text.strip()
    if (match := _LASTING.fullmatch(words)) is not None:
        count, unit = int(match[1]), match[2][0].lower()
        day = (
            _years_after(now, min(count, MAX_YEARS + 1))
            if unit == "y"
            else now + timedelta(days=count * (7 if unit == "w" else 1))
        )
        return datetime.combine(day.date() + timedelta(days=1), time(), now.tzinfo)
    with suppress(ValueError, OverflowError):
        given = datetime.fromisoformat(words)
        whole = given.replace(microsecond=0) + (_SECOND if given.microsecond else timedelta())
        return whole if whole.tzinfo else whole.replace(tzinfo=now.tzinfo)
    raise UsageError(
        f"--lock-until: {text!r} is not a valid time",
        hint="use 2033-05-02, '2033-05-02 18:30', 2033-05-02T18:30:00Z, or a duration in days, "
        "weeks or years such as 90d, 12w or 7y",
    )


def _years_after(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        # 29 February.
        return moment.replace(year=moment.year + years, month=3, day=1)
