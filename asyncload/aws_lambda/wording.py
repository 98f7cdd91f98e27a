"""Name options in messages as the users of a function give them: by event and environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from asyncload.settings.arguments import Arguments, Origin
from asyncload.settings.option_kinds import FLAG
from asyncload.settings.options import COMMANDS, Option

# Commands to be entered in a shell stay as they are.
_NAMED = re.compile(
    rf"asyncload (?:{'|'.join(COMMANDS)})\b(?: [^\s,;:]+)*|(?<![\w-])--[a-z][a-z0-9-]*"
)
# The name of the variable says it already.
_ORIGIN = re.compile(r"\n *(\w+) comes from variable \1(?=\n|$)")
_TEXTS = ("message", "hint", "reason", "source_reason")


class Wording:
    """Replaces flags in messages by the variable that gave the option, or by its key in the event.

    Args:
        arguments: the options of an invocation; None if they are not known, so that no option has
            been used.
    """

    def __init__(self, arguments: Arguments | None = None) -> None:
        self._names: dict[str, str] = {}
        if arguments is None:
            return
        for name, option in arguments.options.items():
            given = arguments.origins[name]
            self._names[option.flag] = _name_of(option, given)
            if option.kind is FLAG:
                self._names[f"--no-{option.key}"] = _denied(option, given)

    def text(self, text: str) -> str:
        """Return a message with other names of options."""
        found = _NAMED.sub(lambda match: self._names.get(match[0], match[0]), text)
        return _ORIGIN.sub("", found)

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record with other names of options in its messages, hints and reasons."""
        return {
            name: self.text(value) if name in _TEXTS and isinstance(value, str) else self._in(value)
            for name, value in record.items()
        }

    def _in(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.record(value)
        if isinstance(value, list):
            return [self._in(item) for item in value]
        return value


def _name_of(option: Option, given: Origin) -> str:
    return given.variable or f'"{option.key}"'


def _denied(option: Option, given: Origin) -> str:
    return f"{given.variable}=false" if given.variable else f'"{option.key}": false'
