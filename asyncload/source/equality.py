"""Find out by reading whether files and members of archives hold the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from asyncload.errors import FileFailed
from asyncload.model.values import PlannedUpload, SourceFile
from asyncload.source.heartbeat import unwatched
from asyncload.source.volume import Volume

_PIECE = 1024 * 1024


def find_duplicates(
    volume: Volume,
    groups: Iterable[Sequence[PlannedUpload]],
    beat: Callable[[str], None] = unwatched,
) -> Iterator[Sequence[PlannedUpload]]:
    """Yield those groups of files that all hold the same bytes.

    Args:
        volume: the volume of the files.
        groups: files for one key.
        beat: called with a path after each progress.
    """
    for group in groups:
        try:
            digests = {_digest(volume, upload.source, beat) for upload in group}
        except FileFailed:
            # Files that can't be read are not known to be equal.
            continue
        if len(digests) == 1:
            yield group


def _digest(volume: Volume, source: SourceFile, beat: Callable[[str], None]) -> bytes:
    def progress() -> None:
        beat(source.path)

    sha256 = hashlib.sha256()
    with volume.open_source(source) as file:
        state = file.state()
        # An empty member is read, too: its CRC-32 may be wrong.
        buffer = memoryview(bytearray(min(_PIECE, state.size)))
        for offset in range(0, max(state.size, 1), _PIECE):
            piece = buffer[: state.size - offset]
            file.read_part(piece, offset, state, (sha256,), beat=progress)
    return sha256.digest()
