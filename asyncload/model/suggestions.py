"""Find the known name closest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable

# Minimum similarity of two names; `--buket` and `--bucket` have 0.9.
_NEAR = 0.75


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a mistyped one in any case, None if none is similar."""
    # Imported only when needed: after a mistake.
    from difflib import SequenceMatcher

    given = wrong.strip().lstrip("-").casefold()

    def likeness(name: str) -> float:
        meant = name.lstrip("-").casefold()
        if len(given) > 2 and meant.startswith(given):
            return 1.0
        return SequenceMatcher(None, meant, given).ratio()

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _NEAR else None


def with_guess(wrong: str, known: Iterable[str], hint: str) -> str:
    """Return a hint that first asks for the known name closest to a mistyped one, if any is.

    A known name that was written correctly has another fault, which the hint says.
    """
    near = nearest(wrong, known)
    return hint if near in (None, wrong) else f"did you mean {near}? {hint}"
