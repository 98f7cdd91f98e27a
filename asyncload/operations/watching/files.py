"""The files of a watched volume: which are complete, in work or failing, and what was emitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from asyncload.model.values import Failed, Outcome, SourceFile, Unchanged, Uploaded
from asyncload.operations.watching.archives import Attempt, WatchedArchives, comes_again
from asyncload.source.arrivals import version_of
from asyncload.source.scanner import Scanner
from asyncload.source.settling import Settling

if TYPE_CHECKING:
    from asyncload.source.scanners import NamedScanner


class Files:
    """Notes what is seen of the files of a volume, and how their transfers end.

    Args:
        scanner: of the volume; notes versions.
        settle: how long a file must be quiet, in seconds.
        trust: the attributes that identify a version of a file, see `file_state.TRUST`.
        archives: whether archives are loaded.
        clock: returns the time in seconds.

    Attributes:
        scanner: of the volume.
        settling: decides which files are complete.
        archives: what is known of the archives among them.
        loaded: the number of files that were loaded.
    """

    def __init__(
        self,
        scanner: Scanner | NamedScanner,
        *,
        settle: float,
        trust: Sequence[str],
        archives: bool,
        clock: Callable[[], float],
    ) -> None:
        self.scanner = scanner
        self.settling = Settling(settle)
        self.archives = WatchedArchives(scanner, trust, load=archives)
        self.loaded = 0
        self._trust = trust
        self._clock = clock
        # The last message about each failing file, and each folder that can't be listed.
        self._told: dict[str, str] = {}

    def seen(self, source: SourceFile, *, event: bool = False) -> None:
        """Note the present version of a file; `event` if something was heard of it."""
        version = version_of(source, self._trust)
        self.settling.seen(source.path, version, self._clock(), event=event)

    def gone(self, path: str) -> None:
        """Note that a file does not exist any more, or is not one to load."""
        self.settling.gone(path)
        self.archives.forget(path)
        self._told.pop(path, None)

    def begin_rescan(self) -> None:
        """Begin to note what is found in a scan of the whole volume."""
        self.settling.begin_rescan(self._clock())

    def end_rescan(self, *, complete: bool) -> None:
        """Forget what a `complete` scan did not find."""
        self.settling.end_rescan(complete=complete)
        self.archives.forget_except(self.settling.knows)

    def due(self, limit: int) -> list[str]:
        """Return up to `limit` paths to look at: what is there goes to `take`."""
        return self.settling.due(self._clock(), limit)

    def take(self, sources: Sequence[SourceFile]) -> list[SourceFile]:
        """Return those of some due files that are complete; they are in work then."""
        now = self._clock()
        return [
            source
            for source in sources
            if self.settling.take(source.path, version_of(source, self._trust), now)
        ]

    def conclude(self, outcome: Outcome) -> bool:
        """Note the outcome of a file; return whether it is news."""
        if not isinstance(outcome, Failed):
            self.settling.loaded(outcome.path)
            self._told.pop(outcome.path, None)
            self.count(outcome)
            return True
        if comes_again(outcome):
            self.changed(outcome.path)
            return False
        self.settling.failed(outcome.path, self._clock())
        return self.is_news(outcome.path, outcome.error.message)

    def conclude_archive(self, attempt: Attempt) -> None:
        """Note the end of an attempt at an archive."""
        if attempt.result == "loaded":
            self.settling.loaded(attempt.path)
            self.archives.forget(attempt.path)
        elif attempt.result == "changed":
            self.changed(attempt.path)
        else:
            self.settling.failed(attempt.path, self._clock())

    def count(self, outcome: Outcome) -> None:
        """Count a file or member if it is in the bucket now."""
        self.loaded += isinstance(outcome, Uploaded | Unchanged)

    def changed(self, path: str) -> None:
        """Note that a file in work changed before it was loaded."""
        self.settling.changed(path, self._clock())

    def put_back(self, paths: Iterable[str]) -> None:
        """Note that files in work were not loaded, through no fault of theirs."""
        for path in paths:
            self.settling.failed(path, self._clock(), count=False)

    def release(self) -> None:
        """Note that nothing is in work any more: all of it is tried again."""
        self.settling.release(self._clock())

    def is_news(self, path: str, message: str) -> bool:
        """Note a message about a path; return whether it is another one than before."""
        news = self._told.get(path) != message
        self._told[path] = message
        return news
