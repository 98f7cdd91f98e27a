"""The settings file: `asyncload.toml`, or `[tool.asyncload]` in pyproject.toml.

It sets options by the names of their flags. Its values apply if neither flag nor variable sets
the option; Typer treats them as defaults.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from asyncload.cli.command import EmptyValueError
from asyncload.errors import UsageError

NAME = "asyncload.toml"
PYPROJECT = "pyproject.toml"
MAX_BYTES = 1024 * 1024

_META = "asyncload.settings_file"
# Matches the start of our table in a pyproject.toml; other files are not parsed, to save time.
_OURS = rb"""(?m)^\s*\[?\s*["']?tool["']?\s*(\]|=|\.\s*["']?asyncload)"""


class SettingsFile(NamedTuple):
    """The content of a settings file.

    `values` by option name, with checked types; `lines` holds the line of each value, if known.
    `tables` are those for `collect`: `source` and `query`, not checked.
    """

    path: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    tables: Mapping[str, Any]


def use_settings_file(context: typer.Context, named: str | None) -> str | None:
    """Find and read the settings file, as defaults for the options that Typer reads next.

    Raises:
        EmptyValueError: the file name is empty.
        UnusableFileError: the file can't be read, or is invalid.
    """
    if context.resilient_parsing:
        # A shell asks for completion, which needs no values.
        return named
    if named == "":
        # An empty path would mean the working directory.
        raise EmptyValueError("--config is empty", context)
    try:
        file = find_settings_file(None if named is None else Path(named))
    except UsageError as error:
        raise UnusableFileError(error, context) from error
    if file is not None:
        context.meta[_META] = file
        # For repeatable options Typer expects a list of words.
        context.default_map = {
            name: list(value) if isinstance(value, dict) else value
            for name, value in file.values.items()
        }
    return named


def settings_file_of(context: Any) -> SettingsFile | None:
    """Return the settings file that a command read, if any."""
    file = context.meta.get(_META)
    assert file is None or isinstance(file, SettingsFile)
    return file


# Typer brings a copy of Click since 0.26, and used Click itself before.
_ClickUsageError: type[Exception] = typer.BadParameter.__mro__[1]


class UnusableFileError(_ClickUsageError):  # type: ignore[misc, valid-type]
    """The settings file can't be used; reported as an invalid option.

    `json` says whether the file asks for `--json` nevertheless.
    """

    def __init__(self, error: UsageError, context: typer.Context) -> None:
        super().__init__(error.message, context)
        self.hint = error.hint
        self.json: bool = getattr(error, "json", False)


def find_settings_file(named: Path | None) -> SettingsFile | None:
    """Read the named settings file, or else one in the working directory.

    Raises:
        UsageError: the file can't be read, or its content is invalid.
    """
    if named is not None:
        return None if str(named) == os.devnull else _read_named(named)
    if (data := _content(Path(NAME))) is not None:
        return _parsed(NAME, data)
    if (data := _content(Path(PYPROJECT))) is not None and re.search(_OURS, data):
        return _parsed(PYPROJECT, data)
    return None


def _parsed(path: str, data: bytes) -> SettingsFile | None:
    # Imported only when needed: a run without a settings file should not wait for it.
    from asyncload.cli.settings_toml import parse_settings

    found = parse_settings(path, data, table="tool.asyncload" if _is_pyproject(path) else "")
    return None if found is None else SettingsFile(path, *found)


def _is_pyproject(path: str) -> bool:
    return Path(path).name == PYPROJECT


def _read_named(path: Path) -> SettingsFile:
    shown = str(path)
    data = _content(path, named=True)
    if data is None:
        raise UsageError(
            f"--config: file {shown!r} does not exist", hint="give the path of a settings file"
        )
    file = _parsed(shown, data)
    if file is None:
        raise UsageError(
            f"--config: {shown} has no table [tool.asyncload]",
            hint="add that table, or name another file",
        )
    return file


def _content(path: Path, *, named: bool = False) -> bytes | None:
    """Return the content of a file, None if it does not exist.

    A pipe is read only if it was named, as with `--config <(...)`.
    """
    try:
        opener = None if named else _without_waiting
        with open(path, "rb", opener=opener) as file:  # a Path takes no opener
            if not named and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(
                    f"{path} is not a regular file",
                    hint="--config /dev/null makes asyncload ignore it",
                )
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a folder, not a settings file",
            hint="give the path of a file" if named else "rename the folder",
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{path} can't be read: {reason}",
            hint="make it readable, or name another file with --config (/dev/null for none)",
        ) from error
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{path} is too large for a settings file",
            hint=f"the maximum is {MAX_BYTES // 1024} KiB",
        )
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
