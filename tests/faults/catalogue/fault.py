"""What an entry of the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault that asyncload must survive.

    Args:
        id: the kind's letter and a number; tests carry it as `@pytest.mark.fault(id)`.
        condition: the fault, in a few words.
        expected: the right outcome, in a few words.
    """

    id: str
    condition: str
    expected: str
