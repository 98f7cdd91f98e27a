"""awscrt's S3Client, in C: what aws cli and boto3 can be told to send with."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

# As s3transfer's manager for awscrt has it.
_AT_ONCE = 128


def _command(job: Job) -> Command:
    arguments = (job.volume, job.bucket, PREFIX, job.endpoint_url, job.concurrency or _AT_ONCE)
    return Command(python("upload_with_awscrt", *arguments))


PEER = Peer(
    "awscrt",
    installed("awscrt"),
    f"S3Client with its defaults, a request for each file, {_AT_ONCE} at once; CRC64NVME in a "
    "trailer; payload unsigned",
    _command,
)
