"""Reads and listings that don't come back."""

from __future__ import annotations

import os
import threading

import pytest


@pytest.fixture
def stalling(monkeypatch):
    """Reads of the files in it, and listings of the folders, don't return before the test's end."""
    read, listed = os.preadv, os.scandir
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

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr("asyncload.loading.STALLED_SECONDS", 0.3)
    yield paths
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "asyncload-reader":
            thread.join(10)
