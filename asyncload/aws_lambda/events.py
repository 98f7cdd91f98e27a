"""Read an invocation's event: the command, the logical time, and the options.

    {"command": "run", "time": "2022-05-02T05:00:00Z", "dataset": {"films_*": "Movies"}}

Options have the names of the flags. The function's environment gives those that the event does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING
from datetime import datetime
from typing import Any, NamedTuple

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess
from asyncload.settings.arguments import Arguments, Origin
from asyncload.settings.given import JSON, check_value, is_sensitive, read_variable
from asyncload.settings.options import BY_NAME, Option, options_of
from asyncload.settings.run import Settings
from asyncload.source.file_list import STANDARD_INPUT

_COMMAND, _TIME = "command", "time"
_SCHEDULED = "<aws.scheduler.scheduled-time>"
_PLACE = "event"
# They concern a terminal, or a settings file.
_NOT_HERE = (
    "config", "dry_run", "files", "json", "lineage", "log_format", "metrics_file", "offline",
    "price", "quiet", "traces", "tree", "yes",
)  # fmt: skip
_INSTEAD = {
    "log_format": "omit it: the log of a function is always lines of JSON",
    "json": "omit it: the log of a function is always lines of JSON",
    "metrics_file": "a function has no lasting files: count the fields of its log's summary with a "
    "metric filter of CloudWatch Logs",
    "lineage": "run the load in a container or from a shell to send OpenLineage events",
    "traces": "run the load in a container or from a shell to send its traces; AWS X-Ray has those "
    "of the function",
    "dry_run": "run asyncload plan from a shell",
}
"""Hints for options that are of no use here."""
# The descriptions of an API and of queries, which a settings file may also have.
_TABLES: Mapping[str, Mapping[str, type]] = {"collect": {"source": dict, "query": list}}
_KEYS = {option.key: option for option in BY_NAME.values()}


class Event(NamedTuple):
    """A valid event.

    Args:
        command: the name of the command.
        time: the logical time of the invocation, the same when it is repeated; None if not given.
        arguments: the options.
    """

    command: str
    time: datetime | None
    arguments: Arguments


def read_event(event: object, environ: Mapping[str, str], commands: Collection[str]) -> Event:
    """Check an event, and complete it from the environment.

    Raises:
        UsageError: the event names no known command, or an option is unknown, has the wrong type or
            is missing.
    """
    if not isinstance(event, dict):
        raise UsageError(
            f"the event must be an object, not {JSON.type_of(event)}",
            hint='for example {"command": "run"}',
        )
    command = _command(event, commands)
    options = {
        option.name: option for option in options_of(command) if option.name not in _NOT_HERE
    }
    values: dict[str, Any] = {}
    origins = {name: Origin("default") for name in options}
    tables = _tables(event, command)
    for key, value in event.items():
        if key not in (_COMMAND, _TIME, *tables):
            option = _option(key, command, options)
            values[option.name] = check_value(option, value, _PLACE, JSON)
            origins[option.name] = Origin("event")
    for name, option in options.items():
        variable = next((name for name in option.variables if environ.get(name)), None)
        if name not in values and variable is not None:
            values[name] = read_variable(option, variable, environ[variable])
            origins[name] = Origin("variable", variable)
    _check_required(options, values)
    if values.get("files_from") == STANDARD_INPUT:
        raise UsageError(
            "event: files-from: AWS Lambda has no standard input", hint="give the path of a file"
        )
    return Event(command, _time(event), Arguments(options, values, origins, None, tables))


def _command(event: Mapping[str, Any], commands: Collection[str]) -> str:
    known = " or ".join(sorted(commands))
    command = event.get(_COMMAND)
    if command is None:
        raise UsageError(
            "event: command is missing",
            hint=f"add it ({known}). Only the input of the schedule or of the invocation is read, "
            "not the events of other AWS services",
        )
    if not isinstance(command, str) or command not in commands:
        raise UsageError(
            f"event: {command!r} is not a command for AWS Lambda",
            hint=with_guess(str(command), sorted(commands), f"use {known}"),
        )
    return command


def _tables(event: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Return the tables of an event; their content is checked with the settings.

    Raises:
        UsageError: one has another type.
    """
    found = {}
    for key, kind in _TABLES.get(command, {}).items():
        value = event.get(key)
        if isinstance(value, kind):
            found[key] = value
        elif key in event and key not in _KEYS:
            raise UsageError(
                f"event: {key} must be {JSON.type_of(kind())}, not {JSON.type_of(value)}",
                hint="see docs/how-to/collect.md for descriptions of APIs and queries",
            )
    return found


def _option(key: str, command: str, options: Mapping[str, Option]) -> Option:
    """Return the option with a key.

    Raises:
        UsageError: the command has no such option; the hint names the nearest one.
    """
    option = _KEYS.get(key)
    if option is not None and option.name in options:
        return option
    known = [option.key for option in options.values()]
    hint = f"use one of: {', '.join(sorted(known))}"
    if option is not None:
        raise UsageError(
            f"event: {key} can't be used with {command} on AWS Lambda",
            hint=_INSTEAD.get(option.name, hint),
        )
    if is_sensitive(key):
        raise UsageError(
            f"event: {key}: an event must not hold secrets",
            hint="credentials come from the function's role",
        )
    if key.replace("_", "-") in known:
        hint = f"options have the names of their flags: {key.replace('_', '-')}"
    else:
        hint = with_guess(key, [*known, _COMMAND, _TIME], hint)
    raise UsageError(f"event: unknown option {key!r}", hint=hint)


def _check_required(options: Mapping[str, Option], values: Mapping[str, Any]) -> None:
    fields = Settings.__dataclass_fields__
    for name, option in options.items():
        field = fields.get(option.setting)
        if field is None or not field.default is field.default_factory is MISSING or name in values:
            continue
        raise UsageError(
            f"event: {name} is missing",
            hint=f"add it, or set {option.variables[0]} in the function's environment",
        )


def _time(event: Mapping[str, Any]) -> datetime | None:
    if _TIME not in event:
        return None
    text = event[_TIME]
    hint = f'use "{_SCHEDULED}" in the input of a schedule, or a time such as 2022-05-02T05:00:00Z'
    if text == _SCHEDULED:
        raise UsageError(
            f"event: time is {_SCHEDULED!r} itself",
            hint="only EventBridge Scheduler replaces it by the time; elsewhere give a time, such "
            "as 2022-05-02T05:00:00Z",
        )
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UsageError(f"event: time: {text!r} is not a valid time", hint=hint) from None
    if time.tzinfo is None:
        raise UsageError(f"event: time: {text!r} has no time zone", hint=hint)
    return time
