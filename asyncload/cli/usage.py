"""What a command line asks for, where Typer could not read it: its errors in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import typer

from asyncload.cli.near import nearest
from asyncload.cli.settings_file import settings_file_of
from asyncload.errors import UsageError
from asyncload.settings.options import COMMANDS

# Typer brings a copy of Click since 0.26, and used Click itself before.
ClickError: type[Exception] = typer.BadParameter.__mro__[2]

_ALL = (*COMMANDS, "demo")
# What there is no option for, and what does what it would.
_INSTEAD = {
    "--verbose": "the summary, --json and the manifest say all that is known; --quiet says less",
    "-v": "the summary, --json and the manifest say all that is known; --quiet says less",
    "--debug": "ASYNCLOAD_TRACEBACK=1 shows where an internal error comes from",
    "--force": "--overwrite replaces objects that hold other bytes",
    "--force-overwrite": "--overwrite replaces objects that hold other bytes",
    "--delete": "asyncload never deletes what was landed",
    "--recursive": "folders are always loaded with all that is below them",
    "-r": "folders are always loaded with all that is below them",
    "--dryrun": "use --dry-run",
    "-n": "use --dry-run",
    "--no-config": "--config /dev/null reads no settings file",
    "--prefix": "--layout, --layer, --origin and --format say where objects go",
    "--no-verify-ssl": "certificates are always verified; --ca-bundle names your own authority",
    "--insecure": "certificates are always verified; --ca-bundle names your own authority",
    "--key": "credentials come from the AWS chain: environment, profile, SSO or role",
    "--access-key": "credentials come from the AWS chain: environment, profile, SSO or role",
    "--secret-key": "credentials come from the AWS chain: environment, profile, SSO or role",
}
_YES = ("1", "true", "t", "yes", "y", "on")


def as_meant(arguments: Sequence[str]) -> list[str]:
    """Return the arguments, with what other programs call help and version as it is called here."""
    match list(arguments):
        case ["version" | "-V" | "-v"]:
            return ["--version"]
        case ["help" | "-?"]:
            return ["--help"]
        case ["help", command, *_]:
            return [command, "--help"]
        case [command, "help" | "-?"] if command in _ALL:
            return [command, "--help"]
        case others:
            return others


def named_command(arguments: Sequence[str]) -> str | None:
    """Return the command that writes records, if the arguments name one."""
    return next((argument for argument in arguments if argument in COMMANDS), None)


def asks_for_json(
    arguments: Sequence[str], environment: Mapping[str, str], error: Exception
) -> bool:
    """Say whether a command that ended by an error of Typer's was asked for JSON.

    By its option, by the variable, or by the settings file, if it got as far as reading that.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in options:
        return True
    if variable := environment.get("ASYNCLOAD_JSON"):
        return variable.lower() in _YES
    context = getattr(error, "ctx", None)
    file = settings_file_of(context) if context is not None else None
    return file is not None and file.values.get("json") is True


def shows_help(error: Exception) -> bool:
    """Say whether an error of Typer's is the help, which it has printed, for want of arguments."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_error(error: Exception) -> UsageError:
    """Return an error of Typer's as one of ours, with the help that would say more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "asyncload"
    message = getattr(error, "message", None) or str(error)
    format_message = getattr(error, "format_message", None)
    wrong = getattr(error, "option_name", None)
    if wrong is None and format_message is not None:
        message = format_message()
    hint = getattr(error, "hint", "") or f"{command} --help lists what there is"
    if wrong is not None and context is not None:
        known = [name for p in context.command.params for name in (*p.opts, *p.secondary_opts)]
        if wrong in _INSTEAD:
            hint = _INSTEAD[wrong]
        elif near := nearest(wrong, known):
            hint = f"did you mean {near}? {hint}"
    elif (name := _unknown_command(message)) and (near := nearest(name, _ALL)):
        hint = f"did you mean {near}? {hint}"
    return UsageError(message, hint=hint)


def _unknown_command(message: str) -> str:
    """Return the name of the command that a message of Typer's says is none, "" for others."""
    found = re.match(r"No such command '([^']*)'", message)
    return found[1] if found else ""
