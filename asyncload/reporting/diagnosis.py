"""The checks of a diagnosis, and its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from asyncload.model.values import Warned

Mark = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    A run would fail if a mark is `failed`; `warning` is a disadvantage that a run can live with. A
    check is `skipped` if it does not apply, or depends on one that failed. `fix` is "" if there is
    nothing to do. `values` are the figures in `reason`, in JSON types.
    """

    name: str
    mark: Mark
    reason: str
    fix: str = ""
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Remnant:
    """A test object, or with `upload_id` a test upload, that could not be removed."""

    key: str
    upload_id: str | None = None


DoctorEvent = Check | Warned


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks in their order, the remnants of tests, and other warnings."""

    checks: tuple[Check, ...] = ()
    left_behind: tuple[Remnant, ...] = ()
    warnings: tuple[Warned, ...] = ()

    @property
    def counts(self) -> Counter[str]:
        """The number of checks by mark."""
        return Counter(check.mark for check in self.checks)

    @property
    def ready(self) -> bool:
        """Whether a run would work, as far as it was checked."""
        return not self.counts["failed"]

    @property
    def exit_code(self) -> int:
        """0 if a run would work, else 5."""
        return 0 if self.ready else 5
