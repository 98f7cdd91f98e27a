"""Names of members: decode them, and refuse those that lead out of the archive. Pure."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from asyncload.errors import MemberRefused
from asyncload.model.names import to_text

_UNICODE_PATH = 0x7075
_DRIVE = re.compile(r"[A-Za-z]:")


def decode_name(raw: bytes, *, utf8: bool, extra: bytes, encoding: str | None) -> str:
    """Return a member's name.

    Args:
        raw: the name's bytes.
        utf8: whether the member's flags say that they are UTF-8.
        extra: the extra fields of the member, one of which may contain the name in UTF-8.
        encoding: of names that are neither; None if it is unknown.

    Raises:
        MemberRefused: the encoding is unknown, or the bytes are invalid in it.
    """
    if raw.isascii():
        return raw.decode("ascii")
    if utf8:
        return _decode(raw, "utf-8", "which its flags state")
    stated = _unicode_path(raw, extra)
    if stated is not None:
        return _decode(stated, "utf-8", "which its Unicode field requires")
    if encoding is None:
        raise MemberRefused(
            "the encoding of the member's name is unknown",
            hint=f"use --zip-names {_guess(raw)}",
        )
    return _decode(raw, encoding, "which --zip-names states")


def _decode(raw: bytes, encoding: str, why: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise MemberRefused(
            f"the member's name is not valid {encoding}, {why}",
            hint="name another encoding with --zip-names, or repack the archive",
        ) from None


def _guess(raw: bytes) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "cp850 (Windows in Western Europe and Brazil), or the encoding of its author"
    return "utf-8 (macOS and many libraries)"


def shown_name(raw: bytes) -> str:
    """Return a text for a name that can't be decoded, for messages."""
    return to_text(raw)


def check_name(name: str) -> None:
    """Check that a name leads to a place below the archive.

    Raises:
        MemberRefused: it does not, or is not a path with `/` between its segments.
    """
    if "\\" in name:
        raise _refusal("contains a backslash")
    if name.startswith("/") or _DRIVE.match(name):
        raise _refusal("is an absolute path")
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise _refusal("contains an empty, '.' or '..' segment")
    if "\0" in name:
        raise _refusal("contains a NUL")


def _refusal(what: str) -> MemberRefused:
    return MemberRefused(
        f"the member's name {what}", hint="repack the archive with plain relative names"
    )


def _unicode_path(raw: bytes, extra: bytes) -> bytes | None:
    """Return the name in Info-ZIP's Unicode Path field, if it belongs to this name.

    Source: APPNOTE.TXT, 4.6.9.
    """
    for kind, data in _fields(extra):
        if kind == _UNICODE_PATH and data[:1] == b"\1" and len(data) > 5:
            (crc,) = struct.unpack_from("<I", data, 1)
            if crc == zlib.crc32(raw):
                return data[5:]
    return None


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + length]
        at += 4 + length
