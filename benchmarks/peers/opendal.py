"""opendal (Rust): asynchronous writes of complete files, a fixed number concurrently."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

_AT_ONCE = 32


def _command(job: Job) -> Command:
    arguments = (job.volume, job.bucket, PREFIX, job.endpoint_url, job.concurrency or _AT_ONCE)
    return Command(python("upload_with_opendal", *arguments))


PEER = Peer(
    "opendal",
    installed("opendal"),
    f"AsyncOperator.write of each file's bytes under a semaphore of {_AT_ONCE}, its defaults; "
    "payload unsigned, no checksum; holds each file in memory",
    _command,
)
