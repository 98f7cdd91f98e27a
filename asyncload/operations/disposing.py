"""Decide which source files may be deleted or moved after their load (`--then`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncload.model.checksums import MD5_OF_PARTS
from asyncload.model.names import split_member
from asyncload.model.values import Archive, Disposed, Unchanged, Uploaded
from asyncload.reporting.text import format_count
from asyncload.settings.run import Settings
from asyncload.source.disposal import Disposal
from asyncload.source.readers import Readers
from asyncload.source.roots import Root, folders_of
from asyncload.transfer.concluding import Dispose

_WEAK = "only an MD5 of its parts shows that the existing object has its content"
_NOT_A_FILE = "it is not a file of its own"


def open_disposal(settings: Settings, roots: Sequence[Root]) -> Disposal | None:
    """Check that source files can be deleted or moved as the user asked; None if they stay.

    Raises:
        UsageError: they can't.
    """
    if settings.then is None:
        return None
    return Disposal(folders_of(roots), settings.move_to, trust=settings.trust)


def is_weak(outcome: Uploaded | Unchanged) -> bool:
    """Return whether only an MD5 of its parts shows that an existing object has a file's bytes."""
    return isinstance(outcome, Unchanged) and outcome.checksum.algorithm == MD5_OF_PARTS


class Clearing:
    """Decides what may be deleted or moved: a file at once, an archive after its last member.

    A member that fails or is skipped is never verified, so its archive stays.

    Args:
        archives: by path, with the members to wait for.
        deletes: whether files are deleted, not moved: an archive that holds other files stays then.
    """

    def __init__(self, archives: Mapping[str, Archive], *, deletes: bool) -> None:
        self._archives = archives
        self._deletes = deletes
        self._left = {path: archive.members for path, archive in archives.items()}
        self._weak: set[str] = set()

    def verified(self, path: str, *, weak: bool) -> str | Disposed | None:
        """Return what follows from the verification of a file or member.

        Args:
            path: of the file or member.
            weak: whether it was verified only by an MD5 of its parts.

        Returns:
            The path that may be deleted or moved now, why it stays, or None if other members of
            its archive come first.
        """
        archive, name = split_member(path)
        if not name:
            return Disposed("kept", _WEAK) if weak else path
        self._left[archive] -= 1
        if weak:
            self._weak.add(archive)
        if self._left[archive]:
            return None
        return self._end_of(archive)

    def _end_of(self, path: str) -> str | Disposed:
        del self._left[path]
        archive = self._archives[path]
        if path in self._weak:
            return Disposed("kept", _WEAK)
        if archive.excluded:
            csvs = format_count(archive.excluded, "other CSV")
            return Disposed("kept", f"the archive holds {csvs}, not loaded by this run")
        if archive.others and self._deletes:
            files = format_count(archive.others, "other file")
            return Disposed("kept", f"the archive also holds {files}")
        return path


def disposing(
    disposal: Disposal | None, readers: Readers, archives: Mapping[str, Archive]
) -> Dispose | None:
    """Return a function that deletes or moves the source of a verified object, if any is to be.

    It returns what was done; None for a member whose archive has to wait for others.
    """
    if disposal is None:
        return None
    clearing = Clearing(archives, deletes=disposal.deletes)

    async def dispose(outcome: Uploaded | Unchanged) -> Disposed | None:
        path = clearing.verified(outcome.path, weak=is_weak(outcome))
        if not isinstance(path, str):
            return path
        version = archives[path].version if path in archives else outcome.version
        if version is None:
            return Disposed("kept", _NOT_A_FILE)
        return await readers.dispose(disposal, path, version)

    return dispose
