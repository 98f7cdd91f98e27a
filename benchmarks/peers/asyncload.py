"""asyncload: its defaults, except for the manifest, which no other tool writes."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from datetime import date

from benchmarks.peers.peer import Command, Job, Peer, installed

RUN_DATE = date(2022, 5, 2)
"""The processing date of every run."""


def _command(job: Job) -> Command:
    script = shutil.which("asyncload", path=sysconfig.get_path("scripts"))
    start = (script,) if script else (sys.executable, "-m", "asyncload")
    options = [
        f"--bucket={job.bucket}",
        f"--endpoint-url={job.endpoint_url}",
        f"--date={RUN_DATE}",
        "--no-manifest",
    ]
    if job.concurrency:
        options.append(f"--concurrency={job.concurrency}")
    if job.processes:
        options.append(f"--processes={job.processes}")
    if job.scheduler:
        options.append(f"--dask={job.scheduler}")
    if job.dry_run:
        options += ["--dry-run", "--offline", "--files"]
    if job.memory:
        options.append(f"--memory={job.memory}")
    if not job.signed and not job.encrypted and not job.dry_run:
        options.append("--unsigned-payload")
    return Command((*start, "run", str(job.volume), *options))


PEER = Peer(
    "asyncload",
    installed("asyncload-s3"),
    "its defaults, --no-manifest; --unsigned-payload where the workload is unsigned over HTTP",
    _command,
    looks_first=True,
)

UNOPTIMISED = Peer(
    "asyncload --no-fast-lane",
    installed("asyncload-s3"),
    "as asyncload, every request through aioboto3's client",
    lambda job: Command((*_command(job).argv, "--no-fast-lane")),
    looks_first=True,
)

ON_DASK = Peer(
    "asyncload --dask",
    installed("distributed"),
    "as asyncload, with workers of a Dask cluster on the same machine (the version is Dask's); CPU "
    "and memory are without theirs",
    _command,
    looks_first=True,
)
