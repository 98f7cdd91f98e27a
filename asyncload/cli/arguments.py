"""Read the options of a command from what Typer found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import typer

from asyncload.cli.settings_file import SettingsFile, settings_file_of
from asyncload.settings.arguments import Arguments, Origin
from asyncload.settings.option_kinds import PATHS
from asyncload.settings.options import Option, options_of


def read_arguments(command: str, context: typer.Context, values: Mapping[str, Any]) -> Arguments:
    """Return the options of a command, of which Typer has read `values`."""
    file = settings_file_of(context)
    options = {option.name: option for option in options_of(command)}
    origins = {name: _origin(option, context, file) for name, option in options.items()}
    given = {}
    for name, option in options.items():
        match origins[name].source:
            case "file":
                assert file is not None
                # As in the file: Typer would have converted it to text.
                given[name] = file.values[name]
            case "default" if option.setting:
                pass
            case "variable" if option.kind is PATHS:
                # Late: few runs need it.
                from asyncload.settings.given import read_variable

                # Typer would cut it at each colon, which a path may contain.
                variable = origins[name].variable
                assert variable is not None, "it has the value"
                given[name] = read_variable(option, variable, os.environ[variable])
            case _:
                given[name] = values[name]
    if file is None:
        return Arguments(options, given, origins, None)
    return Arguments(options, given, origins, file.path, file.tables)


def _origin(option: Option, context: Any, file: SettingsFile | None) -> Origin:
    source = context.get_parameter_source(option.name)
    match source.name:
        case "COMMANDLINE":
            return Origin("flag")
        case "ENVIRONMENT":
            variables = (name for name in option.variables if os.environ.get(name))
            return Origin("variable", variable=next(variables))
        case "DEFAULT_MAP":
            assert file is not None
            return Origin("file", file=file.path, line=file.lines.get(option.name))
        case _:
            return Origin("default")
