"""AWS CLI, version 1: the one that is compatible with aioboto3's botocore."""

from __future__ import annotations

import shutil
import sysconfig

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed

_REQUESTS = 10
_CONFIGURATION = """\
[default]
region = us-east-1
s3 =
  max_concurrent_requests = {concurrency}
  max_queue_size = 10000
  multipart_threshold = 16MB
  multipart_chunksize = 16MB
  addressing_style = path
"""


def _command(job: Job) -> Command:
    argv = [
        shutil.which("aws", path=sysconfig.get_path("scripts")) or "aws",
        f"--endpoint-url={job.endpoint_url}",
        "s3",
        *(["sync"] if job.again else ["cp", "--recursive"]),
        "--only-show-errors",
        str(job.volume),
        f"s3://{job.bucket}/{PREFIX}/",
    ]
    if not job.tuned and not job.concurrency:
        return Command(tuple(argv))
    configuration = job.scratch / "aws-config"
    configuration.write_text(_CONFIGURATION.format(concurrency=job.concurrency or _REQUESTS))
    environment = {
        "AWS_CONFIG_FILE": str(configuration),
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }
    return Command(tuple(argv), environment)


PEER = Peer(
    "aws cli",
    installed("awscli"),
    "aws s3 cp --recursive --only-show-errors, sync where all is there; CRC32 of each object",
    _command,
    tuned=f"the same; max_concurrent_requests {_REQUESTS} (its default), max_queue_size 10000, "
    "multipart_chunksize 16MB, AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
    looks_first=True,
)
