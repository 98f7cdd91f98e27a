"""The command line: handles signals, and is the only package that prints and exits."""

from __future__ import annotations

import gc
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit; see `program.main`."""
    # Imported modules live until the process ends. Collecting garbage among them, repeatedly
    # during imports and once more at shutdown, took a quarter of a small run's time.
    gc.disable()
    try:
        # Imported here so that it follows the line above. Signals first: the next import is slow.
        from asyncload.cli.signals import exit_on_signals

        exit_on_signals()
        from asyncload.cli import program

        program.main()
    finally:
        gc.freeze()
