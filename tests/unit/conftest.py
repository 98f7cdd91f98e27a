"""What several unit tests use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def no_file_left_open():
    """The test leaves as many files open as it found."""
    before = _open_files()
    yield
    assert _open_files() == before


def _open_files():
    return {path.name for path in Path("/dev/fd").iterdir()}
