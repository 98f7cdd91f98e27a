"""Find the known name closest to a mistyped one."""

from __future__ import annotations

from collections.abc import Sequence

# Minimum similarity of two names; `--buket` and `--bucket` have 0.9.
_NEAR = 0.75


def nearest(wrong: str, known: Sequence[str]) -> str | None:
    """Return the known name closest to a mistyped one, None if none is similar."""
    # Imported only when needed: after a mistake.
    from difflib import SequenceMatcher

    def likeness(name: str) -> float:
        meant, given = name.lstrip("-"), wrong.lstrip("-")
        if len(given) > 2 and meant.startswith(given):
            return 1.0
        return SequenceMatcher(None, meant, given).ratio()

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _NEAR else None
