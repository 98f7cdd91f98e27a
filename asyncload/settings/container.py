"""Find the limits of the container, or of any control group of this process: memory, cores, tasks.

Sources: "Control Group v2", and "Memory Resource Controller", "CFS Bandwidth Control" and "Process
Number Controller" (v1) in the Linux kernel's documentation, and proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MIB = 1024 * 1024

PROCESS = 110 * MIB
"""Memory that a run needs besides file buffers: libraries, 32 connections, the plan."""

WORKER = 80 * MIB
"""Memory of each further process: what it does not share with the first one."""

ADDRESSES = 600 * MIB
"""Addresses that a process needs besides file buffers: libraries, and the stacks of its threads."""

_CONNECTIONS = 32
_ENCRYPTED, _PLAIN = MIB // 2, MIB // 8
"""Memory of each further connection, over TLS and over plain HTTP; 0.39 and 0.07 MiB were measured.
"""

# Version 1 reports no limit as the largest number of pages.
_NONE_FROM = 2**62


class _Mount(NamedTuple):
    """A mounted control group hierarchy: its mount point, its root group and its controllers.

    `controllers` is empty for version 2.
    """

    point: Path
    root: str
    controllers: tuple[str, ...]


class _Group(NamedTuple):
    """A folder with the limits of a control group; `unified` for version 2."""

    folder: Path
    unified: bool


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit of this process's control groups, in bytes.

    Considers both versions, and all visible parent groups. None if there is no limit, or no
    control groups.
    """
    names = {True: "memory.max", False: "memory.limit_in_bytes"}
    found = [_numbers(group.folder / names[group.unified]) for group in _groups("memory", root)]
    return min((limit for (limit, *_) in found if limit < _NONE_FROM), default=None)


def memory_left(
    connections: int = _CONNECTIONS,
    root: Path = Path("/"),
    *,
    encrypted: bool = True,
    processes: int = 1,
) -> int | None:
    """Return the memory that the limit leaves for file data, in bytes; None if there is no limit.

    `connections` is the maximum number of concurrent connections of all processes, `encrypted`
    whether over TLS.
    """
    limit = memory_limit(root)
    if limit is None:
        return None
    others = (processes - 1) * WORKER
    return max(0, limit - PROCESS - others - memory_of(connections, encrypted=encrypted))


def address_limit() -> int | None:
    """Return the limit on this process's addresses (`ulimit -v`), in bytes; None if there is none.

    It counts all that is mapped, also what no memory is used for.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: by its affinity, and by control groups.

    A limit of one and a half cores counts as one.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [float(allowed or 1)]
    for folder, unified in _groups("cpu", root):
        if unified:
            quota, period, *_ = *_numbers(folder / "cpu.max"), _NONE_FROM, _NONE_FROM
        else:
            (quota, *_) = _numbers(folder / "cpu.cfs_quota_us")
            (period, *_) = _numbers(folder / "cpu.cfs_period_us")
        if quota < _NONE_FROM and period < _NONE_FROM:
            limits.append(quota / period)
    return max(1, int(min(limits)))


def task_limit(root: Path = Path("/")) -> int | None:
    """Return how many processes and threads this process's control groups allow; None if any."""
    found = [_numbers(group.folder / "pids.max") for group in _groups("pids", root)]
    return min((limit for (limit, *_) in found if limit < _NONE_FROM), default=None)


def connections_in(memory: int, *, encrypted: bool) -> int:
    """Return how many connections fit if connections above 32 may use half of `memory`."""
    return _CONNECTIONS + memory // 2 // (_ENCRYPTED if encrypted else _PLAIN)


def memory_of(connections: int, *, encrypted: bool) -> int:
    """Return the memory of the connections above 32, in bytes."""
    return max(0, connections - _CONNECTIONS) * (_ENCRYPTED if encrypted else _PLAIN)


def _groups(controller: str, root: Path) -> Iterator[_Group]:
    """Yield this process's groups of a controller, and their parents, as far as mounted."""
    groups = _groups_of_process(root)
    for mount in _mounts(root):
        if mount.controllers and controller not in mount.controllers:
            continue
        group = groups.get(controller if mount.controllers else "")
        if group is not None:
            for folder in _folders(mount, group):
                yield _Group(folder, not mount.controllers)


def _groups_of_process(root: Path) -> dict[str, str]:
    """Return the control groups of this process by controller; "" for version 2."""
    groups: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), group)
    return groups


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, source = line.partition(" - ")
        _, _, _, group, point, *_ = mounted.split(" ")
        kind, _, options = source.split(" ", 2)
        at = root / _unescaped(point).lstrip("/")
        if kind == "cgroup2":
            yield _Mount(at, _unescaped(group), ())
        elif kind == "cgroup":
            yield _Mount(at, _unescaped(group), tuple(options.split(",")))


def _folders(mount: _Mount, group: str) -> Iterator[Path]:
    """Yield the folders of a group and its parents, as far as they are mounted."""
    below = PurePosixPath(group)
    if below.is_relative_to(mount.root):
        below = below.relative_to(mount.root)
    # A group outside the mount (a container may see the host's names) is the mount's root group.
    parts = [part for part in below.parts if part not in {"/", ".."}]
    for depth in range(len(parts), -1, -1):
        yield mount.point.joinpath(*parts[:depth])


def _numbers(path: Path) -> list[int]:
    """Return the numbers in a file; a very large one if it has none, or has another word."""
    words = [word for line in _lines(path) for word in line.split()]
    return [int(word) if word.isdecimal() else _NONE_FROM for word in words] or [_NONE_FROM]


def _unescaped(text: str) -> str:
    # Of the characters that mountinfo escapes, a group's name can only contain a space.
    return text.replace("\\040", " ")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
