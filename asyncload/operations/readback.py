"""Read back what was asked for of objects besides their bytes: some stores ignore it silently."""

from __future__ import annotations

from contextlib import suppress

from asyncload.errors import AccessDenied, AsyncloadError
from asyncload.model.values import Event, FileFinished, ObjectKey, Uploaded, Warned
from asyncload.settings.run import Settings
from asyncload.store.protocol import ObjectStore


class ReadBack:
    """Knows, as an observer, the first object of each kind that a run wrote: by put, or in parts.

    Args:
        settings: say what was asked for.
        put_limit: files of more bytes go in parts.
    """

    def __init__(self, settings: Settings, put_limit: int) -> None:
        self._settings = settings
        self._put_limit = put_limit
        self._first: dict[bool, ObjectKey] = {}

    def observe(self, event: Event) -> None:
        """Take in a file's outcome."""
        if isinstance(event, FileFinished) and isinstance(event.outcome, Uploaded):
            self._first.setdefault(event.outcome.size > self._put_limit, event.outcome.key)

    async def check(self, store: ObjectStore) -> list[Warned]:
        """Return a warning for what the store did not keep; AWS keeps it all."""
        settings = self._settings
        asked = settings.tags or settings.metadata or settings.storage_class
        if store.foreign_endpoint is None or not asked:
            return []
        lost: dict[str, ObjectKey] = {}
        for key in self._first.values():
            for option in await self._lost(store, key):
                lost.setdefault(option, key)
        return [
            Warned(
                f"the store did not keep {option} of {key}",
                "use a store that keeps it, or leave the option out",
            )
            for option, key in lost.items()
        ]

    async def _lost(self, store: ObjectStore, key: ObjectKey) -> list[str]:
        settings = self._settings
        lost = []
        # Who may write need not be allowed to look.
        with suppress(AsyncloadError):
            remote = await store.head(key)
            if remote is None:
                return []
            if not settings.metadata.items() <= remote.metadata.items():
                lost.append("--metadata")
            if (settings.storage_class or "STANDARD") != (remote.storage_class or "STANDARD"):
                lost.append("--storage-class")
        if settings.tags and not await self._has_tags(store, key):
            lost.append("--tag")
        return lost

    async def _has_tags(self, store: ObjectStore, key: ObjectKey) -> bool:
        try:
            return dict(await store.read_tags(key)) == dict(self._settings.tags)
        except AccessDenied:
            return True
        except AsyncloadError:
            # A store that can't say what an object's tags are has not kept them.
            return False
