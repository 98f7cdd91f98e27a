"""obstore (Rust's object_store): asynchronous puts, a fixed number concurrently."""

from __future__ import annotations

from benchmarks.peers.peer import PREFIX, Command, Job, Peer, installed, python

_FILES_AT_ONCE = 32
_PART_MIB = 8
# Signing uses the CPU, so more concurrent parts would only wait.
_PARTS_AT_ONCE = {"signed": 4, "unsigned": 8}


def _command(job: Job) -> Command:
    at_once = job.concurrency or _FILES_AT_ONCE
    arguments = (job.volume, job.bucket, PREFIX, job.endpoint_url, at_once)
    if not job.tuned:
        return Command(python("upload_with_obstore", *arguments))
    signs = "unsigned" if job.encrypted or not job.signed else "signed"
    tuning = (signs, _PART_MIB, _PARTS_AT_ONCE[signs])
    return Command(python("upload_with_obstore", *arguments, *tuning))


PEER = Peer(
    "obstore",
    installed("obstore"),
    f"put_async of paths under a semaphore of {_FILES_AT_ONCE}, its defaults: parts of 5 MiB, 12 "
    "at once; payload signed, no checksum",
    _command,
    tuned=f"the same; chunk_size {_PART_MIB} MiB, max_concurrency {_PARTS_AT_ONCE['signed']}, "
    f"{_PARTS_AT_ONCE['unsigned']} where unsigned; unsigned_payload on TLS and where the workload "
    "is unsigned",
)
