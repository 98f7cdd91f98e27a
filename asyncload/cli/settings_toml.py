"""Parse a settings file (TOML) and check each value against its option.

Messages name file, line and key, but never a value.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncload.errors import UsageError
from asyncload.model.names import to_bytes
from asyncload.model.suggestions import with_guess
from asyncload.settings.given import TOML, check_value, is_sensitive
from asyncload.settings.option_kinds import LIST_OF_FILES, OPTIONAL_PATH, PATHS, THEN
from asyncload.settings.options import OPTIONS, Option
from asyncload.source.file_list import STANDARD_INPUT

# For `collect` only, and not options: see `source.web.parsing`.
_TABLES = ("source", "query")
_KEYS = {option.key: option for option in OPTIONS}
_PLACE = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class InvalidSettingError(UsageError):
    """One setting of a file is invalid; `json` says whether another one asks for `--json`."""

    def __init__(self, error: UsageError, *, json: bool) -> None:
        super().__init__(error.message, hint=error.hint)
        self.json = json


def parse_settings(
    path: str, data: bytes, *, table: str
) -> tuple[Mapping[str, Any], Mapping[str, int], Mapping[str, Any]] | None:
    """Return the values in a file by option name, their line numbers, and the tables for `collect`.

    A line number is omitted if it is not certain.

    Args:
        path: of the file, for messages; paths in it are relative to its folder.
        data: the file's content.
        table: the dotted name of asyncload's table; "" if that is the whole file.

    Returns:
        None if the table does not exist.

    Raises:
        UsageError: the TOML is invalid.
        InvalidSettingError: a key is not an option, or a value is not valid for its option.
    """
    text = _text(path, data)
    found: Any = _parse(path, text)
    for name in filter(None, table.split(".")):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {table} must be a table, not {TOML.type_of(found)}")
    values, lines = {}, {}
    tables = {name: found.pop(name) for name in _TABLES if name in found}
    for key, value in found.items():
        line = _line_of(key, text, table)
        place = path if line is None else f"{path}, line {line}"
        try:
            option = _option(key, place)
            values[option.name] = _checked(option, value, place, Path(path).parent)
        except UsageError as error:
            raise InvalidSettingError(error, json=found.get("json") is True) from error
        if line is not None:
            lines[option.name] = line
    return values, lines, tables


def _text(path: str, data: bytes) -> str:
    if data.startswith(_BYTE_ORDER_MARKS):
        raise UsageError(
            f"{path} begins with a byte order mark (BOM)", hint="save it as UTF-8 without BOM"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} is not UTF-8: line {line}", hint="save it as UTF-8") from None


def _parse(path: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{path}: invalid TOML: values are nested too deeply") from None
    except ValueError as error:
        # An integer with thousands of digits raises no TOMLDecodeError.
        message = str(error)
        place = re.search(_PLACE, message)
        where = f"line {place[1]}, column {place[2]}" if place and place[1] else "at its end"
        reason = message[: place.start()] if place else "a value is too large"
        raise UsageError(
            f"{path}: invalid TOML, {where}: {reason}" if place else f"{path}: {reason}",
            hint='write settings in TOML (https://toml.io), for example bucket = "my-lake"',
        ) from None


def _option(key: str, place: str) -> Option:
    option = _KEYS.get(key)
    if option is not None and option.in_file:
        return option
    if option is not None and not option.spelling:
        raise UsageError(
            f"{place}: {key} can't be set in a file", hint=f"use {option.flag} on the command line"
        )
    if is_sensitive(key):
        raise UsageError(
            f"{place}: {key}: a settings file must not hold secrets",
            hint="credentials come from the AWS chain: environment, profile, SSO or role",
        )
    known = [name for name, option in _KEYS.items() if option.in_file]
    hint = "asyncload config lists all settings, by the names of their flags"
    if key.replace("_", "-") in known:
        hint = f"settings have the names of their flags: {key.replace('_', '-')}"
    elif key in ("tool", "asyncload"):
        hint = "put settings at the top level of the file; [tool.asyncload] is for pyproject.toml"
    else:
        hint = with_guess(key, known, hint)
    raise UsageError(f"{place}: unknown setting {key!r}", hint=hint)


def _checked(option: Option, value: Any, place: str, folder: Path) -> Any:
    """Check the type of a value and return it; relative paths start at the file's folder."""
    value = check_value(option, value, place, TOML)
    kind = option.kind
    if kind == THEN and (moved := re.fullmatch(r"(\s*move\s+)(.+)", value)):
        return moved[1] + os.fsdecode(folder / os.fsdecode(to_bytes(moved[2])))
    if kind == PATHS:
        return [folder / os.fsdecode(to_bytes(path)) for path in value]
    if kind == OPTIONAL_PATH or (kind == LIST_OF_FILES and value != STANDARD_INPUT):
        return folder / os.fsdecode(to_bytes(value))
    return value


def _line_of(key: str, text: str, header: str) -> int | None:
    """Return the line number of a key in the table `header`, None if it is not certain."""
    name = rf"""["']?{re.escape(key)}["']?"""
    plain = re.compile(rf"\s*{name}\s*[.=]")
    table = re.compile(rf"\s*\[\s*{re.escape(f'{header}.' if header else '')}{name}\s*[.\]]")
    section = ""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if begun := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            section = begun[1].strip()
        if table.match(line) or (section == header and plain.match(line)):
            found.append(number)
    return found[0] if len(found) == 1 else None
