"""What every command does with its words: they are UTF-8, whatever the locale.

Python reads the command line and the environment by the locale. Keys and patterns are UTF-8, as
names of files are, so each value but a path is read anew.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from asyncload.names import from_command_line


class Command(TyperCommand):
    """A command whose values are UTF-8."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            # A path is made of the system's own text, which leads back to its bytes.
            if parameter.name in ctx.params and parameter.type.name != "path":
                ctx.params[parameter.name] = _as_utf8(ctx.params[parameter.name])
        return rest


def _as_utf8(value: Any) -> Any:
    if isinstance(value, str):
        return from_command_line(value)
    if isinstance(value, list | tuple):
        return [_as_utf8(item) for item in value]
    return value
