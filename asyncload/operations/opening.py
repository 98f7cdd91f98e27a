"""Open the volume of a run for reading from an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from math import inf

from asyncload.errors import SourceStalled
from asyncload.settings.run import Settings
from asyncload.source.file_list import read_list
from asyncload.source.folders import check_volume
from asyncload.source.heartbeat import STALLED_SECONDS, scan_stalled
from asyncload.source.offload import Offload
from asyncload.source.readers import DESCRIPTOR_WAIT_SECONDS, Readers
from asyncload.source.threads import ReaderThreads
from asyncload.source.volume import Volume

_READER_THREADS = 16


@asynccontextmanager
async def open_readers(
    settings: Settings, executor: Executor | None = None
) -> AsyncIterator[Readers]:
    """Open a volume for reading in an executor, or in new threads if none is given.

    Raises:
        UsageError: the volume does not exist, is not a folder, or can't be listed, or the list of
            files can't be read.
        SourceUnreadable: the volume can't be opened, or does not respond.
    """
    with nullcontext(executor) if executor else ReaderThreads(_READER_THREADS) as threads:
        opening = Offload(threads, patience=STALLED_SECONDS).run(_open_volume, settings)
        try:
            opened = await opening
        except SourceStalled as error:
            raise scan_stalled("", error) from error
        with opened as volume:
            listed = None
            if settings.files_from is not None:
                # A pipe may take any time.
                reading = partial(read_list, settings.files_from, nul=settings.null_separated)
                listed = await Offload(threads, patience=inf).run(reading)
            yield Readers(
                volume,
                threads,
                patience=STALLED_SECONDS,
                descriptor_wait=DESCRIPTOR_WAIT_SECONDS,
                listed=listed,
            )


def _open_volume(settings: Settings) -> Volume:
    check_volume(settings.volume)
    return Volume(settings.volume, trust=settings.trust, follow_links=settings.follow_symlinks)
