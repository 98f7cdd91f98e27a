"""The real command line, a chaos proxy behind it, and a real store behind that."""

from __future__ import annotations

import gc
import warnings
from contextlib import ExitStack
from functools import partial

import pytest

from asyncload.store.retries import RetryPolicy
from asyncload.transfer import TransferPolicy
from tests.faults.lake import LEAST, Lake
from tests.support.loads import write_files
from tests.support.program import asyncload, spawn
from tests.support.stalls import stalling

__all__ = ["asyncload", "spawn", "stalling"]

LARGE = 17 * 1024 * 1024
"""Bytes of a file that takes three parts."""


@pytest.fixture(params=[True, False], ids=["lane", "client"])
def lane(request):
    """Whether puts and parts go by the fast lane: the outcomes are the same."""
    return request.param


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """As many attempts as ever, with waits of a millisecond; only within this process."""
    quick = {"first_wait": 0.001, "max_wait": 0.002}
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: RetryPolicy(**quick))
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", RetryPolicy(seconds=10.0, **quick))


@pytest.fixture
def short_deadline(monkeypatch):
    """A call is given up after a second at the most; only within this process."""
    monkeypatch.setattr("asyncload.s3.requests._ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("asyncload.s3.requests._MIN_BYTES_PER_SECOND", 16 * 1024 * 1024)
    # aiohttp keeps flushing what is not read until the event loop is gone; the socket of such
    # a connection is then closed by the collector, which tells: at the end of the test, and of all
    # that there is only what the test made.
    enable = gc.enable
    monkeypatch.setattr(gc, "enable", _do_nothing)
    monkeypatch.setattr(gc, "freeze", _do_nothing)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    enable()


def _do_nothing():
    pass


@pytest.fixture
def lake(asyncload, volume, layer, seaweedfs, monkeypatch):
    """A volume and a SeaweedFS, with a chaos proxy of its own for each load."""
    with ExitStack() as stack:
        yield Lake(asyncload, volume, layer, seaweedfs, monkeypatch, stack)


@pytest.fixture
def forgiving_lake(asyncload, volume, layer, moto, monkeypatch):
    """The same before moto, which takes any credentials."""
    with ExitStack() as stack:
        yield Lake(asyncload, volume, layer, moto, monkeypatch, stack)


@pytest.fixture(scope="session")
def large_body():
    """Bytes that no shifted, cut or mixed copy equals."""
    return b"".join(b"%015d\n" % number for number in range(LARGE // 16))


@pytest.fixture
def small_and_large(volume, large_body, monkeypatch):
    """One file for a put, one for three parts: of S3's least size, only within this process."""
    smaller = partial(TransferPolicy, put_limit=LEAST, part_size=LEAST)
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", smaller)
    write_files(volume, {"a.csv": b"id|name\n1|a\n", "l.csv": large_body[: 2 * LEAST + 16]})


@pytest.fixture
def manifests(layer):
    """The options that give a test manifests and records of its own."""
    return ["--manifest", "--manifest-prefix", f"_asyncload-{layer}"]
