"""Check tags, metadata, class and lock of written objects: some stores silently ignore them."""

from __future__ import annotations

from contextlib import suppress

from asyncload.errors import AccessDenied, AsyncloadError
from asyncload.model.values import Event, FileFinished, Lock, ObjectKey, Uploaded, Warned
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore, RemoteObject


class ReadBack:
    """An observer that remembers the first object that a run wrote by put, and in parts.

    Args:
        settings: the requested tags, metadata and storage class.
        put_limit: bytes; larger files are uploaded in parts.
        lock: how objects are locked.
    """

    def __init__(self, settings: Settings, put_limit: int, lock: Lock | None) -> None:
        self._settings = settings
        self._put_limit = put_limit
        self._lock = lock
        self._first: dict[bool, ObjectKey] = {}

    def observe(self, event: Event) -> None:
        """Remember the object of an uploaded file."""
        if isinstance(event, FileFinished) and isinstance(event.outcome, Uploaded):
            self._first.setdefault(event.outcome.size > self._put_limit, event.outcome.key)

    async def check(self, store: ObjectStore) -> list[Warned]:
        """Return a warning for each option that the store ignored; AWS ignores none."""
        settings = self._settings
        asked = settings.tags or settings.metadata or settings.storage_class or self._lock
        if store.foreign_endpoint is None or not asked:
            return []
        lost: dict[str, ObjectKey] = {}
        for key in self._first.values():
            for option in await lost_options(store, settings, key, self._lock):
                lost.setdefault(option, key)
        return [describe_lost(option, key) for option, key in lost.items()]


def describe_lost(option: str, key: ObjectKey) -> Warned:
    """Return the warning about an option that the store ignored for an object."""
    return Warned(
        f"the store did not keep {option} of {key}",
        "use a store that supports the option, or omit it",
    )


async def lost_options(
    store: ObjectStore, settings: Settings, key: ObjectKey, lock: Lock | None = None
) -> list[str]:
    """Return the options that the store ignored for an object, as far as it can be read."""
    lost = []
    # Permission to write does not imply permission to read.
    with suppress(AsyncloadError):
        remote = await store.head(key)
        if remote is None:
            return []
        if not settings.metadata.items() <= remote.metadata.items():
            lost.append("--metadata")
        if (settings.storage_class or "STANDARD") != (remote.storage_class or "STANDARD"):
            lost.append("--storage-class")
        if lock is not None and not _is_locked(remote, lock):
            lost.append("--lock-mode")
    if settings.tags and not await _has_tags(store, settings, key):
        lost.append("--tag")
    return lost


def _is_locked(remote: RemoteObject, lock: Lock) -> bool:
    kept = remote.lock
    return kept is not None and kept.mode == lock.mode and kept.until >= lock.until


async def _has_tags(store: ObjectStore, settings: Settings, key: ObjectKey) -> bool:
    try:
        return dict(await store.read_tags(key)) == dict(settings.tags)
    except AccessDenied:
        return True
    except AsyncloadError:
        # A store that can't return an object's tags has not kept them.
        return False
