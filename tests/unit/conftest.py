"""What several unit tests use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rights import without_rights


@pytest.fixture
def unprivileged(volume, monkeypatch):
    """A context with no more rights on files than an ordinary user has, be the tests run by root.

    The volume is the working folder, because the folders above it may be closed to others.
    """
    monkeypatch.chdir(volume)
    yield without_rights
    for entry in volume.iterdir():
        if not entry.is_symlink():
            entry.chmod(0o700)


@pytest.fixture
def no_file_left_open():
    """The test leaves as many files open as it found."""
    before = _open_files()
    yield
    assert _open_files() == before


def _open_files():
    return {path.name for path in Path("/dev/fd").iterdir()}
