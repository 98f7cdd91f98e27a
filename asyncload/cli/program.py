"""The program's main function: converts errors to messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from asyncload.cli.app import make_app
from asyncload.cli.ending import Ending, to_asyncload_error
from asyncload.cli.interruption import (
    Signalled,
    exit_with,
    ignore_signals,
    prepare_last_words,
    release_signals,
)
from asyncload.cli.output import (
    final_exit_code,
    print_traceback,
    tell_failure,
    use_log_format,
)
from asyncload.cli.parameters import VARIABLE
from asyncload.cli.streams import (
    can_be_drawn_on,
    guard_standard_streams,
    hurry_standard_streams,
    standard_streams_are_busy,
)
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
from asyncload.errors import InternalError, Interrupted
from asyncload.settings.descriptors import raise_descriptor_limit
from asyncload.settings.parsing import MAX_CONCURRENCY

_SHOW_CURSOR = b"\x1b[?25h"


def main() -> NoReturn:
    """Run the command line and exit; convert errors to messages and exit codes."""
    guard_standard_streams()
    prepare_last_words(_end_at_once, hurry_standard_streams)
    forget_empty_variables()
    use_log_format("text")
    Ending.current = None
    try:
        # One may have arrived during the imports.
        release_signals()
        code = _run()
    except Signalled as signalled:
        ignore_signals()
        code = _end_interrupted(Interrupted(signalled.signum))
    exit_with(final_exit_code(code))


def _run() -> int:
    try:
        return _run_command()
    except Exception as error:
        ours = to_asyncload_error(error)
        if isinstance(ours, InternalError) and os.environ.get("ASYNCLOAD_TRACEBACK"):
            print_traceback(error)
        tell_failure(ours)
        return ours.exit_code


def _run_command() -> int:
    """Run the command that the arguments name, and return its exit code.

    Raises:
        UsageError: the command does not exist, or its options are invalid.
    """
    try:
        # In standalone mode Typer would print errors and exit itself, without a summary record.
        arguments = normalized_arguments(sys.argv[1:])
        if VARIABLE in os.environ:
            # Late: only a shell asks for completion.
            from asyncload.cli.completion import prepare_words

            prepare_words(os.environ)
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
            Ending(named_command(arguments), bucket=None, json=True).finish(ours)
        raise ours from error
    # The command runs here and not inside Typer, so that imports start from fewer frames: see
    # `s3.libraries`.
    if not callable(command):
        return 0
    raise_descriptor_limit(MAX_CONCURRENCY)
    return int(command())


def _end_interrupted(error: Interrupted) -> int:
    """Write the summary, unless that is done or not requested, and the message of a signal.

    Before the command has begun, only the option and the variables say whether JSON is requested.
    """
    ending = Ending.current
    if ending is None:
        arguments = sys.argv[1:]
        if asks_for_json_log(arguments, os.environ, error):
            use_log_format("json")
        wanted = asks_for_json(arguments, os.environ, error)
        ending = Ending(named_command(arguments), bucket=None, json=wanted)
    ending.finish(error)
    tell_failure(error)
    return error.exit_code


def _end_at_once(signum: int) -> None:
    """Write the last words of a process that a second signal ends in the middle of anything."""
    if standard_streams_are_busy():
        raise BlockingIOError
    _end_interrupted(Interrupted(signum, cut_short=True))
    # A live view hides the cursor.
    os.write(2, _SHOW_CURSOR * can_be_drawn_on(sys.stderr))
