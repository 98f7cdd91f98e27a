"""Check CSVs: each is read once, in parts, whose rows are counted in parallel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import NamedTuple

from asyncload.errors import FileFailed
from asyncload.model.values import Failed, PlannedUpload
from asyncload.source.heartbeat import GivenUp
from asyncload.source.tables.beginning import Beginning, first_rows, first_table
from asyncload.source.tables.duck import NULLS, Counted, Engine, Plan, Unparsable
from asyncload.source.tables.kinds import other_kind
from asyncload.source.tables.records import MAX_ROW, PIECE, Chained, Decoded, Part, Records
from asyncload.source.tables.streams import Stream, open_stream
from asyncload.source.tables.texts import BOM, Text, wide_encoding
from asyncload.source.tables.types import ColumnTally, findings_of_columns
from asyncload.source.tables.values import CheckedFile, Finding, FindingKind
from asyncload.source.threads import ReaderThreads
from asyncload.source.volume import Volume

_AHEAD = 2
"""The parts of a file, and the files per worker, that wait in memory."""
_NAMED = 8


class Checker:
    """Checks CSVs of a volume.

    Args:
        volume: the volume.
        beat: called with a path after each progress.
        workers: the number of files, and of parts, that are in work at once.
    """

    def __init__(self, volume: Volume, beat: Callable[[str], None], workers: int) -> None:
        self._volume = volume
        self._beat = beat
        self._workers = workers
        self._engine = Engine()
        self._stopped = False

    def check(self, uploads: Iterable[PlannedUpload]) -> Iterator[CheckedFile | Failed]:
        """Yield the result of each file, in order."""
        try:
            with ReaderThreads(self._workers) as files, ReaderThreads(self._workers) as parts:
                waiting: deque[Future[CheckedFile | Failed]] = deque()
                try:
                    for upload in uploads:
                        waiting.append(files.submit(self._check, upload, parts))
                        if len(waiting) > self._workers * _AHEAD:
                            yield waiting.popleft().result()
                    while waiting:
                        yield waiting.popleft().result()
                finally:
                    # If no one asks for the rest, the threads end with their next read.
                    self._stopped = True
        finally:
            self._engine.close()

    def _check(self, upload: PlannedUpload, parts: Executor) -> CheckedFile | Failed:
        source = upload.source
        checked = CheckedFile(source.path, source.size, upload.dataset)
        try:
            with open_stream(self._volume, source, self._progress) as stream:
                _FileCheck(checked, self._engine, parts, self._progress).run(stream)
        except FileFailed as error:
            return Failed(source.path, None, source.size, error)
        return checked

    def _progress(self, path: str) -> None:
        if self._stopped:
            raise GivenUp
        self._beat(path)


class _Counting(NamedTuple):
    """A part of a file whose rows are being counted: as it is in the file, and cleaned."""

    first_line: int
    data: bytes
    future: Future[Counted]


@dataclass(slots=True)
class _FileCheck:
    """Checks one file, and fills in `checked`."""

    checked: CheckedFile
    engine: Engine
    executor: Executor
    beat: Callable[[str], None]
    _text: Text = field(default_factory=Text)
    _newline: bytes = b"\n"
    _nulls: list[str] = field(default_factory=lambda: [*NULLS])
    _tallies: list[ColumnTally] = field(default_factory=list)
    _waiting: deque[_Counting] = field(default_factory=deque)
    _rejected: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    _unparsable: list[tuple[int, str]] = field(default_factory=list)
    _long_lines: list[tuple[int, int]] = field(default_factory=list)
    _words: set[str] = field(default_factory=set)

    def run(self, stream: Stream) -> None:
        """Read the file to its end, unless it is not a CSV."""
        head = stream.read(PIECE)
        if not head:
            self._find("empty", "the file is empty")
            return
        self._text.encoding = wide_encoding(head)
        if self._text.encoding:
            stream = Decoded(Chained(head, stream), self._text.encoding)
            head = stream.read(PIECE)
        elif kind := other_kind(head[: 64 * 1024]):
            self._find("not a CSV", f"this is not a CSV, but {kind}")
            return
        if head.startswith(BOM):
            head = head.removeprefix(BOM)
            self._text.encoding = self._text.encoding or "utf-8-sig"
        while not _has_line(head) and len(head) <= MAX_ROW and (more := stream.read(PIECE)):
            head += more
        if b"\n" not in head and b"\r" in head:
            self._newline = b"\r"
        beginning = self._begin(head)
        if beginning is None:
            return
        records = Records(stream, head, self._newline, beginning.dialect)
        self._read(records, beginning)
        self._conclude(beginning, records)

    def _begin(self, head: bytes) -> Beginning | None:
        """Find out dialect and header, and which types to try; None for a file without rows."""
        if not _has_line(head) and len(head) > MAX_ROW:
            return Beginning.unknown()
        sample = first_rows(head, self._newline)
        text = Text(self._text.encoding)
        table = first_table(text.clean(self._with_newlines(sample), 1), self.engine)
        if table is None:
            self._find("empty", "the file has only blank lines")
            return None
        checked = self.checked
        checked.dialect, checked.header = table.dialect, table.header
        checked.skipped_lines = table.skipped
        self._tallies = [
            ColumnTally(name, types) for name, types in zip(table.names, table.types, strict=True)
        ]
        self._nulls += table.null_words
        checked.findings += table.findings
        return table

    def _read(self, records: Records, beginning: Beginning) -> None:
        """Count all parts, a few of them at once."""
        skip = beginning.lines
        for part in records.parts():
            if not isinstance(part, Part):
                self._long_lines.append((part.first_line, part.size))
                continue
            data = self._text.clean(self._with_newlines(part.data), part.first_line)
            first_line = part.first_line
            if skip:
                data, first_line, skip = _without_lines(data, skip), first_line + skip, 0
            if b"\\N" in data:
                self._words.add("\\N")
            if not self._tallies:
                continue
            explained = {i for i, tally in enumerate(self._tallies) if tally.misfit is not None}
            types = [tally.candidates for tally in self._tallies]
            plan = Plan(records.dialect, self._nulls, types, explained)
            future = self.executor.submit(self.engine.count, data, plan)
            self._waiting.append(_Counting(first_line, data, future))
            if len(self._waiting) > _AHEAD:
                self._add(self._waiting.popleft())
        while self._waiting:
            self._add(self._waiting.popleft())
        if self.checked.dialect is not None:
            self.checked.dialect = records.dialect

    def _with_newlines(self, data: bytes) -> bytes:
        return data if self._newline == b"\n" else data.replace(self._newline, b"\n")

    def _add(self, counting: _Counting) -> None:
        checked = self.checked
        self.beat(checked.path)
        try:
            counted = counting.future.result()
        except Unparsable as error:
            self._unparsable.append((counting.first_line, str(error)))
            return
        for i, (tally, count) in enumerate(zip(self._tallies, counted.columns, strict=True)):
            tally.add(count)
            if tally.misfit is None and i in counted.misfits:
                value, row = counted.misfits[i]
                tally.misfit = value, checked.rows + row
        checked.rows += counted.rows
        for kind, rejected in counted.rejected.items():
            line = counting.first_line + counting.data.count(b"\n", 0, rejected.first)
            rows, first, message = self._rejected.get(kind, (0, line, rejected.message))
            self._rejected[kind] = rows + rejected.rows, first, message

    def _conclude(self, beginning: Beginning, records: Records) -> None:
        checked = self.checked
        checked.encoding = self._text.name
        checked.mixed_encodings = self._text.mixed
        checked.columns = [tally.column(checked.rows) for tally in self._tallies]
        checked.null_markers = [word for word in self._nulls if word in self._words] + [
            *beginning.null_words
        ]
        checked.findings += self._text.findings()
        self._conclude_rows()
        if records.unclosed and not records.dialect.quote:
            values = (
                "1 value begins" if records.unclosed == 1 else f"{records.unclosed:,} values begin"
            )
            text = f"{values} with a quote that is not closed"
            self._find("quoting", text, records.first_unclosed)
        checked.findings += findings_of_columns(self._tallies)

    def _conclude_rows(self) -> None:
        for line, size in self._long_lines[:_NAMED]:
            message = f"a line of {size:,} bytes is too long, and was not checked"
            self._find("long line", message, line)
        if len(self._long_lines) > _NAMED:
            more = len(self._long_lines) - _NAMED
            self._find("long line", f"{more:,} more lines are too long, and were not checked")
        for kind, (rows, line, message) in self._rejected.items():
            found = "1 row" if rows == 1 else f"{rows:,} rows"
            match kind:
                case "MISSING COLUMNS" | "TOO MANY COLUMNS":
                    self.checked.ragged += rows
                    fewer = "fewer" if kind == "MISSING COLUMNS" else "more"
                    width, have = len(self._tallies), "has" if rows == 1 else "have"
                    text = f"{found} {have} {fewer} than {width:,} values"
                    self._find("ragged rows", text, line)
                case "UNQUOTED VALUE":
                    self._find("quoting", f"{found} with quotes that are not closed", line)
                case _:
                    self._find("unreadable rows", f"{found} could not be read: {message}", line)
        for line, message in self._unparsable[:_NAMED]:
            self._find("unreadable rows", f"rows from here could not be read: {message}", line)

    def _find(self, kind: FindingKind, message: str, line: int | None = None) -> None:
        self.checked.findings.append(Finding(kind, message, line))


def _has_line(head: bytes) -> bool:
    return b"\n" in head or b"\r" in head


def _without_lines(data: bytes, count: int) -> bytes:
    """Return what follows the first lines."""
    at = 0
    for _ in range(count):
        at = data.find(b"\n", at) + 1
        if not at:
            return b""
    return data[at:]
