"""Names that a mistyped one may mean."""

from __future__ import annotations

from collections.abc import Sequence

# Of letters that two names have in common; `--buket` and `--bucket` have 0.9 of them.
_NEAR = 0.75


def nearest(wrong: str, known: Sequence[str]) -> str | None:
    """Return the known name that a mistyped one must mean, None where none is near."""
    # Late: it is for mistakes only.
    from difflib import SequenceMatcher

    def likeness(name: str) -> float:
        meant, given = name.lstrip("-"), wrong.lstrip("-")
        if len(given) > 2 and meant.startswith(given):
            return 1.0
        return SequenceMatcher(None, meant, given).ratio()

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _NEAR else None
