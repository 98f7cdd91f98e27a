"""What must stay the same for a file to be one version, and how it is told that it did not."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from asyncload.errors import SourceChanged, SourceUnreadable, TooManyOpenFiles


class FileState(NamedTuple):
    """What must stay the same for a file to be one version: size, times and identity."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


def check_same(expected: FileState, now: FileState) -> None:
    """Raise `SourceChanged` where a file is not as it was, naming what differs."""
    if now == expected:
        return
    changes = [
        f"{name} {before} -> {after}"
        for name, before, after in zip(FileState._fields, expected, now, strict=True)
        if before != after
    ]
    raise SourceChanged(
        f"it changed while it was being read ({', '.join(changes)})",
        hint="load a volume that nothing writes to, or run again",
    )


def changed_again(first: SourceChanged, again: SourceChanged) -> SourceChanged:
    """Return the error of a file that changed in both of its attempts, with what each saw."""
    return SourceChanged(f"{first.message}; and once more: {again.message}", hint=again.hint)


_HINTS = {
    errno.EACCES: "give the user that runs asyncload read permission",
    errno.ENOENT: "it was there when the volume was scanned; run again",
    errno.ELOOP: "symbolic links are not followed",
    errno.ENOTDIR: "symbolic links are not followed",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --concurrency",
    errno.ENFILE: "the whole machine has too many files open (fs.file-max)",
    errno.EIO: "the medium or the mount is failing",
}


def unreadable(error: OSError) -> SourceUnreadable:
    """Return what an error of the operating system means for a source file."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    kind = TooManyOpenFiles if means_too_many_open(error) else SourceUnreadable
    return kind(f"it can't be read: {reason}", hint=_HINTS.get(error.errno or 0, ""))


def unlistable(error: OSError) -> SourceUnreadable:
    """Return what an error of the operating system means for a folder, or an entry of one."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    told = error.errno == errno.EACCES or means_too_many_open(error)
    hint = _HINTS[error.errno] if told and error.errno else "run again"
    return SourceUnreadable(f"it can't be listed: {reason}", hint=hint)


def means_too_many_open(error: OSError) -> bool:
    """Whether something can't be opened only because too much is open already."""
    return error.errno in (errno.EMFILE, errno.ENFILE)
