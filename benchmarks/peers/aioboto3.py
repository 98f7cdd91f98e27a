"""aioboto3's own uploader, as its users run it."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

_AT_ONCE = 32


def _command(job: Job) -> Command:
    arguments = (job.volume, job.bucket, PREFIX, job.endpoint_url, job.concurrency or _AT_ONCE)
    return Command(python("upload_with_aioboto3", *arguments))


PEER = Peer(
    "aioboto3",
    installed("aioboto3"),
    f"upload_fileobj of every file by gather under a semaphore of {_AT_ONCE}, "
    "max_pool_connections as many; its defaults for parts (8 MiB, 10 at once)",
    _command,
)
