"""The command line: handles signals, and is the only package that prints and exits."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit; see `program.main`."""
    # Imported modules live until the process ends. Collecting garbage among them, repeatedly
    # during imports and once more at shutdown, took a quarter of a small run's time.
    gc.disable()
    try:
        # Imported here so that it follows the line above. Signals first: the next import is slow.
        from asyncload.cli.interruption import exit_on_signals, hold_signals

        exit_on_signals()
        hold_signals()
        from asyncload.cli import program

        program.main()
    except KeyboardInterrupt:
        # Not yet handled as a signal.
        os.write(2, b"error: interrupted by SIGINT\n")
        sys.exit(130)
    finally:
        gc.freeze()
