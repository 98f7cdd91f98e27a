"""An entry of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault that asyncload must survive.

    Args:
        id: the letter of the kind and a number; tests are marked with `@pytest.mark.fault(id)`.
        condition: the fault, in a few words.
        expected: the expected outcome, in a few words.
    """

    id: str
    condition: str
    expected: str
