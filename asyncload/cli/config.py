"""`asyncload config`: print each setting in settings-file syntax, with its origin."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from asyncload.cli.default_volume import default_volume
from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout
from asyncload.cli.parameters import shown_default
from asyncload.model.names import to_text
from asyncload.reporting.records import VERSION, config_totals, to_json
from asyncload.settings.arguments import Arguments
from asyncload.settings.options import Option

# Replaces a missing bucket, so that all other settings can be checked.
_NO_BUCKET = "no-bucket"


def config(arguments: Arguments, ending: Ending) -> None:
    """Print all settings as TOML or as records.

    Raises:
        UsageError: a setting is invalid.
    """
    ending.totals = lambda: config_totals(arguments.file)
    volume = arguments.volume or default_volume()
    # Check before printing: an address can contain a password, which is rejected.
    arguments.settings(volume=volume, bucket=_NO_BUCKET)
    for name, value in arguments.command_options().items():
        option = arguments.options[name]
        option.kind.convert(option.flag, value)
    out = stdout()
    for option in arguments.options.values():
        if not option.in_file:
            continue
        value = arguments.values.get(option.name, shown_default(option))
        if option.name == "volume":
            value = list(volume) if isinstance(volume, Sequence) else volume
        if ending.json:
            out.line(to_json(_record(option, value, arguments)))
        else:
            out.line(_line(option, value, arguments))
    out.flush()


def _record(option: Option, value: Any, arguments: Arguments) -> dict[str, Any]:
    origin = arguments.origins[option.name]
    return {
        "version": VERSION,
        "type": "option",
        "name": option.key,
        "value": _plain(value),
        "source": origin.source,
        "variable": origin.variable,
        "file": origin.file,
        "line": origin.line,
    }


def _line(option: Option, value: Any, arguments: Arguments) -> str:
    if value is None:
        return f"# {option.key} is not set: {option.unset}"
    return f"{option.key} = {toml_value(value)}  # {arguments.origins[option.name]}"


def _plain(value: Any) -> Any:
    """Return a value as JSON and TOML have it."""
    match value:
        case Path():
            return to_text(bytes(value))
        case list():
            return [_plain(item) for item in value]
        case date():
            return value.isoformat()
        case _:
            return value


def toml_value(value: Any) -> str:
    """Return a value as TOML, on one line."""
    match value:
        case date():
            return value.isoformat()
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case list():
            return f"[{', '.join(map(toml_value, value))}]"
        case Mapping():
            pairs = (f"{_string(key)} = {_string(item)}" for key, item in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case _:
            return _string(str(_plain(value)))


def _string(text: str) -> str:
    # A JSON string is a TOML string, except for characters that JSON need not escape.
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", _escape, quoted
    )


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
