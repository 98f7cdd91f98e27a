"""What `--help` shows, and that its examples can be used."""

from __future__ import annotations

import re
import shlex

import pytest

from asyncload.cli.app import make_app
from asyncload.cli.examples import EXAMPLES
from asyncload.settings.options import COMMANDS, options_of

WITHOUT_SETTINGS = ("demo", "schema")
ALL = (*COMMANDS, *WITHOUT_SETTINGS)
FIRST_DAY = {"bucket", "date", "layout", "include", "exclude"}
FIRST_DAY |= {"overwrite", "profile", "endpoint-url", "dry-run", "quiet"}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "config"])
def test_ten_options_of_the_first_day_come_first(command):
    """No command has more of them, and none has only rare ones."""
    first = [option.key for option in options_of(command) if option.first]
    assert 1 <= len(first) <= 10, first
    if command == "run":
        assert {*first} == FIRST_DAY


def test_every_command_has_two_or_three_examples():
    """In lines that fit a terminal."""
    assert EXAMPLES.keys() == {*ALL}
    for command, examples in EXAMPLES.items():
        assert 2 <= len(examples) <= 3
        for text, line in examples:
            assert text.endswith(":")
            assert len(f"     asyncload {command} {line}") <= 90


@pytest.mark.parametrize(
    "line", [f"{name} {line}" for name, examples in EXAMPLES.items() for _, line in examples]
)
def test_each_example_has_valid_options(line, tmp_path, monkeypatch):
    """It is read as a command line is, up to the settings of the command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nightly.toml").write_text("")
    words = shlex.split(line)
    command = make_app(words)(words, prog_name="asyncload", standalone_mode=False)
    arguments = command.args[0]
    if words[0] == "collect":
        assert arguments.collect_settings().target.bucket == "my-lake"
    elif words[0] not in WITHOUT_SETTINGS:
        settings = arguments.settings(volume=tmp_path, bucket="lake")
        assert settings.bucket in ("lake", "my-lake", "any")


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("terminal", ["xterm", "dumb"])
def test_help_fits_the_terminal(asyncload, monkeypatch, columns, terminal):
    """No name of an option is cut, and without colours there are none."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    ended = asyncload("run", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    assert ("╭" in ended.out) == (terminal != "dumb" and columns >= 80)
    shown = re.findall(r"^[ │*]*(?:-\w, )?(--[a-z-]+)", ended.out, re.MULTILINE)
    flags = {option.flag for option in options_of("run") if not option.positional}
    assert flags <= {*shown}
    order = [flag.removeprefix("--") for flag in shown if flag != "--help"]
    assert {*order[:10]} == FIRST_DAY
    head, _, examples = ended.out.partition(" Examples:\n")
    assert "asyncload run exports --bucket my-lake\n" in examples
    assert max(map(len, head.splitlines())) <= columns
    assert max(map(len, examples.splitlines())) <= 100
