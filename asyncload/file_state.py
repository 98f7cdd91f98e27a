"""What must stay the same for a file to be one version, and how it is told that it did not."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from asyncload.errors import SourceChanged, SourceUnreadable


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


def unreadable(error: OSError) -> SourceUnreadable:
    """Return what an error of the operating system means for a source file."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hints = {
        errno.EACCES: "give the user that runs asyncload read permission",
        errno.ENOENT: "it was there when the volume was scanned; run again",
        errno.ELOOP: "symbolic links are not followed",
        errno.ENOTDIR: "symbolic links are not followed",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
        errno.EIO: "the medium or the mount is failing",
    }
    return SourceUnreadable(f"it can't be read: {reason}", hint=hints.get(error.errno or 0, ""))
