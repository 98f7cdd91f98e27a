"""The archives of a watched volume: each is complete as a file is, and done with its members."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from asyncload.errors import SourceChanged
from asyncload.model.names import to_bytes
from asyncload.model.values import Archive, Excluded, Failed, Outcome, Skipped, SourceFile
from asyncload.planning.collecting import SLICE
from asyncload.source.arrivals import look_at, version_of
from asyncload.source.file_state import trusted
from asyncload.source.name_kinds import is_zip
from asyncload.source.readers import Readers
from asyncload.source.scanner import Found, Scanner
from asyncload.source.settling import Version

if TYPE_CHECKING:
    from asyncload.source.scanners import NamedScanner


@dataclass(slots=True)
class _Earlier:
    """What is known of a version of an archive from attempts that failed.

    `loaded` holds digests of the members that are in the bucket, of which `skipped` were not
    verified. `told` holds the last error of each other one, by path.
    """

    version: Version
    loaded: set[bytes] = field(default_factory=set)
    skipped: int = 0
    told: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """An attempt at an archive. `found` holds its members that are to be loaded, or why none is.

    `result` is known once each of them has its outcome.
    """

    path: str
    found: Sequence[Found]
    earlier: _Earlier
    result: Literal["loaded", "changed", "failed"] = "loaded"

    def conclude(self, outcome: Outcome) -> bool:
        """Note the outcome of a member, or of the archive; return whether it is news."""
        path, told = outcome.path, self.earlier.told
        if not isinstance(outcome, Failed):
            self.earlier.loaded.add(_digest(path))
            self.earlier.skipped += isinstance(outcome, Skipped)
            told.pop(path, None)
            return True
        if comes_again(outcome):
            self.result = "changed"
            return False
        if self.result == "loaded":
            self.result = "failed"
        news = told.get(path) != outcome.error.message
        told[path] = outcome.error.message
        return news


def comes_again(failed: Failed) -> bool:
    """Return whether a file failed because it is still being written, or was removed."""
    error = failed.error
    return isinstance(error, SourceChanged) or isinstance(error.__cause__, FileNotFoundError)


class WatchedArchives:
    """Expands complete archives, and remembers what was loaded of those that failed.

    Args:
        scanner: of the volume; notes versions.
        load: whether archives are loaded.
        trust: the attributes that identify a version of a file, see `file_state.TRUST`.
    """

    def __init__(
        self, scanner: Scanner | NamedScanner, trust: Sequence[str], *, load: bool
    ) -> None:
        self._scanner = scanner
        self._trust = trust
        self._load = load
        self._earlier: dict[str, _Earlier] = {}

    def batches(self, sources: Sequence[SourceFile]) -> list[Sequence[SourceFile]]:
        """Cut complete files into batches: each archive is one, as it may have many members."""
        if not self._load:
            return [sources]
        files = [source for source in sources if not is_zip(source.path)]
        archives = [[source] for source in sources if is_zip(source.path)]
        return [files, *archives] if files else [*archives]

    def holds(self, batch: Sequence[SourceFile]) -> bool:
        """Return whether a batch is an archive."""
        return self._load and is_zip(batch[0].path)

    async def open(self, readers: Readers, source: SourceFile) -> Attempt | None:
        """Return the members of an archive that are to be loaded; None if it has changed.

        Those that an earlier attempt at the same version has loaded are not among them.
        """
        version = version_of(source, self._trust)
        earlier = self._earlier.get(source.path)
        if earlier is None or earlier.version != version:
            earlier = self._earlier[source.path] = _Earlier(version)
        scan = readers.scan(lambda beat: self._scanner.expand(source.path, beat))
        found: list[Found] = []
        before = 0
        while entries := await readers.take(scan, SLICE):
            for entry in entries:
                if isinstance(entry, SourceFile) and _digest(entry.path) in earlier.loaded:
                    before += 1
                elif not isinstance(entry, Excluded):
                    found.append(entry)
        first, *members = found
        if isinstance(first, Archive):
            known = trusted(first.version, self._trust) == tuple(version)
            verified = first.members - before
            excluded = first.excluded + earlier.skipped
            found = [first._replace(members=verified, excluded=excluded), *members]
        else:
            # It could not be read, perhaps because it is being written.
            seen = await readers.run(look_at, self._scanner, [source.path])
            known = [version_of(now, self._trust) for now in seen.files] == [version]
        return Attempt(source.path, found, earlier) if known else None

    def forget(self, path: str) -> None:
        """Forget what was loaded of an archive: all of it was, or it is gone."""
        self._earlier.pop(path, None)

    def forget_except(self, known: Callable[[str], bool]) -> None:
        """Forget what was loaded of archives whose paths are not known any more."""
        for path in [path for path in self._earlier if not known(path)]:
            self.forget(path)


def _digest(path: str) -> bytes:
    return hashlib.blake2b(to_bytes(path), digest_size=16).digest()
