"""Fixtures of loads into a store in memory."""

from __future__ import annotations

from functools import partial

import pytest

from asyncload.transfer import TransferPolicy
from tests.support.loads import UNIT
from tests.support.stalls import stalling

__all__ = ["stalling"]


@pytest.fixture
def small_parts(monkeypatch):
    """Files are cut at an eighth of the usual sizes: what a MiB is otherwise, a `UNIT` is."""
    smaller = partial(TransferPolicy, put_limit=16 * UNIT, part_size=8 * UNIT)
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", smaller)
    monkeypatch.setattr("tests.support.memory_store.MIN_PART", 5 * UNIT)
