"""Compare the locks of objects with what `--lock-mode` and `--lock-until` of a run ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from asyncload.errors import UsageError
from asyncload.model.reserved import RUN
from asyncload.model.values import Lock
from asyncload.operations.history.records import start_of
from asyncload.operations.run import utc_now
from asyncload.reporting.verification import DifferenceKind
from asyncload.settings.locks import check_lock, is_duration, read_until
from asyncload.settings.run import Settings, find_timezone
from asyncload.store.protocol import RemoteObject

# No user can remove such a lock, so it is enough if the other mode was asked for.
_STRONGEST = "COMPLIANCE"
_UNNAMED = "the store names no lock: there is none, or s3:GetObjectRetention is not permitted"


class WantedLock(NamedTuple):
    """How objects should be locked: a mode, and until when, as `read_until` takes it.

    `zone` is the time zone of dates.
    """

    mode: str
    until: str
    zone: tzinfo

    def flaw_of(self, remote: RemoteObject) -> tuple[DifferenceKind, str] | None:
        """Return how an object's lock falls short, with details; None if it does not.

        A duration is counted from the start of the run that wrote the object. If that is not known,
        only the mode is compared.
        """
        until = self._end_for(start_of(remote.metadata.get(RUN, "")))
        asked = _describe(self.mode, until)
        lock = remote.lock
        if lock is None:
            return "unlocked", f"the object should be {asked}, but {_UNNAMED}"
        weaker = lock.mode not in (self.mode, _STRONGEST)
        if weaker or (until is not None and lock.until < until):
            kept = _describe(lock.mode, lock.until)
            return "weak lock", f"the object is {kept}, and should be {asked}"
        return None

    def _end_for(self, written: datetime | None) -> datetime | None:
        if written is None and is_duration(self.until):
            return None
        now = written or utc_now()
        return read_until(self.until, now.astimezone(self.zone)).astimezone(UTC)


def wanted_lock(settings: Settings) -> WantedLock | None:
    """Return the lock that the options ask for; None if they name none."""
    if settings.lock_mode is None or settings.lock_until is None:
        return None
    zone = find_timezone(settings.timezone)
    return WantedLock(settings.lock_mode, settings.lock_until, zone)


def recorded_lock(run: Mapping[str, Any]) -> WantedLock | None:
    """Return the lock that a run had, by the description in its manifest; None for no lock.

    Raises:
        UsageError: this version can't read it.
    """
    settings = run.get("settings")
    if not isinstance(settings, Mapping) or settings.get("lock_mode") is None:
        return None
    mode, until = str(settings["lock_mode"]), str(settings.get("lock_until"))
    zone = find_timezone(str(settings.get("timezone", "UTC")))
    return WantedLock(check_lock(mode, until, utc_now()), until, zone)


def unreadable_lock(error: UsageError) -> str:
    """Return the warning about a record whose lock can't be read."""
    return f"locks were not compared: the record of the run has one that is not known: {error}"


def _describe(mode: str, until: datetime | None) -> str:
    end = "" if until is None else f" until {Lock(mode, until).until_text}"
    return f"locked{end} ({mode.lower()})"
