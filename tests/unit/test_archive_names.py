"""Names of members: their encodings, and where they lead."""

from __future__ import annotations

import posixpath
import struct
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import MemberRefused, UsageError
from asyncload.model.names import MEMBER, split_member, without_archive
from asyncload.source.archives.names import check_name, decode_name, shown_name
from asyncload.source.archives.rules import check_encoding

PORTUGUESE = "coração de leões.csv"


def decode(raw, *, utf8=False, extra=b"", encoding=None):
    return decode_name(raw, utf8=utf8, extra=extra, encoding=encoding)


def unicode_path(raw, name, crc=None):
    """Info-ZIP's extra field, behind another one."""
    data = b"\1" + struct.pack("<I", zlib.crc32(raw) if crc is None else crc) + name.encode()
    return struct.pack("<HHx", 0x5455, 1) + struct.pack("<HH", 0x7075, len(data)) + data


def test_a_name_in_ascii_needs_no_encoding():
    """No matter what its flags say."""
    assert decode(b"movies.csv") == decode(b"movies.csv", utf8=True) == "movies.csv"


def test_a_name_that_is_marked_as_utf8_is_utf8():
    """Also if another encoding is given for names that are not marked."""
    assert decode(PORTUGUESE.encode(), utf8=True, encoding="cp850") == PORTUGUESE


def test_portuguese_names_of_windows_are_read_by_cp850():
    """Which has ã and õ, as cp437 has not."""
    assert decode(PORTUGUESE.encode("cp850"), encoding="cp850") == PORTUGUESE
    with pytest.raises(UnicodeEncodeError):
        PORTUGUESE.encode("cp437")


@pytest.mark.fault("J6")
@pytest.mark.parametrize(
    ("raw", "hint"),
    [(PORTUGUESE.encode("cp850"), "--zip-names cp850"), (PORTUGUESE.encode(), "--zip-names utf-8")],
)
def test_a_name_of_unknown_encoding_is_refused_with_the_likely_one(raw, hint):
    """A wrong guess would be a wrong key."""
    with pytest.raises(MemberRefused, match="encoding of the member's name is unknown") as caught:
        decode(raw)
    assert hint in caught.value.hint


def test_the_unicode_field_names_a_member():
    """Programs before 2007 wrote it, and some still do."""
    raw = PORTUGUESE.encode("cp850")
    assert decode(raw, extra=unicode_path(raw, PORTUGUESE)) == PORTUGUESE


@pytest.mark.parametrize(
    "extra",
    [
        unicode_path(b"x", PORTUGUESE, crc=1),
        struct.pack("<HH", 0x7075, 3) + b"\1ab",
        struct.pack("<HH", 0x7075, 9) + b"\2" + b"abcdefgh",
        b"up",
    ],
)
def test_a_unicode_field_of_another_name_is_ignored(extra):
    """The name was changed by a program that does not know the field, or the field is damaged."""
    with pytest.raises(MemberRefused, match="unknown"):
        decode(PORTUGUESE.encode("cp850"), extra=extra)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"utf8": True}, "not valid utf-8, which its flags state"),
        ({"encoding": "utf-8"}, "not valid utf-8, which --zip-names states"),
    ],
)
def test_a_name_that_is_not_valid_in_its_encoding_is_refused(options, why):
    """With what says that it is in this encoding."""
    with pytest.raises(MemberRefused, match=why):
        decode(b"\xff.csv", **options)


def test_a_unicode_field_that_is_not_utf8_is_refused():
    """It can't be a name."""
    raw = b"\x87.csv"
    data = b"\1" + struct.pack("<I", zlib.crc32(raw)) + b"\xff.csv"
    with pytest.raises(MemberRefused, match="Unicode field"):
        decode(raw, extra=struct.pack("<HH", 0x7075, len(data)) + data)


@pytest.mark.fault("J5")
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("../x.csv", "'..'"),
        ("a/../../x.csv", "'..'"),
        ("./x.csv", "'.'"),
        ("a//x.csv", "empty"),
        ("/etc/x.csv", "absolute"),
        ("C:/x.csv", "absolute"),
        ("c:x.csv", "absolute"),
        ("a\\x.csv", "backslash"),
        ("x.csv\0.txt", "NUL"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name, what):
    """With what is wrong with it."""
    with pytest.raises(MemberRefused, match=what):
        check_name(name)


@given(st.text(alphabet="ab./\\:C\0é", max_size=12))
@example("a/b.csv")
def test_an_accepted_name_stays_below_the_archive(name):
    """However it is resolved, and it is its own shortest form."""
    try:
        check_name(name)
    except MemberRefused:
        return
    resolved = posixpath.normpath(posixpath.join("/volume", name))
    assert resolved == f"/volume/{name}"


@given(st.binary(max_size=20))
def test_a_name_can_always_be_shown(raw):
    """Also one that can't be decoded."""
    assert shown_name(raw).encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize("encoding", ["cp850", "utf-8", "latin-1", "shift_jis"])
def test_an_encoding_that_extends_ascii_is_accepted(encoding):
    """Shift JIS differs in backslash and tilde only by name, not in Python."""
    check_encoding("--zip-names", encoding)


@pytest.mark.parametrize("encoding", ["klingon", "utf-16", "cp037", "base64", "", "a\0b"])
def test_any_other_encoding_is_a_usage_error(encoding):
    """With some that may have been meant."""
    with pytest.raises(UsageError, match="--zip-names") as caught:
        check_encoding("--zip-names", encoding)
    assert "cp850" in caught.value.hint


def test_a_members_path_is_cut_at_the_first_double_slash():
    """No path in a folder has one; the name of a member might."""
    path = f"exports/films.zip{MEMBER}eu/a.csv"
    assert split_member(path) == ("exports/films.zip", "eu/a.csv")
    assert split_member(f"a.zip{MEMBER}b//c.csv") == ("a.zip", "b//c.csv")
    assert split_member("a/b.csv") == ("a/b.csv", "")
    assert without_archive(path) == "exports/eu/a.csv"
    assert without_archive(f"films.zip{MEMBER}movies.csv") == "movies.csv"
    assert without_archive("a/b.csv") == "a/b.csv"
