"""Hand out the files of a plan: one after the other to this process, in batches to others. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from asyncload.bucket.key_index import FREE, UNKNOWN, Known
from asyncload.model.values import Failed, ObjectKey, PlannedUpload, SourceFile
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.store.protocol import OpenUpload

_MAX_FILES = 512
_MIN_FILES = 4
_MAX_BYTES = 32 * MIB
# A batch takes this share of what is left for each process, so that all end at the same time.
_SHARE = 3


class Batch(NamedTuple):
    """Planned uploads for another process, with what is known about their keys; picklable.

    A large file is a batch of its own. `left_open` are the open uploads of the keys, `markers` what
    is known about the success markers of the partitions; None if they are not listed. `losses`
    counts the processes that ended before they had finished it.
    """

    number: int
    uploads: Sequence[PlannedUpload]
    known: Sequence[Known]
    left_open: Mapping[str, Sequence[OpenUpload]]
    markers: Mapping[str, Known] | None
    is_large: bool = False
    losses: int = 0

    @property
    def failures(self) -> Sequence[Failed]:
        """None: files that failed in the scan are not handed out."""
        return ()

    @property
    def size(self) -> int:
        """The size of its files in bytes."""
        return sum(upload.source.size for upload in self.uploads)

    def large(self) -> Iterator[PlannedUpload]:
        """Yield its large file, if it is one."""
        return iter(self.uploads if self.is_large else ())

    def small(self) -> Iterator[PlannedUpload]:
        """Yield its small files."""
        return iter(() if self.is_large else self.uploads)

    def without(self, finished: set[int]) -> Batch:
        """Return the rest of a batch whose process was lost; `finished` are the places of files.

        Nothing is known about its keys any more, as that process may have written some of them.
        """
        left = [upload for at, upload in enumerate(self.uploads) if at not in finished]
        return self._replace(uploads=left, known=[UNKNOWN] * len(left), losses=self.losses + 1)

    def pack(self) -> PackedBatch:
        """Return the batch in columns, which are pickled in a third of the time."""
        uploads = self.uploads
        partitions = {(upload.partition, upload.dataset): None for upload in uploads}
        places = {partition: at for at, partition in enumerate(partitions)}
        return PackedBatch(
            self.number,
            [upload.source.path for upload in uploads],
            [upload.source.size for upload in uploads],
            [str(upload.key) for upload in uploads],
            list(partitions),
            [places[upload.partition, upload.dataset] for upload in uploads],
            {
                at: (tuple(upload.source[2:]), upload.day)
                for at, upload in enumerate(uploads)
                if upload.source[2:] != _PLAIN or upload.day is not None
            },
            [_PACKED.get(known, known) for known in self.known],
            dict(self.left_open),
            self.markers,
            self.is_large,
        )


class PackedBatch(NamedTuple):
    """A batch in columns; `places` are those of each upload's partition and dataset.

    `others` are the other fields of the sources that differ from their defaults, and the days of
    uploads that have their own.
    """

    number: int
    paths: list[str]
    sizes: list[int]
    keys: list[str]
    partitions: list[tuple[str, str]]
    places: list[int]
    others: dict[int, tuple[tuple[Any, ...], date | None]]
    known: list[Known | int]
    left_open: dict[str, Sequence[OpenUpload]]
    markers: Mapping[str, Known] | None
    is_large: bool

    def unpack(self) -> Batch:
        """Return the batch."""
        columns = zip(self.paths, self.sizes, self.keys, self.places, strict=True)
        uploads = [
            PlannedUpload(SourceFile(path, size), ObjectKey(key), *self.partitions[place])
            for path, size, key, place in columns
        ]
        for at, (fields, day) in self.others.items():
            source = SourceFile(*uploads[at].source[:2], *fields)
            uploads[at] = uploads[at]._replace(source=source, day=day)
        known = [_UNPACKED[each] if isinstance(each, int) else each for each in self.known]
        return Batch(self.number, uploads, known, self.left_open, self.markers, self.is_large)


# The fields of most sources besides path and size.
_PLAIN = SourceFile("", 0)[2:]
_PACKED: dict[Known, int] = {FREE: 0, UNKNOWN: 1}
_UNPACKED = [FREE, UNKNOWN]


class Source:
    """The files of a plan, each handed out once; an iterator for this process, batches for others.

    Args:
        plan: the plan.
        processes: the number of processes, this one included.
        find: returns what is known about an upload's key.
        left_open: the open uploads by key.
        find_marker: returns what is known about a partition's success marker; None if markers are
            not listed.
    """

    def __init__(
        self,
        plan: LoadPlan,
        processes: int,
        find: Callable[[PlannedUpload], Known],
        left_open: Mapping[str, Sequence[OpenUpload]],
        find_marker: Callable[[str], Known] | None,
    ) -> None:
        sizes = plan.large_sizes
        self.failures = plan.failures
        self._processes = processes
        self._find = find
        self._left_open = left_open
        self._find_marker = find_marker
        self._large, self._small = plan.large(), plan.small()
        self._files = plan.files - len(sizes) - len(plan.failures)
        self._bytes = plan.size - sum(sizes) - sum(failed.size for failed in plan.failures)
        self._numbers = 0
        self._returned_large: deque[Batch] = deque()
        self._returned_small: deque[Batch] = deque()

    @property
    def fair_share(self) -> int:
        """The share of a process of the small files that are left."""
        return self._files // self._processes

    @property
    def has_returned(self) -> bool:
        """Whether a batch of small files was given back."""
        return bool(self._returned_small)

    def large(self) -> Iterator[PlannedUpload]:
        """Yield large files, those that are not taken otherwise meanwhile."""
        return self._large

    def small(self) -> Iterator[PlannedUpload]:
        """Yield small files, those that are not taken otherwise meanwhile."""
        for upload in self._small:
            self._files -= 1
            self._bytes -= upload.source.size
            yield upload

    def take_large(self) -> Batch | None:
        """Return the next large file; None after the last one."""
        if self._returned_large:
            return self._returned_large.popleft()
        upload = next(self._large, None)
        return None if upload is None else self._batch([upload], is_large=True)

    def take_small(self) -> Batch | None:
        """Return the next batch of small files; None after the last one.

        The more is left, the larger it is.
        """
        if self._returned_small:
            return self._returned_small.popleft()
        part = self._files // (_SHARE * self._processes)
        files = max(1, min(_MIN_FILES, self.fair_share), min(_MAX_FILES, part))
        most = min(_MAX_BYTES, self._bytes // (_SHARE * self._processes))
        uploads: list[PlannedUpload] = []
        size = 0
        # At least one file, and all that are of little weight.
        for upload in self.small():
            uploads.append(upload)
            size += upload.source.size
            if len(uploads) == files or size > most > 0:
                break
        return self._batch(uploads) if uploads else None

    def take_returned(self) -> Batch | None:
        """Return a batch that was given back; None if there is none."""
        returned = self._returned_large or self._returned_small
        return returned.popleft() if returned else None

    def give_back(self, batch: Batch) -> None:
        """Take the rest of a batch back, to be handed out again."""
        if batch.uploads:
            self._numbers += 1
            returned = self._returned_large if batch.is_large else self._returned_small
            returned.append(batch._replace(number=self._numbers))

    def _batch(self, uploads: list[PlannedUpload], *, is_large: bool = False) -> Batch:
        self._numbers += 1
        find, left_open, find_marker = self._find, self._left_open, self._find_marker
        return Batch(
            self._numbers,
            uploads,
            [find(upload) for upload in uploads],
            {upload.key: left_open[upload.key] for upload in uploads if upload.key in left_open}
            if left_open
            else {},
            {p: find_marker(p) for p in {upload.partition for upload in uploads}}
            if find_marker
            else None,
            is_large,
        )
