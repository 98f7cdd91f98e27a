"""The table of options: it agrees with `Settings`, and nothing in it stands twice."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import get_type_hints

import pytest

from asyncload.cli.parameters import default_of, is_required, shown_default
from asyncload.errors import UsageError
from asyncload.operations.watch import WatchOptions
from asyncload.settings.options import (
    COMMANDS,
    OPTIONAL_TEXT,
    OPTIONS,
    SETTINGS,
    TEXT,
    options_of,
)
from asyncload.settings.run import Settings

by_name = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)


def test_each_field_of_settings_is_filled_by_one_option():
    """And the command line adds nothing that a library's user lacks, but for output and calls."""
    filled = [option.setting for option in OPTIONS if option.setting]
    assert sorted(filled) == sorted(field.name for field in fields(Settings))
    assert SETTINGS.keys() == set(filled)
    beside = {option.name for option in OPTIONS if not option.setting}
    of_collect = {o.name for o in OPTIONS if o.commands == ("collect",)}
    of_watch = {o.name for o in OPTIONS if o.commands == ("watch",)}
    assert of_watch == set(WatchOptions._fields)
    of_calls = {
        "dry_run",
        "offline",
        "files",
        "price",
        "quiet",
        "tree",
        "json",
        "yes",
        "older_than",
        "log_format",
        "metrics_file",
        "since",
        "file",
        "calendar",
        "weekdays",
        "prune",
        "lineage",
        "manifest_run",
        "mark",
        "config",
        "strict",
        "headers",
        "engine",
        "database",
        "first_date",
        "as_text",
    }
    of_report = {o.name for o in OPTIONS if o.commands == ("report",)}
    assert beside == of_calls | of_collect | of_watch | of_report


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_has_two_options_of_one_name(command):
    """Neither flag nor variable nor key."""
    taken = options_of(command)
    for names in (
        [option.flag for option in taken],
        [option.short for option in taken if option.short],
        [name for option in taken for name in option.variables],
        [option.key for option in taken if option.in_file],
    ):
        assert len(names) == len(set(names))


def test_no_two_options_share_a_variable_or_a_key_of_the_settings_file():
    """One file and one environment serve all commands."""
    for names in (
        [name for option in OPTIONS for name in option.variables],
        [option.key for option in OPTIONS if option.in_file],
    ):
        assert len(names) == len(set(names))


@by_name
def test_the_default_is_one_that_could_be_given(option):
    """What the option converts it to is itself, also when it is written as help shows it."""
    default = default_of(option)
    if default is MISSING:
        assert is_required(option) == (option.name == "bucket")
        return
    if option.setting:
        assert option.kind.convert(option.flag, default) == default
    if (shown := shown_default(option)) is not None:
        assert isinstance(shown, option.kind.word)
        assert option.kind.convert(option.flag, shown) in (default, 24 * 3600, 8 * 1024 * 1024, 5)


@by_name
def test_the_kind_is_the_type_of_the_field(option):
    """What `Settings` says that it holds is what the option makes of a word."""
    if not option.setting:
        return
    annotation = str(get_type_hints(Settings)[option.setting]).replace("pathlib.", "")
    word = True if option.kind.word is bool else WORDS.get(option.name, "x")
    value = option.kind.convert(option.flag, word)
    held = {"PosixPath": "Path"}.get(type(value).__name__, type(value).__name__)
    names = {"tuple": ("tuple",), "dict": ("Mapping",)}.get(held, (held,))
    assert any(name in annotation for name in names), (annotation, held)
    assert ("None" in annotation) == (default_of(option) is None)


WORDS = {
    "then": "delete",
    "dataset": "a=B",
    "tag": "a=b",
    "metadata": "a=b",
    "trust": "size",
    "concurrency": "7",
    "processes": "7",
    "dask": "host:8786",
    "limit_rate": "50MiB",
    "memory": "64MiB",
    "archive_limit": "1GiB",
    "max_age": "5m",
    "min_age": "5m",
    "deadline": "14m",
    "shard": "1/2",
}


@by_name
def test_each_value_that_a_shell_completes_is_accepted(option):
    """Once it is complete: some are the beginning of a value."""
    for choice in option.choices:
        if option.name == "shard":
            # The number comes from variables.
            assert choice == "auto"
            continue
        value = {"move": "move /archive"}.get(choice, choice)
        value += "1" * value.endswith("=") + ",size" * (option.name == "trust")
        value = option.kind.convert(option.flag, value)
        if option.setting:
            with_it = {"lock_until": "1d"} if option.name == "lock_mode" else {}
            Settings(**{"volume": "data", "bucket": "lake", option.setting: value} | with_it)


@by_name
def test_a_shell_completes_the_values_that_an_error_lists(option):
    """All of them, in any case of letters."""
    if not option.setting or option.kind not in (TEXT, OPTIONAL_TEXT):
        return
    with_it = {"lock_until": "1d"} if option.name == "lock_mode" else {}
    try:
        Settings(**{"volume": "data", "bucket": "lake", option.setting: "none"} | with_it)
    except UsageError as error:
        listed = error.hint.partition("use one of ")[2].casefold()
        known = {choice.casefold() for choice in option.choices}
        assert not listed or set(listed.split(", ")) <= known


@by_name
def test_each_option_says_what_it_does_in_a_sentence(option):
    """And what holds without it, if no value stands for that."""
    assert option.help[0].isupper()
    assert option.help.endswith(".")
    assert option.help.count("`") % 2 == 0
    assert not option.notes or option.notes.endswith(".")
    if not option.positional:
        assert shown_default(option) is not None or option.unset
