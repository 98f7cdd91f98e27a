"""Find out for a plan what a run would do with its source files (`--then`)."""

from __future__ import annotations

from collections.abc import Mapping

from asyncload.model.names import split_member
from asyncload.model.values import Archive, SourceFile, Unchanged
from asyncload.operations.disposing import Clearing, is_weak
from asyncload.reporting.preview import SourcePlanned
from asyncload.source.disposal import Disposal
from asyncload.source.readers import Readers


class Foreseeing:
    """Finds out what would follow for each source file from its verification.

    Args:
        disposal: what is to be done with them; None if they stay.
        readers: look at the volume.
        archives: as for `Clearing`.
    """

    def __init__(
        self, disposal: Disposal | None, readers: Readers, archives: Mapping[str, Archive]
    ) -> None:
        self._disposal = disposal
        self._readers = readers
        self._archives = archives
        self._clearing = Clearing(archives, deletes=disposal is not None and disposal.deletes)

    async def verified(self, source: SourceFile, outcome: Unchanged | None) -> SourcePlanned | None:
        """Return what would follow from the verification of a file or member.

        `outcome` is that of a file that need not be sent.
        """
        if self._disposal is None:
            return None
        weak = outcome is not None and is_weak(outcome)
        path = self._clearing.verified(source.path, weak=weak)
        archive = self._archives.get(split_member(source.path)[0])
        about = (archive.path, archive.version.size) if archive else (source.path, source.size)
        if isinstance(path, str):
            return SourcePlanned(*about, await self._readers.run(self._disposal.foresee, path))
        return path and SourcePlanned(*about, path)
