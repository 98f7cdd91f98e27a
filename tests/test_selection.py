"""The table of tests that are run in part."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.selection import KEPT


@pytest.mark.parametrize("name", KEPT)
def test_each_row_names_a_test(name):
    """A test that is renamed takes its row along."""
    path, _, test = name.partition("::")
    text = (Path(__file__).parent / path).read_text()
    tests = re.findall(r"(?m)^(?:async )?def (test_\w+)", text)
    assert any(fnmatchcase(found, test) for found in tests)
