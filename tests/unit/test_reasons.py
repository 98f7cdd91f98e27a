"""Why entries are excluded, in words."""

from __future__ import annotations

from typing import get_args

import pytest

from asyncload.model.reasons import excluded_text, reason_text
from asyncload.model.values import ExcludedReason


@pytest.mark.parametrize(
    ("excluded", "text"),
    [
        ({}, ""),
        ({"excluded": 8, "hidden": 1, "too old": 0}, "8 by pattern, 1 hidden"),
        ({"archive": 1, "duplicate": 1}, "1 archive, 1 duplicate"),
        ({"archive": 2_000, "temporary folder": 2}, "2,000 archives, 2 temporary folders"),
        ({"symlink": 2, "symlink to nowhere": 3}, "2 symlinks, 3 symlinks to nowhere"),
        ({"too recent": 2, "not a regular file": 2}, "2 not a regular file, 2 too recent"),
    ],
)
def test_excluded_entries_are_counted_in_words(excluded, text):
    """In the order of their reasons; nouns have a plural."""
    assert excluded_text(excluded) == text


def test_no_excluded_entry_is_just_excluded():
    """That would repeat the word in front of it."""
    assert "excluded" not in {reason_text(reason) for reason in get_args(ExcludedReason)}
