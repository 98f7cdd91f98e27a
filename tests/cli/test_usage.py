"""What people type who don't know the program yet."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.model.suggestions import nearest
from asyncload.model.version import VERSION
from tests.support.documents import section
from tests.test_docs import options_of


@pytest.mark.fault("I10")
@pytest.mark.parametrize("asked", ["--version", "version", "-V", "-v"])
def test_each_way_to_ask_for_the_version_prints_it(asyncload, asked):
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
        (("run", "--buket", "x"), "did you mean --bucket? see asyncload run --help"),
        (("run", "--skip"), "did you mean --skip-existing?"),
        (("run", "--verbose"), "hint: use --json or read the manifest for all details"),
        (("run", "-v"), "hint: use --json or read the manifest for all details"),
        (("run", "--force"), "hint: use --overwrite to replace"),
        (("run", "--no-config"), "hint: use --config /dev/null to ignore settings files"),
        (("run", "--colour"), "hint: see asyncload run --help"),
        (("lod",), "hint: see asyncload --help"),
        (("verfy",), "did you mean verify?"),
    ],
)
def test_what_is_mistyped_gets_a_name_that_is_near_or_none(asyncload, typed, hint):
    """Distant names would mislead: --verbose is not --overwrite."""
    ended = asyncload(*typed)
    assert ended.code == 2
    assert hint in ended.err
    assert ended.err.startswith("error: No such ")


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("run", "--dry-run", "--log-format", "jsno"), "json"),
        (("doctor", "--log-format", "jsno"), "json"),
        (("run", "--dry-run", "--price", "putt=1"), "put"),
        (("ddl", "--engine", "athna"), "athena"),
    ],
)
def test_a_mistyped_value_gets_one_that_is_near(asyncload, volume, monkeypatch, typed, meant):
    """Before anything is sent."""
    monkeypatch.chdir(volume)
    (volume / "a.csv").write_text("1")
    command, *options = typed
    ended = asyncload(command, volume, "--bucket", "lake", *options)
    assert (ended.code, ended.out) == (2, "")
    assert f"hint: did you mean {meant}? use " in ended.err


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


@pytest.mark.fault("I26")
@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (("run", ""), "VOLUME"),
        (("verify", ""), "VOLUME"),
        (("demo", ""), "VOLUME"),
        (("run", "--endpoint-url", ""), "--endpoint-url"),
        (("run", "--expected-bucket-owner="), "--expected-bucket-owner"),
        (("run", "--ca-bundle", ""), "--ca-bundle"),
        (("run", "--exclude", "*.bak.csv", "--exclude", ""), "--exclude"),
        (("verify", "--manifest", ""), "--manifest"),
        (("clean", "--region", ""), "--region"),
        (("run", "--config", ""), "--config"),
    ],
)
def test_an_empty_value_is_refused_by_name(asyncload, volume, monkeypatch, typed, named):
    """Of an unset variable: it would load another folder, or into another store."""
    monkeypatch.chdir(volume)
    bucket = () if typed[0] == "demo" else ("--bucket", "lake")
    ended = asyncload(*typed, *bucket)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"error: {named} is empty\n  hint: set the variable that it comes from, or omit it\n"
    )


def test_a_volume_is_not_ignored_beside_a_manifest(asyncload, volume, monkeypatch):
    """The manifest says what to compare; a volume set for other commands does no harm."""
    options = ("--bucket", "lake", "--manifest", "run", "--endpoint-url", "http://127.0.0.1:9")
    ended = asyncload("verify", volume, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: a volume and --manifest can't be combined")
    monkeypatch.setenv("ASYNCLOAD_VOLUME", str(volume))
    # It gets as far as the credentials, of which there are none.
    assert asyncload("verify", *options).code == 5


@pytest.mark.fault("I26")
def test_an_empty_variable_of_ours_counts_as_not_set(asyncload, volume, monkeypatch):
    """As compose files and pipelines have them."""
    for name in ("ENDPOINT_URL", "INCLUDE", "SSE", "EXPECTED_BUCKET_OWNER"):
        monkeypatch.setenv(f"ASYNCLOAD_{name}", "")
    (volume / "a.csv").write_text("1")
    assert asyncload("run", volume, "--bucket", "lake", "--dry-run", "--offline").code == 0


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    ("profile", "hint"), [("lkae", "did you mean lake? `aws "), ("other", "`aws ")]
)
def test_a_mistyped_profile_gets_one_that_exists(asyncload, tmp_path, monkeypatch, profile, hint):
    """Of the AWS configuration."""
    configuration = tmp_path / "config"
    configuration.write_text("[profile lake]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(configuration))
    ended = asyncload("runs", "--bucket", "lake", "--profile", profile)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: --profile: The config profile ({profile}) could")
    assert f"\n  hint: {hint}configure list-profiles` lists" in ended.err


def test_a_price_without_a_plan_is_refused_unless_it_is_set_for_all(asyncload, volume, monkeypatch):
    """A run would ignore it; a variable is also for `asyncload plan`."""
    options = (volume, "--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    ended = asyncload("run", *options, "--price", "put=1")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: --price has no effect without --dry-run\n  hint: omit it")
    for command in (("plan",), ("run", "--dry-run")):
        ended = asyncload(*command, *options, "--offline", "--price", "put=1")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: --price has no effect with --offline")
    monkeypatch.setenv("ASYNCLOAD_PRICE", "put=1")
    # It gets as far as the credentials, of which there are none.
    assert asyncload("run", *options).code == 5


def options_of_others():
    """The options of other programs on the page about moving, with what it names instead."""
    for row in re.findall(
        r"^\| (.+?) \| (.+) \|$", section("Move from aws s3, s5cmd, rclone or boto3"), re.MULTILINE
    ):
        theirs, ours = (re.findall(r"`(--[a-z0-9-]+)", cell) for cell in row)
        for place, option in enumerate(theirs):
            yield option, [ours[place]] if len(ours) == len(theirs) else ours


@pytest.mark.fault("I10")
def test_options_of_other_programs_get_the_hint_that_the_page_on_moving_has(asyncload):
    """Each names the options that the page does, and none is guessed: it may do the opposite."""
    known = {
        name for option in options_of("run") for name in (*option.opts, *option.secondary_opts)
    }
    foreign = {theirs: ours for theirs, ours in options_of_others() if theirs not in known}
    assert len(foreign) > 15
    for theirs, ours in foreign.items():
        ended = asyncload("run", theirs)
        *_, hint = ended.err.splitlines()
        assert ended.code == 2
        assert all(option in hint for option in ours), (theirs, hint)
        assert "did you mean" not in hint, (theirs, hint)
        assert "--help" not in hint, (theirs, hint)


@pytest.mark.fault("I10")
@pytest.mark.parametrize("flag", ["success-marker", "quiet", "json", "layout"])
def test_the_negation_of_an_option_never_gets_the_option_itself(asyncload, flag):
    """It would do the opposite; only for options that take a value there is nothing to turn off."""
    ended = asyncload("run", f"--no-{flag}")
    *_, hint = ended.err.splitlines()
    off = flag in ("success-marker", "quiet", "json")
    variable = f"ASYNCLOAD_{flag.upper().replace('-', '_')}=0"
    assert (variable in hint) == off
    assert ("did you mean" in hint) != off
