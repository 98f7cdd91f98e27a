"""Convert Typer's errors to usage errors with helpful hints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import typer

from asyncload.cli.settings_file import UnusableFileError, settings_file_of
from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess
from asyncload.settings.option_kinds import FLAG
from asyncload.settings.options import COMMANDS, OPTIONS

# Typer brings a copy of Click since 0.26, and used Click itself before.
ClickError: type[Exception] = typer.BadParameter.__mro__[2]

_ALL = (*COMMANDS, "demo", "schema")
# Options that users may expect from other programs, and what to use instead.
_CREDENTIALS = "credentials come from the AWS chain: environment, profile, SSO or role"
_COMPARED = "existing objects are compared by checksum, never by size or time"
_SKIPPING = "use --skip-existing; without it, a file whose object has different content fails"
_INSTEAD = {
    "--verbose": "use --json or read the manifest for all details; --quiet prints less",
    "-v": "use --json or read the manifest for all details; --quiet prints less",
    "--debug": "set ASYNCLOAD_TRACEBACK=1 to see the traceback of an internal error",
    "--force": "use --overwrite to replace objects with different content",
    "--force-overwrite": "use --overwrite to replace objects with different content",
    "--delete": "asyncload never deletes loaded objects",
    "--recursive": "folders are always loaded with all their subfolders",
    "-r": "folders are always loaded with all their subfolders",
    "--dryrun": "use --dry-run",
    "-n": "use --dry-run",
    "--no-config": "use --config /dev/null to ignore settings files",
    "--prefix": "use --layout, --layer, --origin and --format to choose the keys",
    "--no-verify-ssl": "certificates are always verified; --ca-bundle names your own authority",
    "--insecure": "certificates are always verified; --ca-bundle names your own authority",
    "--key": _CREDENTIALS,
    "--access-key": _CREDENTIALS,
    "--secret-key": _CREDENTIALS,
    "--size-only": _COMPARED,
    "--exact-timestamps": _COMPARED,
    "--ignore-times": _COMPARED,
    "--no-overwrite": _SKIPPING,
    "--no-clobber": _SKIPPING,
    "--ignore-existing": _SKIPPING,
    "--immutable": "this is the default; --overwrite replaces objects with different content",
    "--only-show-errors": "use --quiet",
    "--numworkers": "use --concurrency, which adapts itself by default",
    "--transfers": "use --concurrency, which adapts itself by default",
    "--retry-count": "a request is tried up to ten times in five minutes",
    "--bwlimit": "use --limit-rate",
    "--max-duration": "use --deadline",
    "--copy-links": "use --follow-symlinks, for links within the volume",
    "--s3-storage-class": "use --storage-class",
    "--s3-acl": "use --acl",
    "--s3-server-side-encryption": "use --sse",
}
_YES = ("1", "true", "t", "yes", "y", "on")


def normalized_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments, with other spellings of help and version replaced by ours."""
    match _joined(arguments):
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


def _joined(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--then move FOLDER` as one value, as it would be if quoted.

    Otherwise the folder would be taken for the volume.
    """
    joined = list(arguments)
    for at, word in enumerate(joined):
        if word == "--":
            break
        if word == "--then" and joined[at + 1 : at + 2] == ["move"] and at + 2 < len(joined):
            joined[at + 1 : at + 3] = [f"move {joined[at + 2]}"]
    return joined


def named_command(arguments: Sequence[str]) -> str | None:
    """Return the first argument that is a command with `--json`, if any."""
    return next((argument for argument in arguments if argument in COMMANDS), None)


def asks_for_json(
    arguments: Sequence[str], environment: Mapping[str, str], error: Exception
) -> bool:
    """Return whether JSON was requested for a command that ended with an error of Typer.

    It can be requested by the option, by the variable, or by the settings file.
    """
    if "--json" in _options(arguments):
        return True
    if variable := environment.get("ASYNCLOAD_JSON"):
        return variable.lower() in _YES
    if isinstance(error, UnusableFileError):
        return error.json
    return _in_file(error, "json") is True


def asks_for_json_log(
    arguments: Sequence[str], environment: Mapping[str, str], error: Exception
) -> bool:
    """Return whether a command that ended with an error of Typer was to log lines of JSON."""
    options = _options(arguments)
    for at, word in enumerate(options):
        if word == "--log-format":
            return options[at + 1 : at + 2] == ["json"]
        if word.startswith("--log-format="):
            return word == "--log-format=json"
    return (environment.get("ASYNCLOAD_LOG_FORMAT") or _in_file(error, "log_format")) == "json"


def _options(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _in_file(error: Exception, name: str) -> object:
    """Return the value of an option in the settings file that was read before an error."""
    context = getattr(error, "ctx", None)
    file = settings_file_of(context) if context is not None else None
    return file.values.get(name) if file is not None else None


def shows_help(error: Exception) -> bool:
    """Return whether an error means that Typer printed the help, as no arguments were given."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_error(error: Exception) -> UsageError:
    """Convert an error of Typer to a usage error, with a hint."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "asyncload"
    message = getattr(error, "message", None) or str(error)
    format_message = getattr(error, "format_message", None)
    wrong = getattr(error, "option_name", None)
    parameter = getattr(error, "param", None)
    details = []
    if "is not a valid" in message and parameter is not None and context is not None:
        flag = parameter.opts[0]
        # A list of all words for true and false may follow.
        message = f"{flag}: {message.partition('. Recognized')[0].rstrip('.')}"
        if context.get_parameter_source(parameter.name).name == "ENVIRONMENT":
            # Only options of text have several.
            details = [f"  {flag} comes from variable {parameter.envvar}"]
    elif wrong is None and format_message is not None:
        message = format_message()
    hint = getattr(error, "hint", "") or f"see {command} --help"
    if wrong is not None and context is not None:
        known = [name for p in context.command.params for name in (*p.opts, *p.secondary_opts)]
        hint = _INSTEAD.get(wrong) or _off(wrong, known) or with_guess(wrong, known, hint)
    elif name := _unknown_command(message):
        hint = with_guess(name, _ALL, hint)
    return UsageError(message, hint=hint, details=details)


def _off(wrong: str, known: Sequence[str]) -> str:
    """Return a hint for `--no-x` if there is only `--x`, which would do the opposite; else ""."""
    flag = wrong.replace("--no-", "--", 1)
    for option in OPTIONS if flag != wrong and flag in known else ():
        if option.flag == flag and option.kind is FLAG and option.variables:
            return f"{flag} is off by default; {option.variables[0]}=0 overrides a settings file"
    return ""


def _unknown_command(message: str) -> str:
    """Return the unknown command in a message of Typer, "" if it is about something else."""
    found = re.match(r"No such command '([^']*)'", message)
    return found[1] if found else ""
