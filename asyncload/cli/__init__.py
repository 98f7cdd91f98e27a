"""The command line: composition root, signals, and the only place that prints and exits."""

from __future__ import annotations

import gc
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit; see `program.main`."""
    # What is imported stays to the end. Looking for garbage in it, again and again while it grows
    # and once more when the interpreter goes down, took a quarter of a small run's time.
    gc.disable()
    try:
        # Late, to come after the line above. Signals first: what is imported next takes a while.
        from asyncload.cli.signals import exit_on_signals

        exit_on_signals()
        from asyncload.cli import program

        program.main()
    finally:
        gc.freeze()
