"""How many requests at once the limit on open files leaves room for."""

from __future__ import annotations

import resource

import pytest

from asyncload.settings import Settings


@pytest.mark.parametrize(
    ("limit", "wanted", "allowed"),
    [
        (resource.RLIM_INFINITY, 1024, 1024),
        (1024, 32, 32),
        (84, 32, 32),
        (83, 32, 31),
        (64, 4, 4),
        (32, 32, 6),
        (16, 32, 1),
    ],
)
def test_a_run_makes_no_more_requests_at_once_than_may_have_connections(
    monkeypatch, limit, wanted, allowed
):
    """Both code paths may keep a connection for each request, and files are to be read, too."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert Settings(volume=".", bucket="lake", concurrency=wanted).concurrency == allowed
