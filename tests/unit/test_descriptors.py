"""How many requests at once the limit on open files leaves room for."""

from __future__ import annotations

import resource

import pytest

from asyncload.settings.descriptors import raise_descriptor_limit
from asyncload.settings.run import Settings


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
    settings = Settings(volume=".", bucket="lake", concurrency=wanted)
    assert settings.concurrency == wanted
    assert settings.ceiling == (allowed, "open files" if allowed < wanted else "asked for")


@pytest.mark.parametrize(
    ("limit", "memory", "ceiling"),
    [
        (4096, "256MiB", (288, "memory")),
        (4096, "1GiB", (768, "ceiling")),
        (1024, "1GiB", (502, "open files")),
        (1024, "128MiB", (160, "memory")),
        (1024, "16MiB", (48, "memory")),
        (256, "256MiB", (118, "open files")),
        (64, "16MiB", (22, "open files")),
        (16, "16MiB", (1, "open files")),
    ],
)
def test_auto_goes_as_far_as_open_files_and_memory_allow(monkeypatch, limit, memory, ceiling):
    """Half of the memory is for connections, half a MiB for each over 32; 768 are the most."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    settings = Settings(volume=".", bucket="lake", memory=memory)
    assert (settings.ceiling, settings.max_requests) == (ceiling, ceiling[0])


def test_connections_without_encryption_need_a_quarter_of_the_memory(monkeypatch):
    """An eighth of a MiB each."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    plain = {"endpoint_url": "HTTP://127.0.0.1:9000", "bucket": "lake", "volume": "."}
    assert Settings(memory="64MiB", **plain).ceiling == (288, "memory")
    assert Settings(memory="256MiB", **plain).ceiling == (768, "ceiling")


NONE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 1_048_576, 2068),
        (256, NONE, 2068),
        (1024, 2000, 2000),
        (1024, 1024, None),
        (4096, 1_048_576, None),
        (NONE, NONE, None),
    ],
)
def test_the_soft_limit_on_open_files_is_raised_as_far_as_needed(monkeypatch, soft, hard, raised):
    """Never beyond the hard limit, and never lowered."""
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: limits.append(given))
    raise_descriptor_limit(1024)
    assert limits[1:] == ([] if raised is None else [(raised, hard)])


def test_a_system_that_refuses_a_higher_limit_is_left_alone(monkeypatch):
    """The run then makes fewer requests at once."""

    def refuse(*_):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, NONE))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_descriptor_limit(1024)
