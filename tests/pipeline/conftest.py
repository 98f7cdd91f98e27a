"""Fixtures of loads into a store in memory."""

from tests.support.stalls import stalling

__all__ = ["stalling"]
