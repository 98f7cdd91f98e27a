"""Secrets that come back in other programs' texts, in any form."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.s3.auth.redaction import Secrets

SECRET = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Z"]), min_size=24)
AROUND = st.sampled_from(["", "a ", " b", "you sent: "])


def secrets_of(value):
    secrets = Secrets()
    secrets.add_value(value)
    return secrets


@given(SECRET, AROUND, AROUND, st.integers(0, 3))
def test_a_secret_is_not_printed_however_often_it_is_percent_encoded(value, before, after, times):
    """As it is, once, twice, three times."""
    text = value
    for _ in range(times):
        text = quote(text, safe="")
    printed = secrets_of(value).redact(before + text + after)
    assert text not in printed
    assert value not in printed


@given(SECRET, st.binary(max_size=4), st.binary(max_size=4))
def test_a_secret_is_not_printed_within_base64(value, before, after):
    """Wherever it begins in what is encoded, in both alphabets."""
    for encode in (b64encode, urlsafe_b64encode):
        text = encode(before + value.encode() + after).decode()
        assert text[8:28] not in secrets_of(value).redact(f"Basic {text}")


@given(SECRET, st.integers(24))
def test_a_secret_that_is_cut_off_is_not_printed(value, length):
    """By a store that repeats only so much."""
    assert value[:24] not in secrets_of(value).redact(f"you sent {value[:length]}")


def test_a_secret_of_more_than_one_line_is_not_printed():
    """Texts are put on one line first."""
    value = "CANARY first line\nsecond line of it"
    assert "CANARY" not in secrets_of(value).redact(f"sent {value}")


def test_a_secret_that_is_percent_encoded_in_part_is_not_printed():
    """As forms do, with plus signs for blanks."""
    value = "CANARY of/more+than a=few words"
    assert "CANARY" not in secrets_of(value).redact("CANARY+of%2Fmore%2bthan%20a=few words")


@pytest.mark.parametrize("value", ["testing", "", None, 7, " " * 40])
def test_short_values_are_not_secrets(value):
    """`testing` is moto's."""
    assert secrets_of(value).redact("testing 7") == "testing 7"


def test_a_password_may_be_shorter():
    """Of a proxy, say."""
    secrets = Secrets()
    secrets.add_password("hunter2")
    assert secrets.redact("login hunter2 at http://u:p@h/x") == "login *** at http://***@h/x"


def test_a_text_of_many_lines_keeps_them():
    """A traceback's, say."""
    secrets = secrets_of("CANARY first line\nsecond line of it")
    text = "one\n  two CANARY first line\nsecond line of it\n" + "long " * 200
    assert secrets.mask(text) == "one\n  two ***\n" + "long " * 200
