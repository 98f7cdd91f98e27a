"""Find the memory limit of the container, or of any control group of this process.

Sources: "Control Group v2" and "Memory Resource Controller" (v1) in the Linux kernel's
documentation, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MIB = 1024 * 1024

PROCESS = 110 * MIB
"""Memory that a run needs besides file buffers: libraries, 32 connections, the plan."""

_CONNECTIONS = 32
_ENCRYPTED, _PLAIN = MIB // 2, MIB // 8
"""Memory of each further connection, over TLS and over plain HTTP; 0.39 and 0.07 MiB were measured.
"""

_V1_LIMIT = "memory.limit_in_bytes"
_V2_LIMIT = "memory.max"
# Version 1 reports no limit as the largest number of pages.
_NONE_FROM = 2**62


class _Mount(NamedTuple):
    """A mounted control group hierarchy: mount point, root group and name of the limit file."""

    point: Path
    root: str
    limit: str


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit of this process's control groups, in bytes.

    Considers both versions, and all visible parent groups. None if there is no limit, or no
    control groups.
    """
    groups = _groups_of_process(root)
    limits = []
    for mount in _mounts(root):
        group = groups.get(mount.limit)
        if group is not None:
            limits += list(_limits(mount, group))
    return min(limits, default=None)


def memory_left(
    connections: int = _CONNECTIONS, root: Path = Path("/"), *, encrypted: bool = True
) -> int | None:
    """Return the memory that the limit leaves for file data, in bytes; None if there is no limit.

    `connections` is the maximum number of concurrent connections, `encrypted` whether over TLS.
    """
    limit = memory_limit(root)
    if limit is None:
        return None
    return max(0, limit - PROCESS - memory_of(connections, encrypted=encrypted))


def connections_in(memory: int, *, encrypted: bool) -> int:
    """Return how many connections fit if connections above 32 may use half of `memory`."""
    return _CONNECTIONS + memory // 2 // (_ENCRYPTED if encrypted else _PLAIN)


def memory_of(connections: int, *, encrypted: bool) -> int:
    """Return the memory of the connections above 32, in bytes."""
    return max(0, connections - _CONNECTIONS) * (_ENCRYPTED if encrypted else _PLAIN)


def _groups_of_process(root: Path) -> dict[str, str]:
    """Return the control groups of this process, by the name of their limit file."""
    groups = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        if not controllers:
            groups[_V2_LIMIT] = group
        elif "memory" in controllers.split(","):
            groups[_V1_LIMIT] = group
    return groups


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, source = line.partition(" - ")
        _, _, _, group, point, *_ = mounted.split(" ")
        kind, _, options = source.split(" ", 2)
        at = root / _unescaped(point).lstrip("/")
        if kind == "cgroup2":
            yield _Mount(at, _unescaped(group), _V2_LIMIT)
        elif kind == "cgroup" and "memory" in options.split(","):
            yield _Mount(at, _unescaped(group), _V1_LIMIT)


def _limits(mount: _Mount, group: str) -> Iterator[int]:
    """Yield the limits of a group and its parents, as far as they are mounted."""
    below = PurePosixPath(group)
    if below.is_relative_to(mount.root):
        below = below.relative_to(mount.root)
    # A group outside the mount (a container may see the host's names) is the mount's root group.
    parts = [part for part in below.parts if part not in {"/", ".."}]
    for depth in range(len(parts), -1, -1):
        for line in _lines(mount.point.joinpath(*parts[:depth], mount.limit)):
            if line.isdecimal() and int(line) < _NONE_FROM:
                yield int(line)


def _unescaped(text: str) -> str:
    # Of the characters that mountinfo escapes, a group's name can only contain a space.
    return text.replace("\\040", " ")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
