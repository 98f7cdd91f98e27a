"""Hold the machine's clock against the store's: `today` must be the same day by both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from asyncload.errors import ClocksDisagree
from asyncload.model.values import Warned
from asyncload.s3 import describe_offset
from asyncload.settings.run import RELATIVE_DATES, Settings, find_timezone, resolve_date

TOLERANCE = 60.0
"""Clocks that are fewer seconds apart are the same: an answer takes its time, and has no more exact
date."""


def check_clock(offset: float | None, now: datetime) -> Warned | None:
    """Return a warning where the machine's clock is off.

    Args:
        offset: by how many seconds the store's clock is ahead; None where it told no time.
        now: the machine's time.
    """
    if offset is None or abs(offset) <= TOLERANCE:
        return None
    theirs = _shifted(now, offset)
    return Warned(
        f"this machine's clock is {describe_offset(offset)} the store's: it is "
        f"{_minute(now)} here and {_minute(theirs)} there",
        "set the machine's clock; --min-age and the times in the manifest go by it",
    )


def check_day(settings: Settings, offset: float | None, now: datetime) -> None:
    """Make sure that `today` or `yesterday` is the same day by the store's clock.

    Args:
        settings: with the date that was asked for, and its time zone.
        offset: as for `check_clock`.
        now: the machine's time, from which the date was resolved.

    Raises:
        ClocksDisagree: it is not; files would land under the wrong day.
    """
    if settings.date.lower() not in RELATIVE_DATES:
        return
    if offset is None or abs(offset) <= TOLERANCE:
        return
    ours, theirs = _day(settings, now), _day(settings, _shifted(now, offset))
    if ours != theirs:
        raise ClocksDisagree(
            f"--date {settings.date}: that is {ours} by this machine's clock and "
            f"{theirs or 'no day at all'} by the store's, which it is "
            f"{describe_offset(offset)}",
            hint=f"use --date YYYY-MM-DD (--date {ours}), or set the machine's clock",
        )


def _shifted(now: datetime, offset: float) -> datetime | None:
    """Return the store's time; None where no calendar has it."""
    try:
        return now.astimezone(UTC) + timedelta(seconds=offset)
    except OverflowError:
        return None


def _day(settings: Settings, now: datetime | None) -> date | None:
    try:
        zone = find_timezone(settings.timezone)
        return None if now is None else resolve_date(settings.date, now.astimezone(zone))
    except OverflowError:
        return None


def _minute(time: datetime | None) -> str:
    return "another age" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
