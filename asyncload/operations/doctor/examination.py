"""Make checks one after the other; skip those that depend on a failed one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from asyncload.errors import AsyncloadError, StoreUnavailable, Throttled
from asyncload.reporting.diagnosis import Check, Mark

_DID: Mapping[Mark, str] = {
    "failed": "failed",
    "skipped": "was skipped",
    "warning": "did not succeed",
}
PATIENCE = 30.0
"""Seconds that one check may take."""


class Finding(NamedTuple):
    """What a check found; see `Check`.

    `stops`: checks that need this one are skipped, although it did not fail.
    """

    reason: str
    fix: str = ""
    mark: Mark = "ok"
    values: Mapping[str, Any] = MappingProxyType({})
    stops: bool = False


def finding_of(error: AsyncloadError, mark: Mark = "failed") -> Finding:
    """Return the finding of a check that ended with an error."""
    return Finding(" ".join(line.strip() for line in error.lines), error.hint, mark)


def in_spite_of(error: AsyncloadError, drawback: str) -> Finding:
    """Return a warning: the error does not prevent a run, but has a drawback."""
    found = finding_of(error, "warning")
    return found._replace(reason=f"{found.reason}; {drawback}")


class Examination:
    """The checks made so far.

    Args:
        emit: called with each result.
    """

    def __init__(self, emit: Callable[[Check], None]) -> None:
        self._emit = emit
        # Checks that failed, or were skipped for it; with the one that failed first, in words.
        self._causes: dict[str, str] = {}
        self._hide: Callable[[str], str] = str

    def hide_by(self, hide: Callable[[str], str]) -> None:
        """Pass all later texts through a function that hides something in them."""
        self._hide = hide

    def passed(self, *names: str) -> bool:
        """Return whether none of these checks failed, or was skipped because of a failed one."""
        return not any(name in self._causes for name in names)

    async def check(
        self,
        name: str,
        work: Callable[[], Awaitable[Finding]],
        *,
        needs: tuple[str, ...] = (),
        limited: bool = True,
    ) -> bool:
        """Make a check, unless one that it needs failed; return whether it passed.

        An error of asyncload is a failure. A check that is `limited` also fails without a result
        within `PATIENCE`.
        """
        found = self._skipped(name, needs) or await _made(work, PATIENCE if limited else None)
        if found.mark == "failed" or found.stops:
            self._causes[name] = f"{words(name)}, which {_DID[found.mark]}"
        self._emit(
            Check(name, found.mark, self._hide(found.reason), self._hide(found.fix), found.values)
        )
        return self.passed(name)

    def _skipped(self, name: str, needs: tuple[str, ...]) -> Finding | None:
        for needed in needs:
            if (cause := self._causes.get(needed)) is not None:
                self._causes[name] = cause
                return Finding(f"depends on {cause}", mark="skipped")
        return None


async def _made(work: Callable[[], Awaitable[Finding]], patience: float | None) -> Finding:
    try:
        async with asyncio.timeout(patience):
            return await work()
    except Throttled as error:
        found = in_spite_of(error, "a run makes fewer requests at once then, and tries for longer")
        return found._replace(stops=True)
    except AsyncloadError as error:
        return finding_of(error)
    except TimeoutError:
        late = StoreUnavailable(
            f"no result within {patience or 0:.0f} s",
            hint="check the network and the store, try again",
        )
        return finding_of(late)


def words(name: str) -> str:
    """Return the name of a check as words."""
    return name.replace("_", " ")
