"""Times in responses: how long to wait, and the store's time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the response asks to wait; None if it does not.

    Args:
        headers: the response's headers, names in lower case.
        now: the machine's time in seconds since 1970.

    Source: `Retry-After` in RFC 9110: seconds, or a date by the server's clock, which its `Date`
    header shows.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        # Longer times are not plausible, and may exceed a float.
        return float(text) if len(text) < 10 else float("inf")
    until = _seconds_of(text)
    if until is None:
        return None
    since = _seconds_of(headers.get("date", ""))
    return max(0.0, until - (now if since is None else since))


def read_offset(headers: Mapping[str, str], now: float) -> float | None:
    """Return by how many seconds the store's clock is ahead of `now`; None if unknown."""
    time = _seconds_of(headers.get("date", ""))
    return None if time is None else time - now


def is_http_date(text: str) -> bool:
    """Return whether a header is a valid HTTP date."""
    return _seconds_of(text) is not None


# Responses within one second have the same date.
@lru_cache(16)
def _seconds_of(http_date: str) -> float | None:
    try:
        time = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):
        return None
    # "-0000" means an unknown zone; HTTP dates are in GMT.
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def describe_offset(seconds: float) -> str:
    """Return an offset in the largest fitting unit, as `20 min behind` or `3 days ahead of`."""
    size, unit = abs(seconds), "s"
    for length, larger in ((60, "min"), (60, "h"), (24, "days")):
        if round(size / length) < 2:
            break
        size, unit = size / length, larger
    return f"{size:.0f} {unit} {'behind' if seconds > 0 else 'ahead of'}"
