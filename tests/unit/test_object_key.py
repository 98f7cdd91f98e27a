"""Object keys are valid by construction, and nothing in them is changed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import InvalidKey
from asyncload.model.values import MAX_KEY_BYTES, ObjectKey

ODD_CHARACTERS = st.sampled_from("/.\0\n\x7f\x85\ud800\udcff é")


def _is_valid(value):
    """The invariants, in the plainest words."""
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        return False
    if any(segment in ("", ".", "..") for segment in value.split("/")):
        return False
    return len(value.encode()) <= 1024


@given(st.text(st.one_of(st.characters(), ODD_CHARACTERS)))
@example("a/...")
@example("...")
@example(".hidden")
@example("a\u2028b")
def test_keys_are_accepted_exactly_if_valid_and_never_changed(value):
    """Text becomes a key unchanged if all invariants hold, and an error if one does not."""
    if _is_valid(value):
        assert ObjectKey(value).encode() == value.encode()
    else:
        with pytest.raises(InvalidKey):
            ObjectKey(value)


@pytest.mark.parametrize(
    "value",
    [
        "Raw/with space/ a .csv",
        "Raw/100%25.csv",
        "Raw/a+b#c?d&e=f;g.csv",
        "Raw/back\\slash'\"<>.csv",
        "Raw/\N{CLAPPER BOARD}.csv",
        unicodedata.normalize("NFC", "Raw/\u00e9.csv"),
        unicodedata.normalize("NFD", "Raw/\u00e9.csv"),
    ],
)
def test_a_key_is_byte_exact(value):
    """Nothing is escaped, trimmed or normalized."""
    assert ObjectKey(value).encode() == value.encode()


@pytest.mark.parametrize(
    "value",
    ["", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/./b", "../a", "a/..", "a/../b"],
)
def test_a_segment_is_never_empty_or_dots(value):
    """Such keys mean something else to file systems, proxies and some stores."""
    with pytest.raises(InvalidKey, match=r"an empty, '\.' or '\.\.' segment") as error:
        ObjectKey(value)
    assert error.value.hint == "rename the file or its folder"


@pytest.mark.parametrize("char", ["\0", "\t", "\n", "\r", "\x1f", "\x7f", "\x80", "\x9f"])
def test_a_key_holds_no_control_character(char):
    """S3 takes some of them; terminals, XML and logs do not."""
    with pytest.raises(InvalidKey, match="a control character"):
        ObjectKey(f"Raw/a{char}.csv")


def test_a_key_is_valid_unicode():
    """A name of other bytes than UTF-8 has no key."""
    with pytest.raises(InvalidKey, match="the file's name is not valid UTF-8") as error:
        ObjectKey("Raw/caf\udce9.csv")
    assert error.value.hint == "rename the file; S3 keys are UTF-8"


@pytest.mark.parametrize("char", ["a", "\u00e9", "\u20ac", "\N{CLAPPER BOARD}"])
def test_a_key_has_at_most_1024_bytes_of_utf8(char):
    """Bytes count, not characters: 1,024 are a key, 1,025 are not."""
    longest = char * (MAX_KEY_BYTES // len(char.encode()))
    longest += "a" * (MAX_KEY_BYTES - len(longest.encode()))
    assert len(ObjectKey(longest).encode()) == 1024
    with pytest.raises(InvalidKey) as error:
        ObjectKey(f"{longest}a")
    assert (
        error.value.message
        == "the object key would be 1,025 bytes of UTF-8, over S3's limit of 1,024"
    )
    assert error.value.hint == "shorten the path, or use --layout with a shorter prefix"
