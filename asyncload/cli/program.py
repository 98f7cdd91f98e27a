"""The program's main function: converts errors to messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from asyncload.cli.app import make_app
from asyncload.cli.ending import Ending, to_asyncload_error
from asyncload.cli.output import (
    final_exit_code,
    print_traceback,
    tell_failure,
    use_log_format,
)
from asyncload.cli.streams import guard_standard_streams
from asyncload.cli.usage import (
    ClickError,
    asks_for_json,
    asks_for_json_log,
    named_command,
    normalized_arguments,
    shows_help,
    usage_error,
)
from asyncload.cli.variables import forget_empty_variables
from asyncload.errors import AsyncloadError, InternalError


def main() -> NoReturn:
    """Run the command line and exit; convert errors to messages and exit codes."""
    guard_standard_streams()
    forget_empty_variables()
    use_log_format("text")
    try:
        _run()
    except SystemExit as ended:
        sys.exit(final_exit_code(int(ended.code or 0)))


def _run() -> NoReturn:
    try:
        sys.exit(_run_command())
    except Exception as error:
        ours = to_asyncload_error(error)
        if isinstance(ours, InternalError) and os.environ.get("ASYNCLOAD_TRACEBACK"):
            print_traceback(error)
        fail(ours)


def _run_command() -> int:
    """Run the command that the arguments name, and return its exit code.

    Raises:
        UsageError: the command does not exist, or its options are invalid.
    """
    try:
        # In standalone mode Typer would print errors and exit itself, without a summary record.
        arguments = normalized_arguments(sys.argv[1:])
        app = make_app(arguments)
        command = app(arguments, prog_name="asyncload", standalone_mode=False)
    except ClickError as error:
        if shows_help(error):
            return 2
        ours = usage_error(error)
        arguments = sys.argv[1:]
        if asks_for_json_log(arguments, os.environ, error):
            use_log_format("json")
        if asks_for_json(arguments, os.environ, error):
            Ending(named_command(arguments), bucket=None, json=True).write(ours)
        raise ours from error
    # The command runs here and not inside Typer, so that imports start from fewer frames: see
    # `s3.libraries`.
    return int(command()) if callable(command) else 0


def fail(error: AsyncloadError) -> NoReturn:
    """Print an error to standard error and exit."""
    tell_failure(error)
    sys.exit(error.exit_code)
