"""The command line: composition root, signals, and the only place that prints and exits."""

from asyncload.cli.app import main

__all__ = ["main"]
