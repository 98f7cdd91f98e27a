"""The mounted volume: open its files safely, read them whole, detect changes.

Everything here blocks and runs in a reader thread, one call per batch of small files or per part of
a large one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from asyncload.errors import FileFailed, SourceChanged, SourceUnreadable, TooManyOpenFiles
from asyncload.model.checksums import CRC64NVME, Crc
from asyncload.model.names import split_member, split_volume, to_bytes
from asyncload.model.values import PlannedUpload, SourceFile
from asyncload.source.batches import (
    CRC_ONLY,
    BatchItem,
    Beat,
    Digest,
    Digests,
    LoadedFile,
    OutgrownFile,
    UnloadedFile,
    load_bytes,
)
from asyncload.source.beneath import Beneath, close
from asyncload.source.file_state import (
    TRUST,
    FileState,
    changed_again,
    check_same,
    state_of,
    unreadable,
)
from asyncload.source.heartbeat import unwatched

if TYPE_CHECKING:
    from asyncload.source.archives.members import OpenMember

# A part is read and hashed in pieces that stay in the processor's cache: a third less time.
_CACHED = 256 * 1024


class Volume:
    """Folders whose files are opened beneath them, through no symbolic link that leads out of them.

    Use it as a context manager: it holds the folders open.

    Args:
        root: the folder; or several, by the names with which the paths of their files begin.
        trust: the attributes that identify a version of a file, see `file_state.TRUST`.
        follow_links: whether links are followed at all.

    Raises:
        SourceUnreadable: a folder can't be opened.
    """

    def __init__(
        self,
        root: Path | Mapping[str, Path],
        *,
        trust: Sequence[str] = TRUST,
        follow_links: bool = False,
    ) -> None:
        self.trust = trust
        self._names = frozenset[str]() if isinstance(root, Path) else frozenset(root)
        self._beneath: dict[str, Beneath] = {}
        with ExitStack() as opened:
            folders = {"": root} if isinstance(root, Path) else root
            for name, folder in folders.items():
                beneath = self._beneath[name] = _open_folder(folder, follow_links=follow_links)
                opened.callback(close, beneath.root)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._opened.close()

    def open(self, path: str) -> OpenFile:
        """Open a regular file for reading; the caller closes it.

        Raises:
            SourceUnreadable: it can't be opened, or is a link or not a regular file.
            TooManyOpenFiles: it can't be opened now.
        """
        return OpenFile(self, path, self._open(path))

    def open_source(self, source: SourceFile) -> OpenFile | OpenMember:
        """Open a file, or a member of an archive, for reading; the caller closes it.

        Raises:
            MemberDamaged: the member is not where the archive's directory says.
            SourceChanged: the archive changed since it was scanned.
            SourceUnreadable, TooManyOpenFiles: see `open`.
        """
        if source.member is None:
            return self.open(source.path)
        # Late: most volumes have no archives, and a start is kept short.
        from asyncload.source.archives.members import OpenMember

        archive = self.open(split_member(source.path)[0])
        try:
            return OpenMember(archive, source.member)
        except BaseException:
            archive.close()
            raise

    def state_of(self, path: str) -> FileState:
        """Return the state of the file at this path."""
        with self.open(path) as file:
            return file.state()

    def read_batch(
        self,
        uploads: Sequence[PlannedUpload],
        buffer: memoryview,
        digests: Digests = CRC_ONLY,
        items: list[BatchItem] | None = None,
        beat: Beat = unwatched,
    ) -> list[BatchItem]:
        """Read small files one after the other into `buffer`, each whole and in one version.

        A file that changes meanwhile is read once more.

        Args:
            uploads: the files.
            buffer: receives their bytes, one file after the other.
            digests: the digests to compute.
            items: the results of the first files, from an earlier call; each further result is
                appended as soon as it is known.
            beat: called after each progress.

        Raises:
            TooManyOpenFiles: the first file without a result can't be opened now.
        """
        items = [] if items is None else items
        start = sum(len(item.body) for item in items if isinstance(item, LoadedFile))
        for upload in uploads[len(items) :]:
            try:
                item = self._load_steady(upload, buffer[start:], digests, beat)
            except TooManyOpenFiles:
                raise
            except FileFailed as error:
                item = UnloadedFile(upload, error)
            if isinstance(item, LoadedFile):
                start += len(item.body)
            items.append(item)
        return items

    def _load_steady(
        self, upload: PlannedUpload, room: memoryview, digests: Digests, beat: Beat
    ) -> BatchItem:
        load = self._load if upload.source.member is None else self._load_member
        try:
            return load(upload, room, digests, beat)
        except SourceChanged as first:
            try:
                return load(upload, room, digests, beat)
            except SourceChanged as again:
                raise changed_again(first, again) from again

    def _load(
        self, upload: PlannedUpload, room: memoryview, digests: Digests, beat: Beat
    ) -> BatchItem:
        with self.open(upload.source.path) as file:
            beat()
            before = file.state()
            if upload.source.version is not None:
                check_same(upload.source.version, before, self.trust)
            if before.size > len(room):
                return OutgrownFile(upload, before.size)
            body = room[: before.size]
            file.read_into(body, 0, beat)
            file.check_unchanged(before)
            file.check_end(before.size)
        return load_bytes(upload, body, digests, before.mtime_ns)._replace(version=before)

    def _load_member(
        self, upload: PlannedUpload, room: memoryview, digests: Digests, beat: Beat
    ) -> BatchItem:
        with self.open_source(upload.source) as file:
            beat()
            state = file.state()
            body = room[: state.size]
            file.read_part(body, 0, state, (), digests.crc, beat)
            return load_bytes(upload, body, digests, state.mtime_ns)

    def _open(self, path: str) -> int:
        folder, below = split_volume(path, self._names)
        beneath = self._beneath.get(folder)
        if beneath is None or not {"", ".", ".."}.isdisjoint(below.split("/")):
            raise SourceUnreadable("the file's path leads out of the volume")
        fd = beneath.open(to_bytes(below))
        try:
            regular = stat.S_ISREG(os.fstat(fd).st_mode)
        except OSError as error:
            close(fd)
            raise unreadable(error) from error
        if not regular:
            close(fd)
            raise SourceUnreadable(
                "the file is no longer a regular file", hint="check which program replaced it"
            )
        return fd


def _open_folder(folder: Path, *, follow_links: bool) -> Beneath:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(error) from error
    return Beneath(fd, os.path.realpath(os.fsencode(folder)), follow_links=follow_links)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open source file; leaving its context closes it."""

    volume: Volume
    path: str
    fd: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        close(self.fd)

    def state(self) -> FileState:
        """Return the state of the open file.

        Raises:
            SourceUnreadable: the system can't tell, for example because a mount is gone.
        """
        try:
            status = os.fstat(self.fd)
        except OSError as error:
            raise unreadable(error) from error
        return state_of(status)

    def read_into(self, buffer: memoryview, offset: int, beat: Beat = unwatched) -> None:
        """Fill `buffer` with the file's bytes from `offset`, beating with each read.

        Raises:
            SourceChanged: the file ends before the buffer is full.
            SourceUnreadable: the read failed.
        """
        done = 0
        while done < len(buffer):
            try:
                read = os.preadv(self.fd, [buffer[done:]], offset + done)
            except OSError as error:
                raise unreadable(error) from error
            beat()
            if not read:
                raise SourceChanged(
                    f"the file ended at byte {offset + done:,} while it was being read",
                    hint="load a volume that nothing writes to, or run again",
                )
            done += read

    def read_part(
        self,
        buffer: memoryview,
        offset: int,
        expected: FileState,
        digests: Sequence[Digest] = (),
        crc: Crc = CRC64NVME,
        beat: Beat = unwatched,
    ) -> int:
        """Fill `buffer` from `offset`, feed it to `digests`, and return its CRC.

        Raises:
            SourceChanged: the file is no longer as `expected`.
            SourceUnreadable: the read failed.
        """
        value = 0
        for start in range(0, len(buffer), _CACHED):
            piece = buffer[start : start + _CACHED]
            self.read_into(piece, offset + start, beat)
            for digest in digests:
                digest.update(piece)
            value = crc.update(piece, value)
        self.check_unchanged(expected)
        return value

    def check_unchanged(self, expected: FileState) -> None:
        """Raise `SourceChanged` if the open file is not in the `expected` state."""
        check_same(expected, self.state(), self.volume.trust, self._state_after_a_read)

    def _state_after_a_read(self) -> FileState:
        self.read_into(memoryview(bytearray(min(1, self.state().size))), 0)
        return self.state()

    def check_end(self, size: int) -> None:
        """Raise `SourceChanged` if the file continues beyond the size that the system reports.

        Files of /proc, which have no size, and some of FUSE do so, too. Sizes are in bytes.

        Raises:
            SourceUnreadable: the read failed.
        """
        try:
            more = os.preadv(self.fd, [bytearray(1)], size)
        except OSError as error:
            raise unreadable(error) from error
        if more:
            raise SourceChanged(
                f"the file is longer than the {size:,} bytes that its file system reports",
                hint="if nothing writes to it, copy it to a disk first: some file systems, such as "
                "/proc or FUSE, do not know a file's size",
            )

    def check_in_place(self, expected: FileState) -> None:
        """Raise `SourceChanged` if the file's path now leads elsewhere or to another state.

        Raises:
            TooManyOpenFiles: it can't be opened now.
        """
        self.check_unchanged(expected)
        self.check_end(expected.size)
        try:
            now = self.volume.state_of(self.path)
        except TooManyOpenFiles:
            raise
        except SourceUnreadable as error:
            raise SourceChanged(
                f"the file was removed or renamed while it was being uploaded: {error}",
                hint="run again",
            ) from error
        again = partial(self.volume.state_of, self.path)
        check_same(expected, now, self.volume.trust, again)
