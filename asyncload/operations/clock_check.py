"""Compare this machine's clock with the store's: `today` must be the same day on both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from asyncload.errors import ClocksDisagree
from asyncload.model.values import Warned
from asyncload.s3 import describe_offset
from asyncload.settings.run import RELATIVE_DATES, Settings, find_timezone, resolve_date

TOLERANCE = 60.0
"""Seconds. Smaller differences are ignored: answers take time and dates have no fractions."""


def check_clock(offset: float | None, now: datetime) -> Warned | None:
    """Return a warning if this machine's clock is wrong.

    Args:
        offset: seconds by which the store's clock is ahead; None if the store sent no date.
        now: this machine's time.
    """
    if offset is None or abs(offset) <= TOLERANCE:
        return None
    theirs = _shifted(now, offset)
    return Warned(
        f"this machine's clock is {describe_offset(offset)} the store's: it is "
        f"{_minute(now)} here and {_minute(theirs)} there",
        "set this machine's clock; --min-age and the times in the manifest depend on it",
    )


def check_day(settings: Settings, offset: float | None, now: datetime) -> None:
    """Check that `today` or `yesterday` is the same day by the store's clock.

    Args:
        settings: the requested date and its time zone.
        offset: as for `check_clock`.
        now: this machine's time, from which the date was resolved.

    Raises:
        ClocksDisagree: it is another day; files would land under the wrong date.
    """
    if settings.date_from is not None or settings.date.lower() not in RELATIVE_DATES:
        return
    if offset is None or abs(offset) <= TOLERANCE:
        return
    ours, theirs = _day(settings, now), _day(settings, _shifted(now, offset))
    if ours != theirs:
        raise ClocksDisagree(
            f"--date {settings.date} is {ours} by this machine's clock, but "
            f"{theirs or 'not a valid date'} by the store's: this machine's clock is "
            f"{describe_offset(offset)} the store's",
            hint=f"give the date (--date {ours}), or set this machine's clock",
        )


def _shifted(now: datetime, offset: float) -> datetime | None:
    """Return the store's time; None if it is outside the calendar's range."""
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
    return "an invalid time" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
