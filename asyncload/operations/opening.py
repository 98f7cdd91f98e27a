"""Open the volume of a run for reading from an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from math import inf
from typing import ParamSpec, TypeVar

from asyncload.errors import SourceStalled, UsageError
from asyncload.operations.requests import READER_THREADS
from asyncload.settings.run import Settings
from asyncload.source.file_list import read_list
from asyncload.source.folders import check_volume
from asyncload.source.heartbeat import STALLED_SECONDS, scan_stalled
from asyncload.source.offload import Offload
from asyncload.source.readers import DESCRIPTOR_WAIT_SECONDS, DecodingMemory, Readers
from asyncload.source.roots import Root, find_roots, folders_of
from asyncload.source.threads import ReaderThreads
from asyncload.source.volume import Volume

T = TypeVar("T")
P = ParamSpec("P")


@asynccontextmanager
async def open_readers(
    settings: Settings,
    executor: Executor | None = None,
    *,
    threads: int = READER_THREADS,
    lists: bool = True,
) -> AsyncIterator[Readers]:
    """Open a volume for reading in an executor, or in new `threads` if none is given.

    `lists`: read the list of files, if there is one; its reader can't be asked twice.

    Raises:
        UsageError: the volume does not exist, is not a folder, or can't be listed, or the list of
            files can't be read; or some of several volumes do not exist, or overlap.
        SourceUnreadable: the volume can't be opened, or does not respond.
    """
    with nullcontext(executor) if executor else ReaderThreads(threads) as through:
        volume, roots = await _open(through, open_volume, settings)
        listed = None if roots[0].name else roots[0].listed
        with volume:
            if lists and settings.files_from is not None:
                # A pipe may take any time.
                reading = partial(read_list, settings.files_from, nul=settings.null_separated)
                listed = await Offload(through, patience=inf).run(reading)
            yield Readers(
                volume,
                through,
                patience=STALLED_SECONDS,
                descriptor_wait=DESCRIPTOR_WAIT_SECONDS,
                roots=roots,
                listed=listed,
            )


async def find_folders(settings: Settings) -> Sequence[Root]:
    """Return the folders of volumes that are to be watched.

    Raises:
        UsageError: see `open_readers`; or a volume is a single file.
        SourceUnreadable: a volume does not respond.
    """
    with ReaderThreads(1) as through:
        roots = await _open(
            through, partial(find_roots, archives=settings.archives), settings.volumes
        )
    if any(root.listed is not None for root in roots):
        folders = {root.folder for root in roots}
        file = next(volume for volume in settings.volumes if volume not in folders)
        raise UsageError(
            f"the volume {file} is not a folder",
            hint="watch loads the files of a folder; load one file with run",
        )
    return roots


@asynccontextmanager
async def open_folder(
    settings: Settings, root: Root, executor: Executor, *, decoding: DecodingMemory
) -> AsyncIterator[Readers]:
    """Open one of the watched folders, to be read in the threads of an executor.

    Raises:
        UsageError: it does not exist, is not a folder, or can't be listed.
        SourceUnreadable: it can't be opened, or does not respond.
    """

    def open_it() -> Volume:
        check_volume(root.folder)
        return Volume(folders_of([root]), trust=settings.trust)

    with await _open(executor, open_it) as volume:
        yield Readers(
            volume,
            executor,
            patience=STALLED_SECONDS,
            descriptor_wait=DESCRIPTOR_WAIT_SECONDS,
            roots=[root],
            decoding=decoding,
        )


async def _open(
    through: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call a function that opens or examines volumes, in a thread.

    Raises:
        SourceStalled: it made no progress.
    """
    try:
        return await Offload(through, patience=STALLED_SECONDS).run(
            partial(function, *args, **kwargs)
        )
    except SourceStalled as error:
        raise scan_stalled("", error) from error


def open_volume(settings: Settings) -> tuple[Volume, Sequence[Root]]:
    """Open the folders of the volume, or of all volumes; one that is a file has a list of it.

    Raises:
        UsageError, SourceUnreadable: see `open_readers`.
    """
    roots = find_roots(settings.volumes, archives=settings.archives)
    if settings.files_from is not None and any(root.listed is not None for root in roots):
        files = (str(volume) for volume in settings.volumes if volume.is_file())
        raise UsageError(
            f"--files-from can't be combined with a volume that is a file: {', '.join(files)}",
            hint="name the folder of the listed files, or omit --files-from",
        )
    folders = folders_of(roots)
    return Volume(folders, trust=settings.trust, follow_links=settings.follow_symlinks), roots
