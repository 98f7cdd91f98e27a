"""The table of tests that are run in part."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.measuring import UNMEASURED
from tests.support.selection import AGAIN, KEPT, SLOW


@pytest.mark.parametrize("name", [*KEPT, *AGAIN])
def test_each_row_names_a_test(name):
    """A test that is renamed takes its row along."""
    path, _, test = name.partition("::")
    text = (Path(__file__).parent / path).read_text()
    assert any(fnmatchcase(found, test) for found in names_in(text))


@pytest.mark.parametrize("name", SLOW)
def test_each_slow_test_is_one_of_those_without_servers(name):
    """And there is at least one for each row."""
    path, _, test = name.partition("::")
    assert path.startswith(("unit/", "pipeline/"))
    files = Path(__file__).parent.glob(path)
    assert any(fnmatchcase(found, test) for file in files for found in names_in(file.read_text()))


@pytest.mark.parametrize("pattern", UNMEASURED)
def test_each_row_of_what_is_not_measured_names_a_file(pattern):
    """A file that is renamed takes its row along."""
    path, _, test = pattern.partition("::")
    files = [*Path(__file__).parent.glob(path)]
    assert files
    assert not test or test in names_in(files[0].read_text())


def names_in(text):
    return re.findall(r"(?m)^(?:async )?def (test_\w+)", text)
