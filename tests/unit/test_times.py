"""What an answer says of time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.model.http_dates import describe_offset, read_offset, read_retry_after

# Thu, 01 Jan 2026 12:00:00 GMT
NOW = 1_767_268_800.0
NOON = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 17 ", 17.0),
        ("9" * 400, float("inf")),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
        ("Thu Jan  1 12:00:30 2026", 30.0),
        ("Thu, 01 Jan 2026 11:59:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Thu, 99 Jan 2026 12:00:30 GMT", None),
    ],
)
def test_how_long_a_store_asks_to_wait(text, seconds):
    """Seconds, or a date in each of HTTP's three forms; nonsense says nothing."""
    assert read_retry_after({"retry-after": text}, NOW) == seconds


def test_a_date_to_wait_for_is_by_the_servers_clock():
    """However wrong the machine's is."""
    headers = {"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT", "date": NOON}
    assert read_retry_after(headers, NOW - 5000) == 30.0


@pytest.mark.parametrize(
    ("headers", "offset"),
    [({}, None), ({"date": NOON}, 1200.0), ({"date": "noon"}, None)],
)
def test_by_how_much_the_stores_clock_is_ahead(headers, offset):
    """None where it shows none."""
    assert read_offset(headers, NOW - 1200) == offset


@given(st.text())
def test_no_header_makes_it_fail(text):
    """A server may send anything."""
    headers = {"retry-after": text, "date": text}
    waits, offset = read_retry_after(headers, NOW), read_offset(headers, NOW)
    assert waits is None or waits >= 0
    assert offset is None or math.isfinite(offset)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ahead of"),
        (12, "12 s behind"),
        (-89, "89 s ahead of"),
        (1199, "20 min behind"),
        (-4 * 3600, "4 h ahead of"),
        (400 * 86_400, "400 days behind"),
    ],
)
def test_an_offset_in_words(seconds, words):
    """As it reads in a hint."""
    assert describe_offset(seconds) == words
