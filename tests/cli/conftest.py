"""The command line's own tests run it in both ways."""

from tests.support.program import asyncload, spawn

__all__ = ["asyncload", "spawn"]
