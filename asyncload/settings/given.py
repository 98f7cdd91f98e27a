"""Check the values that a document or an environment gives for options: types, before meanings.

Messages name the place and the option, but never a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from asyncload.errors import UsageError
from asyncload.settings.option_kinds import FLAG, PATHS
from asyncload.settings.options import Option

_SENSITIVE = r"secret|password|passphrase|token|credential|access[-_]?key|customer[-_]?key"

# As Click reads them on the command line.
_ON = ("1", "true", "t", "yes", "y", "on")
_OFF = ("0", "false", "f", "no", "n", "off")


class Format(NamedTuple):
    """The words of a document's format.

    Args:
        types: its names for the types of values, by Python's names.
        table: its word for a mapping.
        assignment: the form of an option with its value.
    """

    types: Mapping[str, str]
    table: str
    assignment: str

    def type_of(self, value: object) -> str:
        """Return the name of a value's type."""
        return self.types[type(value).__name__]

    def expected(self, option: Option) -> str:
        """Describe the values that an option accepts."""
        return option.kind.expected.replace("a table", self.table)


TOML = Format(
    {
        "str": "a string",
        "int": "an integer",
        "float": "a float",
        "bool": "a boolean",
        "list": "an array",
        "dict": "a table",
        "datetime": "a date and time",
        "date": "a date",
        "time": "a time",
    },
    table="a table",
    assignment="{key} = {value}",
)
JSON = Format(
    {
        "str": "a string",
        "int": "an integer",
        "float": "a decimal number",
        "bool": "a boolean",
        "list": "an array",
        "dict": "an object",
        "NoneType": "null",
    },
    table="an object",
    assignment='"{key}": {value}',
)


def is_sensitive(key: str) -> bool:
    """Return whether a key is the name of a secret."""
    return re.search(_SENSITIVE, key.lower()) is not None


def check_value(option: Option, value: Any, place: str, words: Format) -> Any:
    """Check the type of a value; return it, as a list if the option may have several.

    Raises:
        UsageError: the type is wrong, or the value is empty.
    """
    kind, expected = option.kind, words.expected(option)
    # Not isinstance: it would accept true as an integer, and a datetime as a date.
    if type(value) not in kind.toml:
        raise UsageError(
            f"{place}: {option.key} must be {expected}, not {words.type_of(value)}",
            hint=_hint_for(option, value, words),
        )
    items = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for item in items:
        if not isinstance(item, str):
            raise UsageError(
                f"{place}: {option.key} must be {expected}, but contains {words.type_of(item)}",
                hint="put each value in quotes",
            )
    if value == "" or (isinstance(value, list) and "" in value):
        raise UsageError(
            f"{place}: {option.key} is empty", hint="set a value, or remove the setting"
        )
    return [value] if kind.repeats and isinstance(value, str) else value


def _hint_for(option: Option, value: Any, words: Format) -> str:
    if isinstance(value, dict) and words is TOML:
        return f"[{option.key}] starts a table; write {option.key} = ... instead"
    if isinstance(value, str):
        # All other options accept a string.
        return f"write it without quotes: {words.assignment.format(key=option.key, value='true')}"
    return ""


def read_variable(option: Option, name: str, text: str) -> Any:
    """Return the value that an environment variable gives for an option.

    Raises:
        UsageError: the variable of an on/off option or of a number holds something else.
    """
    if option.kind.word in (int, float):
        try:
            return option.kind.word(text)
        except ValueError:
            raise UsageError(
                f"variable {name}: {text!r} is not a number", hint="use digits only"
            ) from None
    if option.kind is not FLAG:
        if option.kind is PATHS:
            return [Path(line) for line in text.split("\n") if line]
        return text.split() if option.kind.repeats else text
    word = text.strip().lower()
    if word not in (*_ON, *_OFF):
        raise UsageError(f"variable {name}: {text!r} is not a boolean", hint="use true or false")
    return word in _ON
