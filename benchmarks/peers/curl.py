"""curl: one PUT of one file, unsigned, as with a presigned URL."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.peers.peer import PREFIX, Command, Job, Peer


def _version() -> str | None:
    binary = shutil.which("curl")
    if binary is None:
        return None
    # S603: a fixed argument to the system's curl.
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return said.stdout.split()[1]


def _command(job: Job) -> Command:
    assert job.single is not None, "curl uploads one file"
    url = f"{job.endpoint_url}/{job.bucket}/{PREFIX}/{job.single.name}"
    argv = ["curl", "--silent", "--show-error", "--fail", "--upload-file", str(job.single), url]
    # --fail needs an output for the empty body of a success.
    return Command((*argv, "--output", "/dev/null"))


PEER = Peer("curl -T", _version, "one PUT in one stream; no signature, no checksum", _command)
