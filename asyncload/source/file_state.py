"""The attributes that identify one version of a file, and their comparison."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence

from asyncload.errors import SourceChanged, SourceUnreadable, TooManyOpenFiles, UsageError
from asyncload.model.suggestions import with_guess
from asyncload.model.values import FileState

__all__ = ["FileState"]


def state_of(status: os.stat_result) -> FileState:
    """Return the state of a file with this status."""
    return FileState(
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
    )


TRUST = ("size", "mtime", "ctime", "inode")
"""The attributes that differ between versions of a file, and stay the same within one."""


def check_trust(names: Sequence[str]) -> tuple[str, ...]:
    """Return the attributes to compare, in the order of `TRUST`.

    Raises:
        UsageError: a name is unknown, or the size is missing.
    """
    wanted = {name.strip().lower() for item in names for name in item.split(",")}
    if not {"size"} <= wanted <= set(TRUST):
        raise UsageError(
            f"--trust: {','.join(names)!r} is not a valid choice of file attributes",
            hint=with_guess(
                next(iter(sorted(wanted - set(TRUST))), ""),
                TRUST,
                f"use size and any others of {','.join(TRUST)}, separated by commas",
            ),
        )
    return tuple(name for name in TRUST if name in wanted)


_FIELDS = {
    "size": ("size",),
    "mtime": ("mtime_ns",),
    "ctime": ("ctime_ns",),
    "inode": ("inode", "device"),
}
# Attributes that some file systems change without a change of the file.
_DOUBTFUL = {"ctime_ns": "ctime", "inode": "inode", "device": "inode"}


def trusted(state: FileState, trust: Sequence[str] = TRUST) -> tuple[int, ...]:
    """Return the values of the trusted fields."""
    return tuple(getattr(state, field) for name in trust for field in _FIELDS[name])


def differences(expected: FileState, now: FileState, trust: Sequence[str] = TRUST) -> list[str]:
    """Return the names of the fields that differ, among the trusted ones."""
    if now == expected:
        return []
    return [
        field
        for name in trust
        for field in _FIELDS[name]
        if getattr(expected, field) != getattr(now, field)
    ]


def check_same(
    expected: FileState,
    now: FileState,
    trust: Sequence[str] = TRUST,
    again: Callable[[], FileState] | None = None,
) -> None:
    """Raise `SourceChanged` if a file's state has changed; the message names the differences.

    Args:
        expected: the earlier state.
        now: the present state.
        trust: the attributes to compare, see `TRUST`.
        again: reads or opens the file once more, and returns its state: if the same fields change
            again, the file system changes them by itself.
    """
    differing = differences(expected, now, trust)
    if not differing:
        return
    changes = ", ".join(
        f"{field} {getattr(expected, field)} -> {getattr(now, field)}" for field in differing
    )
    if again is not None and _DOUBTFUL.keys() >= set(differing):
        moving = differences(now, again(), trust)
        if moving and _DOUBTFUL.keys() >= set(moving):
            names = list(dict.fromkeys(_DOUBTFUL[field] for field in moving))
            rest = ",".join(name for name in trust if name not in names)
            verb = "change" if names[1:] else "changes"
            raise SourceChanged(
                f"the file's {' and '.join(names)} {verb} each time it is read ({changes}): "
                "the file system does so, and the file may be unchanged",
                hint=f"load with --trust {rest}",
            )
    raise SourceChanged(
        f"the file changed while it was being read ({changes})",
        hint="load a volume that nothing writes to, or run again",
    )


def changed_again(first: SourceChanged, again: SourceChanged) -> SourceChanged:
    """Return the error of a file that changed in both attempts, with both changes."""
    return SourceChanged(
        f"{first.message}; and again on the second attempt: {again.message}", hint=again.hint
    )


_HINTS = {
    errno.ENOENT: "the file existed when the volume was scanned; run again",
    errno.ELOOP: "symbolic links are followed only with --follow-symlinks, and never in a circle",
    errno.ENOTDIR: "symbolic links are followed only with --follow-symlinks, and never in a circle",
    errno.ESTALE: "the mount has lost the file: run again, or remount the volume",
    errno.ENOTCONN: "the server of the mount has stopped: remount the volume",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --concurrency",
    errno.ENFILE: "the whole machine has too many files open (fs.file-max)",
    errno.EIO: "the medium or the mount is failing",
}


def unreadable(error: OSError, status: os.stat_result | None = None) -> SourceUnreadable:
    """Return our error for an operating system error on a source file with this status."""
    kind = TooManyOpenFiles if means_too_many_open(error) else SourceUnreadable
    hint = _HINTS.get(error.errno or 0, "")
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = permission_hint(status)
    return kind(f"the file can't be read: {reason_of(error)}", hint=hint)


def unlistable(error: OSError, status: os.stat_result | None = None) -> SourceUnreadable:
    """Return our error for an operating system error on a folder, or on an entry of one."""
    hint = "run again"
    if means_too_many_open(error):
        hint = _HINTS[errno.EMFILE if error.errno == errno.EMFILE else errno.ENFILE]
    elif error.errno in (errno.EACCES, errno.EPERM):
        hint = permission_hint(status)
    return SourceUnreadable(f"the path can't be listed: {reason_of(error)}", hint=hint)


def reason_of(error: OSError) -> str:
    """Return the operating system's message for its error."""
    return os.strerror(error.errno) if error.errno else str(error)


def permission_hint(status: os.stat_result | None) -> str:
    """Return a hint for a path with this status that can't be read: who may, and who asks."""
    hint = f"give the user that runs asyncload (UID {os.geteuid()}) read permission"
    if status is None or status.st_uid == os.geteuid():
        return hint
    owner = f"{status.st_uid}:{status.st_gid}"
    hint += f"; it belongs to UID {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
    return hint + (f": in a container, add --user {owner}" if status.st_uid else "")


def means_too_many_open(error: OSError) -> bool:
    """Return whether opening failed only because too many files are open."""
    return error.errno in (errno.EMFILE, errno.ENFILE)
