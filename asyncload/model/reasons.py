"""Reasons for excluding entries of a volume, in words for people."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS = {"excluded": "by pattern"}
# Those that are nouns; the others are the same for any number.
_NOUNS = ("archive", "duplicate", "symlink")
_FOLDERS = ("temporary folder", "system folder")


def reason_text(reason: str, count: int = 1) -> str:
    """Return a reason in words, for so many entries: `excluded` is `by pattern`."""
    if count != 1:
        noun, _, more = reason.partition(" ")
        if noun in _NOUNS:
            return f"{noun}s {more}".rstrip()
        if reason in _FOLDERS:
            return f"{reason}s"
    return _WORDS.get(reason, reason)


def excluded_text(excluded: Mapping[str, int]) -> str:
    """Return the numbers of excluded entries by reason, such as `1 by pattern, 2 archives`."""
    return ", ".join(
        f"{count:,} {reason_text(reason, count)}"
        for reason, count in sorted(excluded.items())
        if count
    )
