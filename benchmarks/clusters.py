"""A Dask cluster on loopback: a scheduler, and workers with one thread each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_START_SECONDS = 60.0
_STOP_SECONDS = 60
_PAUSE = 0.05
_COMMON = ("--host=127.0.0.1", "--no-dashboard", "--dashboard-address=127.0.0.1:0")


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[str]:
    """Run a scheduler and workers while the context is active; yield the scheduler's address.

    Their logs and files go to `folder`.

    Raises:
        RuntimeError: a process ended, or did not start within a minute; with its log.
    """
    with ExitStack() as stack:
        address = stack.enter_context(_running(folder, "scheduler", (), r"Scheduler at: +(\S+)"))
        for number in range(workers):
            own = folder / str(number)
            own.mkdir()
            options = (address, "--nthreads=1", "--no-nanny", f"--local-directory={own}")
            stack.enter_context(_running(own, "worker", options, r"(Registered to:)"))
        yield address


@contextmanager
def _running(folder: Path, command: str, options: tuple[str, ...], says: str) -> Iterator[str]:
    """Run a process while the context is active; yield what its log says once it is ready."""
    log = folder / f"{command}.log"
    argv = [sys.executable, "-m", "dask", command, *_COMMON, *options]
    # As on another machine: the run lends its own credentials to the workers.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("w") as stream:
        # S603: it is ours.
        process = subprocess.Popen(  # noqa: S603
            argv,
            stdout=stream,
            stderr=stream,
            env={**kept, "AWS_EC2_METADATA_DISABLED": "true"},
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while (said := re.search(says, log.read_text())) is None:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"dask {command} did not start:\n{log.read_text()}")
            time.sleep(_PAUSE)
        yield said[1]
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
