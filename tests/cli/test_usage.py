"""What people type who don't know the program yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.cli.usage import nearest
from asyncload.version import VERSION
from tests.test_docs import options_of


@pytest.mark.fault("I10")
@pytest.mark.parametrize("asked", ["--version", "version", "-V", "-v"])
def test_the_version_is_told_however_it_is_asked_for(asyncload, asked):
    """As other programs have it."""
    ended = asyncload(asked)
    assert (ended.code, ended.out) == (0, f"asyncload {VERSION}\n")


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    ("asked", "shows"),
    [
        (("help",), "Commands"),
        (("-h",), "Commands"),
        (("-?",), "Commands"),
        (("help", "run"), "--bucket"),
        (("run", "help"), "--bucket"),
        (("verify", "-h"), "--manifest"),
    ],
)
def test_help_is_shown_however_it_is_asked_for(asyncload, asked, shows):
    """Of the program, and of a command."""
    ended = asyncload(*asked)
    assert ended.code == 0
    assert shows in ended.out


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (("run", "--buket", "x"), "did you mean --bucket? asyncload run --help lists"),
        (("run", "--skip"), "did you mean --skip-existing?"),
        (("run", "--verbose"), "hint: the summary, --json and the manifest say all"),
        (("run", "-v"), "hint: the summary, --json and the manifest say all"),
        (("run", "--force"), "hint: --overwrite replaces"),
        (("run", "--colour"), "hint: asyncload run --help lists what there is"),
        (("lod",), "hint: asyncload --help lists what there is"),
        (("verfy",), "did you mean verify?"),
    ],
)
def test_what_is_mistyped_gets_a_name_that_is_near_or_none(asyncload, typed, hint):
    """Far ones would send people the wrong way: --verbose is no --overwrite."""
    ended = asyncload(*typed)
    assert ended.code == 2
    assert hint in ended.err
    assert ended.err.startswith("error: No such ")


@pytest.mark.fault("I10")
@given(st.data())
def test_one_slip_is_understood(data):
    """A letter left out of a long option leads back to it, or to one that is as near."""
    names = [option.opts[0] for option in options_of("run")]
    name = data.draw(st.sampled_from([name for name in names if len(name) > 7]))
    at = data.draw(st.integers(3, len(name) - 1))
    meant = nearest(name[:at] + name[at + 1 :], names)
    assert meant is not None
    assert abs(len(meant) - len(name)) <= 10
