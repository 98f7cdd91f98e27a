"""A Dask cluster on loopback: a scheduler, and workers that can be started and killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.processes import below

ROOT = Path(__file__).resolve().parents[2]
# Its HTTP server runs even so.
_NO_DASHBOARD = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]


class Cluster:
    """A scheduler, by its address, and the processes of its workers."""

    def __init__(self, folder):
        self.address = None
        self.workers = []
        self._folder = folder
        self._processes = []

    def start_scheduler(self):
        """Start the scheduler, which has an address from then on."""
        _, self.address = self._start("scheduler", "--port", "0", says="Scheduler at:")

    def start_worker(self):
        """Start a worker; return its process and its address."""
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", self._folder]
        process, address = self._start(
            "worker", self.address, *options, says="Start worker at:", then="Registered to:"
        )
        self.workers.append(process)
        return process, address

    def loading(self):
        """The processes that its workers have started for runs."""
        return [pid for worker in self.workers for pid in below(worker.pid) if _is_ours(pid)]

    def stop_all(self):
        """Stop all that still runs, the scheduler last."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(60)

    def _start(self, command, *options, says, then=""):
        """Start a process; return it once its log says an address, and that address."""
        log = self._folder / f"{len(self._processes)}.log"
        # As on another machine: without the test's credentials and settings.
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "ASYNCLOAD_"))}
        with log.open("w") as stream:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dask", command, "--host", "127.0.0.1"),
                    *(*_NO_DASHBOARD, *options),
                ],
                stdout=stream,
                stderr=stream,
                env=kept | {"PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"},
            )
        self._processes.append(process)
        said = re.compile(rf"{says} +(\S+)\n.*{then}", re.DOTALL)
        while (match := said.search(log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        return process, match[1]


def _is_ours(pid):
    with suppress(OSError):
        return b"operations.workers.processes" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextmanager
def dask_cluster(folder, workers=2):
    """Run a scheduler and workers."""
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.stop_all()
