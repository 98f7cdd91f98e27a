"""Run a command and measure it whole: start-up, work and end."""

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
    """A command ended with another status than 0, or not in time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took: seconds of wall and CPU time, and its peak resident set in MiB.

    CPU time is user and system, of the command and of all children that it waited for. The peak
    is that of the largest of these processes, and never reads as less than the launcher's own
    (some 10 MiB).
    """

    wall: float
    cpu: float
    rss_mib: float


def measure(
    argv: tuple[str, ...], environment: Mapping[str, str], folder: Path, limit: int = 1800
) -> tuple[Usage, int]:
    """Run a command to its end; return what it took, and how many lines it printed.

    What it prints goes to files in `folder`, which is also where it runs.

    Raises:
        CommandFailed: it ended with another status than 0, or was not through in `limit` seconds.
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
            # It ends what it has started, and then itself.
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
