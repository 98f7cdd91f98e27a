"""Plan a volume in portions that can be loaded while it is still scanned. Pure.

A portion can be loaded early only if no file that is found later may map to one of its keys; then
it has no collisions, either. `may_load_early` and `datasets_meet` say when that is certain.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from asyncload.model.values import ScanEvent, Scanned
from asyncload.planning.collecting import add_found
from asyncload.planning.keys import KeyLayout, dataset_and_path
from asyncload.planning.partitions import PartitionCounts
from asyncload.planning.plan import LoadPlan, collision_error, find_collisions
from asyncload.source.scanner import Found

PORTION_FILES = 20_000
"""A portion is complete with so many files. Between two portions requests are listed, and few files
are in progress: a smaller number makes that noticeable. A larger one keeps the rest waiting for the
processes that load it together once the scan has ended.
"""

PORTION_SIZE = 4 * 1024**3
"""A portion is complete with so many bytes, too."""


def may_load_early(layout: KeyLayout) -> bool:
    """Return whether files of different datasets of a volume always have different keys.

    Within a dataset, the files of one folder have different keys. So files collide only if two
    entries at the top of the volume belong to one dataset; see `datasets_meet`.
    """
    return (
        layout.date is not None
        and not layout.datasets
        and not layout.volumes
        and layout.separates_datasets
    )


def datasets_meet(folders: Iterable[str], files: Iterable[str]) -> bool:
    """Return whether entries at the top of a volume may belong to one dataset.

    Two files at the top never have one key, because each has its name in it. `files` are read only
    if there are folders.
    """
    seen: set[str] = set()
    for folder in folders:
        dataset, _ = dataset_and_path(f"{folder}/")
        if dataset in seen:
            return True
        seen.add(dataset)
    return bool(seen) and any(dataset_and_path(file)[0] in seen for file in files)


class GrowingPlan:
    """What a scan in progress has found, in portions of which each is a plan.

    `excluded` counts the excluded entries by reason. `has_started` is whether a portion was taken.

    Args:
        new: returns an empty plan; all are of one layout.
    """

    def __init__(self, new: Callable[[], LoadPlan]) -> None:
        self.excluded: Counter[str] = Counter()
        self._new = new
        self._taken: list[LoadPlan] = []
        self._waiting: deque[LoadPlan] = deque()
        self._current = self._begin()

    @property
    def has_started(self) -> bool:
        """Whether a portion was taken."""
        return bool(self._taken)

    @property
    def is_ahead(self) -> bool:
        """Whether a complete portion waits to be taken."""
        return bool(self._waiting)

    @property
    def files(self) -> int:
        """The number of files found so far."""
        return sum(portion.files for portion in self._portions())

    @property
    def size(self) -> int:
        """The size in bytes of the files found so far."""
        return sum(portion.size for portion in self._portions())

    def add(self, found: Iterable[Found], observe: Callable[[ScanEvent], None]) -> None:
        """Add a slice of the scan's results, and emit them."""
        add_found(self._current, found, observe)
        observe(Scanned(self.files, self.size))
        if self._current.files >= PORTION_FILES or self._current.size >= PORTION_SIZE:
            self._waiting.append(self._current)
            self._current = self._begin()

    def take(self) -> LoadPlan | None:
        """Return a portion to load now, and never again; None if nothing was found since."""
        if not self._waiting and self._current.files:
            self._waiting.append(self._current)
            self._current = self._begin()
        if not self._waiting:
            return None
        self._taken.append(self._waiting.popleft())
        return self._taken[-1]

    def rest(self) -> LoadPlan:
        """Return all that was not taken as one plan; nothing can be added afterwards."""
        rest = self._begin()
        for portion in (*self._waiting, self._current):
            rest.absorb(portion)
        self._waiting.clear()
        self._current = rest
        return rest

    def partitions(self) -> PartitionCounts:
        """Return the number of files of each partition, taken or not."""
        counts = PartitionCounts()
        for portion in self._portions():
            counts.absorb(portion.partitions)
        return counts

    def check_collisions(self) -> None:
        """Check that no two files map to one key, although a portion may have been loaded.

        That takes a volume that changes while it is scanned.

        Raises:
            KeyCollision: some do; the message names them and their keys.
        """
        if collisions := find_collisions(list(self._portions())):
            raise collision_error(collisions, started=True)

    def _begin(self) -> LoadPlan:
        plan = self._new()
        plan.excluded = self.excluded
        return plan

    def _portions(self) -> Iterable[LoadPlan]:
        return (*self._taken, *self._waiting, self._current)
