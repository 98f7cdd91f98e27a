"""Reads and listings that don't come back."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest


@pytest.fixture
def stalling(monkeypatch):
    """Calls for the files and folders in it don't return before the test's end."""
    read, listed, exists = os.preadv, os.scandir, Path.exists
    go_on, paths = threading.Event(), set()

    def wait(status):
        if any(os.path.samestat(status, path.stat()) for path in paths):
            go_on.wait(30)

    def preadv(fd, buffers, offset, *flags):
        wait(os.fstat(fd))
        return read(fd, buffers, offset, *flags)

    def scandir(path):
        wait(os.stat(path))  # noqa: PTH116  # a string
        return listed(path)

    def path_exists(path, **options):
        if path in paths:
            go_on.wait(30)
        return exists(path, **options)

    monkeypatch.setattr(Path, "exists", path_exists)
    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "scandir", scandir)
    for user in ("operations.opening", "cli.default_volume"):
        monkeypatch.setattr(f"asyncload.{user}.STALLED_SECONDS", 0.3)
    yield paths
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "asyncload-reader":
            thread.join(10)
