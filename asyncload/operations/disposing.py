"""Decide which source files may be deleted or moved after their load (`--then`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from asyncload.model.checksums import MD5_OF_PARTS
from asyncload.model.values import Disposed, Unchanged, Uploaded
from asyncload.settings.run import Settings
from asyncload.source.disposal import Disposal
from asyncload.source.readers import Readers

_WEAK = "only an MD5 of its parts shows that the existing object has its content"
_NOT_A_FILE = "it is not a file of its own"


def open_disposal(settings: Settings, folder: Path) -> Disposal | None:
    """Check that source files can be deleted or moved as the user asked; None if they stay.

    Raises:
        UsageError: they can't.
    """
    if settings.then is None:
        return None
    return Disposal(folder, settings.move_to, trust=settings.trust)


def disposing(
    disposal: Disposal | None, readers: Readers
) -> Callable[[Uploaded | Unchanged], Awaitable[Disposed]] | None:
    """Return a function that deletes or moves the source of a verified object, if any is to be."""
    if disposal is None:
        return None

    async def dispose(outcome: Uploaded | Unchanged) -> Disposed:
        if outcome.version is None:
            return Disposed("kept", _NOT_A_FILE)
        if isinstance(outcome, Unchanged) and outcome.checksum.algorithm == MD5_OF_PARTS:
            return Disposed("kept", _WEAK)
        return await readers.dispose(disposal, outcome.path, outcome.version)

    return dispose
