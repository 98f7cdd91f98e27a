"""Run a command and measure the whole process: start-up, work and exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")
_TAIL = 2000


class CommandFailed(Exception):
    """A command exited with a status other than 0, or exceeded the time limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources used by a command: seconds of wall and CPU time, and peak resident set in MiB.

    CPU time is user and system time of the command and all children that it waited for. The peak is
    that of the largest of these processes, and at least the launcher's own (about 10 MiB).
    """

    wall: float
    cpu: float
    rss_mib: float


def measure(
    argv: tuple[str, ...], environment: Mapping[str, str], folder: Path, limit: int = 1800
) -> tuple[Usage, int]:
    """Run a command; return its usage, and the number of lines it printed.

    Its output goes to files in `folder`, which is also its working directory.

    Raises:
        CommandFailed: it exited with a status other than 0, or took longer than `limit`
            seconds.
    """
    out, err = folder / "stdout", folder / "stderr"
    order = {
        "argv": argv,
        "environment": dict(environment),
        "stdout": str(out),
        "stderr": str(err),
        "limit": limit,
    }
    argv_of_launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    # S603: the commands are those of peers/.
    with subprocess.Popen(  # noqa: S603
        argv_of_launcher, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as launcher:
        try:
            answer, _ = launcher.communicate(json.dumps(order))
        except BaseException:
            # It terminates its command, and then itself.
            launcher.terminate()
            launcher.communicate()
            raise
    result = json.loads(answer)
    if result["status"]:
        raise CommandFailed(
            f"{' '.join(argv)}\nended with {result['status']} after {result['wall']:.1f} s:\n"
            f"{_end_of(err) or _end_of(out)}"
        )
    with out.open("rb") as printed:
        lines = sum(1 for _ in printed)
    usage = Usage(result["wall"], result["user"] + result["system"], result["rss_kib"] / 1024)
    return usage, lines


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return file.read().decode(errors="replace")
