"""awscrt's S3Client, in C: aws cli and boto3 can be configured to use it."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

# As in s3transfer's manager for awscrt.
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
