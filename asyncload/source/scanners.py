"""Scan several volumes as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from asyncload.errors import SourceUnreadable
from asyncload.model.names import below_volume, to_text
from asyncload.model.values import Excluded, Failed, SourceFile
from asyncload.source.file_list import FileList, outside_error
from asyncload.source.heartbeat import unwatched
from asyncload.source.scanner import Found, Part, Scanner


class NamedScanner:
    """Scans one of several folders: its paths begin with a name. Has what a `Scanner` has."""

    def __init__(self, name: str, scanner: Scanner) -> None:
        self._name = name
        self._scanner = scanner

    @property
    def unused_rules(self) -> list[str]:
        """See `Scanner.unused_rules`."""
        return self._scanner.unused_rules

    @property
    def listed(self) -> FileList | None:
        """The files to scan, by names without that of the folder; None for all."""
        return self._scanner.listed

    def scan(
        self, beat: Callable[[str], None] = unwatched, *, expand: bool = True
    ) -> Iterator[Found]:
        """See `Scanner.scan`."""
        return self._named(self._scanner.scan(self._below(beat), expand=expand))

    def expand(self, path: str, beat: Callable[[str], None] = unwatched) -> Iterator[Found]:
        """See `Scanner.expand`."""
        return self._named(self._scanner.expand(self._relative(path), self._below(beat)))

    def examine(self, path: str) -> Found | None:
        """See `Scanner.examine`."""
        found = self._scanner.examine(self._relative(path))
        return None if found is None else found._replace(path=path)

    def path_of(self, path: str) -> bytes:
        """See `Scanner.path_of`."""
        return self._scanner.path_of(self._relative(path))

    def _named(self, found: Iterator[Found]) -> Iterator[Found]:
        return (one._replace(path=below_volume(self._name, one.path)) for one in found)

    def _below(self, beat: Callable[[str], None]) -> Callable[[str], None]:
        return lambda path: beat(below_volume(self._name, path))

    def _relative(self, path: str) -> str:
        return path[len(below_volume(self._name, "")) :]


class Scanners:
    """Scans several folders as one volume; has what a `Scanner` has.

    Args:
        scanners: by the names with which the paths of their files are to begin.
        listed: the list of files that the user gave, of which each scanner has a part.
        unplaced: the listed names that no scanner has.
        part: the part of the volumes that is loaded; None for all.
        needed: whether each folder must have something to load.
    """

    def __init__(
        self,
        scanners: Mapping[str, Scanner],
        *,
        listed: FileList | None = None,
        unplaced: Sequence[bytes] = (),
        part: Part | None = None,
        needed: bool = True,
    ) -> None:
        self.listed = listed
        self._scanners = {name: NamedScanner(name, each) for name, each in scanners.items()}
        self._unplaced = unplaced
        self._part = part
        self._empty = {name: Counter[str]() for name in scanners} if needed else {}

    @property
    def unused_rules(self) -> list[str]:
        """The patterns that have not matched anything in any folder so far."""
        first, *others = (scanner.unused_rules for scanner in self._scanners.values())
        return [rule for rule in first if all(rule in rules for rules in others)]

    @property
    def empty(self) -> Mapping[str, Mapping[str, int]]:
        """The volumes that must have something to load, and in which nothing was found so far.

        By name, with the number of their excluded entries by reason. A volume that is a file has
        its own name, not that of its folder.
        """
        empty: dict[str, Mapping[str, int]] = {}
        for name, reasons in sorted(self._empty.items()):
            listed = self._scanners[name].listed
            files = [] if listed is None else map(to_text, listed.names())
            empty |= dict.fromkeys([below_volume(name, file) for file in files] or [name], reasons)
        return empty

    def scan(
        self, beat: Callable[[str], None] = unwatched, *, expand: bool = True
    ) -> Iterator[Found]:
        """Yield what the scanners yield, one folder after the other. See `Scanner.scan`."""
        for listed in self._unplaced:
            yield Failed(to_text(listed), None, 0, _misplaced(listed))
        for name, scanner in self._scanners.items():
            others = self._others()
            for found in scanner.scan(beat, expand=expand):
                if isinstance(found, SourceFile | Failed):
                    self._empty.pop(name, None)
                elif isinstance(found, Excluded) and name in self._empty:
                    self._empty[name][found.reason] += 1
                yield found
            if self._others() > others:
                self._empty.pop(name, None)

    def _others(self) -> int:
        return 0 if self._part is None else self._part.others


def _misplaced(name: bytes) -> SourceUnreadable:
    if not name.startswith(b"/"):
        return SourceUnreadable(
            "the path is relative, and there are several volumes",
            hint="list absolute paths below the volumes",
        )
    return outside_error()
