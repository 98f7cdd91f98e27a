"""How much memory the container, or any control group around this process, leaves to it.

Sources: "Control Group v2" and "Memory Resource Controller" (v1) in the Linux kernel's
documentation, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MIB = 1024 * 1024

PROCESS = 110 * MIB
"""What a run takes besides the buffers for file bytes: libraries, 32 connections, the plan."""

_CONNECTIONS = 32
_CONNECTION = MIB // 2
"""What each further connection takes; over TLS 256 of them were measured to take 111 MiB."""

_V1_LIMIT = "memory.limit_in_bytes"
_V2_LIMIT = "memory.max"
# What version 1 says where there is no limit: the largest number of pages.
_NONE_FROM = 2**62


class _Mount(NamedTuple):
    """Where a hierarchy of control groups is mounted, and which of its groups that shows."""

    point: Path
    root: str
    limit: str


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the least limit on memory of this process's control groups, in bytes.

    Of both versions, and of every group above the process's own as far as it can be seen; None
    where there is none, or no control groups.
    """
    groups = _groups_of_process(root)
    limits = []
    for mount in _mounts(root):
        group = groups.get(mount.limit)
        if group is not None:
            limits += list(_limits(mount, group))
    return min(limits, default=None)


def memory_left(connections: int = _CONNECTIONS, root: Path = Path("/")) -> int | None:
    """Return what a limit leaves for file bytes, in bytes; None where there is no limit.

    `connections` are how many a run may have at once.
    """
    limit = memory_limit(root)
    if limit is None:
        return None
    return max(0, limit - PROCESS - memory_of(connections))


def connections_in(memory: int) -> int:
    """Return how many connections a run may have that takes the further ones out of `memory`.

    They take half of it, at the most; file bytes have the rest.
    """
    return _CONNECTIONS + memory // 2 // _CONNECTION


def memory_of(connections: int) -> int:
    """Return what connections take, in bytes, besides those that every run may have."""
    return max(0, connections - _CONNECTIONS) * _CONNECTION


def _groups_of_process(root: Path) -> dict[str, str]:
    """Return the control group of this process, by the name of the file that holds a limit."""
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
    """Yield the limits of a group and of those above it, as far as the mount shows them."""
    below = PurePosixPath(group)
    if below.is_relative_to(mount.root):
        below = below.relative_to(mount.root)
    # A group that is not below the mount, as where a container sees the host's names, is the
    # mount's own.
    parts = [part for part in below.parts if part not in {"/", ".."}]
    for depth in range(len(parts), -1, -1):
        for line in _lines(mount.point.joinpath(*parts[:depth], mount.limit)):
            if line.isdecimal() and int(line) < _NONE_FROM:
                yield int(line)


def _unescaped(text: str) -> str:
    # Of the characters that mountinfo escapes, a group's name may hold a space.
    return text.replace("\\040", " ")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
