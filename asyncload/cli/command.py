"""The command class: rejects empty values, and decodes values as UTF-8 in every locale.

Python decodes the command line and the environment with the locale's encoding. Keys and patterns
are UTF-8, as file names are, so each value except a path is decoded again.
"""

from __future__ import annotations

import os
from typing import Any

import typer
from typer.core import TyperCommand

from asyncload.model.names import from_command_line

# Typer brings a copy of Click since 0.26, and used Click itself before.
_ClickUsageError: type[Exception] = typer.BadParameter.__mro__[1]


# Tables need as much.
_MIN_COLUMNS = 80


class EmptyValueError(_ClickUsageError):  # type: ignore[misc, valid-type]
    """A command-line value is empty, often from an unset variable such as `"$FOLDER"`."""

    hint = "set the variable that it comes from, or omit it"


class Command(TyperCommand):
    """A command whose values are UTF-8 and not empty, and whose help ends in examples.

    Raises:
        EmptyValueError: a value is empty. Using it would load another folder or address another
            store than intended.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # Late: only help needs them.
        from shutil import get_terminal_size

        from asyncload.cli.examples import help_lines

        if get_terminal_size().columns < _MIN_COLUMNS or os.environ.get("TERM") == "dumb":
            # Rich would cut the names of options, and draw boxes.
            self.rich_markup_mode = None
        super().format_help(ctx, formatter)
        for line in help_lines(self.name or ""):
            formatter.write(f"{line}\n")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            # A shell asks for completion, perhaps after an empty value.
            return rest
        for parameter in self.params:
            if ctx.get_parameter_source(parameter.name).name == "DEFAULT_MAP":
                # From a settings file, which is UTF-8 and already checked.
                continue
            if _is_empty(ctx.params.get(parameter.name)):
                flag = parameter.opts[0]
                name = flag if flag.startswith("-") else flag.upper()
                raise EmptyValueError(f"{name} is empty", ctx)
            # A path keeps the system's own decoding, which converts back to the same bytes.
            if parameter.name in ctx.params and parameter.type.name != "path":
                ctx.params[parameter.name] = _as_utf8(ctx.params[parameter.name])
        return rest


def _is_empty(value: Any) -> bool:
    return value == "" or (isinstance(value, list | tuple) and "" in value)


def _as_utf8(value: Any) -> Any:
    if isinstance(value, str):
        return from_command_line(value)
    if isinstance(value, list | tuple):
        return [_as_utf8(item) for item in value]
    return value
