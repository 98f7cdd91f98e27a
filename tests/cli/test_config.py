"""`asyncload config`: each setting, and where it came from."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.cli.config import toml_value
from asyncload.settings.options import options_of
from tests.support.vocabulary import check_lines

FILE = """\
bucket = "lake"
date = 2022-05-02
trust = ["size", "mtime"]
ca-bundle = "ca.pem"
min-age = 60

[tag]
"a=b" = "c"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a settings file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asyncload.toml").write_text(FILE)
    return tmp_path


def shown(asyncload, *options):
    ended = asyncload("config", *options)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def test_each_setting_is_shown_with_its_origin(folder, asyncload, monkeypatch):
    """Flag, variable by its name, file and line, or default; and what holds if nothing is set."""
    monkeypatch.setenv("ASYNCLOAD_LAYER", "Bronze")
    monkeypatch.setenv("ASYNCLOAD_REGION", "")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    lines = shown(asyncload, "--origin", "IMDb", "--exclude", "a", "--exclude", "b").splitlines()
    assert [line for line in lines if "not set" not in line][:6] == [
        'volume = "data"  # default',
        'bucket = "lake"  # asyncload.toml, line 1',
        "date = 2022-05-02  # asyncload.toml, line 2",
        'timezone = "UTC"  # default',
        'layer = "Bronze"  # variable ASYNCLOAD_LAYER',
        'origin = "IMDb"  # flag',
    ]
    assert 'exclude = ["a", "b"]  # flag' in lines
    assert 'region = "eu-west-1"  # variable AWS_REGION' in lines
    assert 'tag = { "a=b" = "c" }  # asyncload.toml, line 7' in lines
    assert "fast-lane = true  # default" in lines
    assert "# endpoint-url is not set: AWS" in lines
    assert len(lines) == sum(option.in_file for option in options_of("config"))


def test_what_is_shown_is_a_settings_file(folder, asyncload):
    """That comes to the same settings."""
    before = shown(asyncload, "--layout", "hive", "--metadata", "a=b", "--no-fast-lane")
    (folder / "asyncload.toml").write_text(before)
    after = shown(asyncload)
    assert tomllib.loads(after) == tomllib.loads(before)
    assert 'layout = "hive"  # asyncload.toml, line' in after
    assert 'metadata = ["a=b"]' in after


def test_as_records_it_ends_with_a_summary(folder, asyncload, monkeypatch):
    """Each setting is one, with values as JSON has them."""
    monkeypatch.setenv("ASYNCLOAD_CONCURRENCY", "8")
    *records, summary = check_lines(shown(asyncload, "--json", "--layer", "L"))
    found = {record["name"]: record for record in records}
    assert [record["name"] for record in records] == [
        option.key for option in options_of("config") if option.in_file
    ]
    origins = {
        name: tuple(found[name][field] for field in ("value", "source", "variable", "file", "line"))
        for name in ("date", "concurrency", "layer", "memory", "tag", "trust", "ca-bundle")
    }
    assert origins == {
        "date": ("2022-05-02", "file", None, "asyncload.toml", 2),
        "concurrency": ("8", "variable", "ASYNCLOAD_CONCURRENCY", None, None),
        "layer": ("L", "flag", None, None, None),
        "memory": (None, "default", None, None, None),
        "tag": ({"a=b": "c"}, "file", None, "asyncload.toml", 7),
        "trust": (["size", "mtime"], "file", None, "asyncload.toml", 3),
        "ca-bundle": ("ca.pem", "file", None, "asyncload.toml", 4),
    }
    assert (summary["command"], summary["settings_file"]) == ("config", "asyncload.toml")


def test_without_a_file_and_a_bucket_there_are_defaults(tmp_path, asyncload, monkeypatch):
    """A bucket is needed by other commands only."""
    monkeypatch.chdir(tmp_path)
    assert "# bucket is not set: required" in shown(asyncload).splitlines()
    *_, summary = check_lines(shown(asyncload, "--json"))
    assert summary["settings_file"] is None


def test_what_can_not_be_used_is_not_shown(folder, asyncload, monkeypatch):
    """An address may hold a password."""
    monkeypatch.setenv("ASYNCLOAD_ENDPOINT_URL", "http://u:CANARY@h")
    for options in ((), ("--json",)):
        ended = asyncload("config", *options)
        assert ended.code == 2
        assert "--endpoint-url comes from variable ASYNCLOAD_ENDPOINT_URL" in ended.out + ended.err
        assert "CANARY" not in ended.out + ended.err


@pytest.mark.parametrize("option", ["--older-than", "--min-age"])
def test_options_of_every_command_are_checked(folder, asyncload, option):
    """Also those that are not settings of a run."""
    ended = asyncload("config", option, "soon")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {option}: 'soon' is not a valid duration\n")


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.one_of(
        texts,
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.dates(date(1000, 1, 1)),
        st.lists(texts),
        st.dictionaries(texts, texts),
    )
)
def test_a_value_is_toml(value):
    """Any content is shown on one printable line."""
    written = toml_value(value)
    assert tomllib.loads(f"x = {written}  # y") == {"x": value}
    assert len(written.splitlines()) <= 1
    assert not any(char in written for char in "\x1b\x7f\x9b\u202e")


def test_a_path_that_is_not_utf_8_is_shown_escaped():
    """No settings file can hold it."""
    assert toml_value(Path("a\udcff")) == '"a\\udcff"'


def test_several_volumes_come_from_flag_variable_or_file(folder, asyncload, monkeypatch):
    """In the variable one a line, as a path may have spaces and colons; in the file an array."""
    (first, *_) = shown(asyncload, "eu", "us").splitlines()
    assert first == 'volume = ["eu", "us"]  # flag'
    monkeypatch.setenv("ASYNCLOAD_VOLUME", "my eu\n/mnt/12:30\n")
    (first, *_) = shown(asyncload).splitlines()
    assert first == 'volume = ["my eu", "/mnt/12:30"]  # variable ASYNCLOAD_VOLUME'
    monkeypatch.setenv("ASYNCLOAD_VOLUME", "/mnt/my exports:12")
    (first, *_) = shown(asyncload).splitlines()
    assert first == 'volume = "/mnt/my exports:12"  # variable ASYNCLOAD_VOLUME'
    monkeypatch.delenv("ASYNCLOAD_VOLUME")
    (folder / "asyncload.toml").write_text('volume = ["eu", "/us"]\n')
    (record, *_) = check_lines(shown(asyncload, "--json"))
    assert record["value"] == ["eu", "/us"]
