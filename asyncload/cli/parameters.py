"""Typer's parameters of a command, built from the option table."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import cache
from typing import Annotated, Any

import typer

from asyncload.cli.output import require_report, use_log_format
from asyncload.cli.settings_file import use_settings_file
from asyncload.settings.option_kinds import SIZE
from asyncload.settings.options import Option, options_of
from asyncload.settings.parsing import format_exactly
from asyncload.settings.run import AUTO, Settings

_CALLBACKS: Mapping[str, Callable[..., Any]] = {
    "json": require_report,
    "log_format": use_log_format,
    "config": use_settings_file,
}
# Commands that need no bucket in each case.
_WITHOUT_BUCKET = ("config", "report")
VARIABLE = "_ASYNCLOAD_COMPLETE"
"""Set by a shell that asks for completion, in the function that `--show-completion` prints."""
_FIRST_PANEL = "Most used"
# Must be processed first: it provides values for the other options.
_FIRST = "config"


def parameters_of(command: str) -> list[inspect.Parameter]:
    """Return the parameters of the function that Typer uses as a command, in the help's order."""
    completing = VARIABLE in os.environ
    return [
        _parameter(
            option,
            required=is_required(option) and command not in _WITHOUT_BUCKET,
            completing=completing,
        )
        for option in sorted(options_of(command), key=lambda option: not option.first)
    ]


@cache
def _parameter(option: Option, *, required: bool, completing: bool) -> inspect.Parameter:
    kind = option.kind
    described: dict[str, Any] = {
        "help": option.help.replace("`", ""),
        "metavar": option.metavar,
        "envvar": _variables(option),
        # The others follow a rule that the help states.
        "show_envvar": bool(option.more_variables),
    }
    if completing:
        from asyncload.cli.completion import values_of

        described["autocompletion"] = values_of(option)
    if option.positional:
        # Not checked by Typer: a stalled mount must not block here, and our messages say more.
        info = typer.Argument(show_default=False, readable=False, **described)
    else:
        info = typer.Option(
            *_flags(option),
            rich_help_panel=_FIRST_PANEL if option.first else option.panel,
            callback=_CALLBACKS.get(option.name),
            is_eager=option.name == _FIRST,
            **described,
        )
    default = shown_default(option)
    word: Any = list[kind.word] if kind.repeats else kind.word  # type: ignore[name-defined]  # made at run time
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=Annotated[word if default is not None or required else word | None, info],
    )


def _flags(option: Option) -> list[str]:
    flag = option.flag
    on = option.kind.word is bool and default_of(option) is True
    return [f"{flag}/--no-{option.key}" if on else flag, *([option.short] if option.short else [])]


def _variables(option: Option) -> str | list[str] | None:
    match option.variables:
        case []:
            return None
        case [variable]:
            return variable
        case variables:
            return list(variables)


def is_required(option: Option) -> bool:
    """Return whether a command needs the option."""
    return default_of(option) is MISSING and not option.positional


def default_of(option: Option) -> object:
    """Return the default from `Settings`; `MISSING` if there is none."""
    if not option.setting:
        return option.default
    field = Settings.__dataclass_fields__[option.setting]
    return {} if field.default_factory is not MISSING else field.default


def shown_default(option: Option) -> Any:
    """Return the default as a user would write it, None if it has no such form."""
    match default_of(option):
        case [] | {} | None:
            return None
        case default if default is MISSING or default == AUTO:
            return None
        case bool() as default:
            return default
        case int() as default if option.kind is SIZE:
            return format_exactly(default)
        case int() as default if option.kind.word is str:
            return str(default)
        case [*words]:
            return ",".join(map(str, words))
        case default:
            return default
