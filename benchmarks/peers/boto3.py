"""boto3: the usual loop, and the same with threads."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

_THREADS = 10


def _command(job: Job, threads: int) -> Command:
    arguments = (
        job.volume,
        job.bucket,
        PREFIX,
        job.endpoint_url,
        threads,
        job.concurrency or _THREADS,
    )
    environment = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"} if threads > 1 else {}
    return Command(python("upload_with_boto3", *arguments), environment)


LOOP = Peer(
    "boto3",
    installed("boto3"),
    "upload_file in a loop, one file after the other, all defaults: what people write",
    lambda job: _command(job, 1),
)

THREADS = Peer(
    "boto3, threads",
    installed("boto3"),
    f"upload_file from a pool of {_THREADS} threads with one client; one file's parts on as "
    "many threads, 16 MiB each; AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
    lambda job: _command(job, job.concurrency or _THREADS),
)
