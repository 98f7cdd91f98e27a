"""Read a run from a local file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from asyncload.errors import UsageError
from asyncload.reporting.page.figures import Figures
from asyncload.reporting.page.reading import CutLineError, RecordReader
from asyncload.reporting.recorded import OddRecordError, PastRun

# Lines between two points at which a signal can cancel the work.
_SLICE = 1_000
_MAX_LINE_BYTES = 8 * 1024 * 1024


class LocalRecord(NamedTuple):
    """The last run in a local file.

    `is_cut`: the file ends before the summary of the run. `runs` is the number of runs in the file.
    """

    past: PastRun
    figures: Figures
    is_cut: bool
    runs: int


async def read_local(path: Path) -> LocalRecord:
    """Read the manifest of a run, or its lines of `--json`, from a local file.

    Raises:
        UsageError: the file can't be read, or has something else.
    """
    reader = RecordReader()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file)):
                try:
                    reader.feed(line)
                except CutLineError:
                    # The writer was killed within its last line.
                    if number == 0 or line.endswith(b"\n"):
                        raise
                if not number % _SLICE:
                    await asyncio.sleep(0)
        past = reader.past_run()
    except OSError as error:
        raise UsageError(
            f"the record {path} can't be read: {error.strerror}",
            hint="give a file with the lines of --json, or a manifest",
        ) from error
    except OddRecordError as error:
        raise UsageError(
            f"the record {path} can't be read: {error}",
            hint="give the lines of run --json, or a manifest",
        ) from error
    return LocalRecord(past, reader.figures, reader.is_cut, reader.runs)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file.

    Raises:
        OddRecordError: a line is too long for a record.
    """
    while line := file.readline(_MAX_LINE_BYTES):
        if len(line) == _MAX_LINE_BYTES:
            raise OddRecordError(f"a line is longer than {_MAX_LINE_BYTES:,} bytes")
        yield line
