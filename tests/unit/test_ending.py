"""How exceptions that end a command become errors with a message for users."""

from __future__ import annotations

from asyncload.cli.clean import _CleanOutput
from asyncload.cli.ending import to_asyncload_error
from asyncload.errors import OutOfMemory, OutOfThreads
from asyncload.model.values import Warned


def test_a_library_that_can_start_no_thread_ends_a_run_as_our_own_threads_do():
    """As the resolver of host names does, which has a thread for each name."""
    error = to_asyncload_error(RuntimeError("can't start new thread"))
    assert isinstance(error, OutOfThreads)
    assert "ulimit -u" in error.hint


def test_clean_prints_warnings(capsys):
    """On standard error, with their hint."""
    _CleanOutput("lake", abort=False, json=False).observe(Warned("odd", "do this"))
    assert capsys.readouterr().err == "warning: odd\n  hint: do this\n"


def test_a_command_without_memory_says_what_to_lower():
    """In any of its steps."""
    error = to_asyncload_error(MemoryError())
    assert (type(error), error.exit_code) == (OutOfMemory, 5)
    assert "--memory" in error.hint
