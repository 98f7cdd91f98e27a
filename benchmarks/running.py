"""Run one workload: verify every tool once, then time them in turn, A B C A B C."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.datasets import totals
from benchmarks.figures import Run
from benchmarks.measuring import CommandFailed, measure
from benchmarks.peers.every import PEERS
from benchmarks.peers.peer import Job
from benchmarks.real_store import compare_bucket, make_bucket
from benchmarks.servers import Server, null_server, seaweedfs
from benchmarks.verification import (
    NotVerified,
    verify_contents,
    verify_counts,
)
from benchmarks.workloads import Workload

BUCKET = "bench-lake"
Say = Callable[[str], None]


class WorkloadRunner:
    """One workload on the data in `volume`."""

    def __init__(self, workload: Workload, volume: Path, say: Say) -> None:
        self._workload = workload
        self._volume = volume
        self._say = say
        self.files, self.size = totals(volume)
        self._single = next(volume.iterdir()) if self.files == 1 else None

    def verify(self, tools: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
        """Run each tool once, untimed; return what was verified of each, and what went wrong.

        A tool of which nothing could be verified is not to be timed.
        """
        verified, failed = {}, {}
        for tool in tools:
            try:
                with self._server(digests=True) as server:
                    _, lines = self._run(tool, server)
                    verified[tool] = self._compare(server, lines)
            except (CommandFailed, NotVerified) as error:
                failed[tool] = str(error)
            self._say(f"  {tool}: {verified.get(tool) or 'FAILED: ' + failed[tool]}")
        return verified, failed

    def time(self, tools: tuple[str, ...], rounds: int) -> dict[str, list[Run]]:
        """Time each tool `rounds` times, one after the other in each round.

        Raises:
            CommandFailed: a tool failed that was verified before.
            NotVerified: it uploaded something else than before.
        """
        runs: dict[str, list[Run]] = {tool: [] for tool in tools}
        with ExitStack() as stack:
            shared = None
            if self._workload.server != "SeaweedFS":
                shared = stack.enter_context(self._server(digests=False))
            for number in range(rounds):
                for tool in tools:
                    run = self._time_once(tool, shared)
                    runs[tool].append(run)
                    self._say(
                        f"  round {number + 1}, {tool}: {run.wall:.2f} s, CPU {run.cpu:.2f} s, "
                        f"{run.rss_mib:.0f} MiB"
                    )
        return runs

    def _time_once(self, tool: str, shared: Server | None) -> Run:
        if shared is None:
            with self._server(digests=False) as server:
                return self._run(tool, server)[0]
        shared.reset()
        run, _ = self._run(tool, shared)
        stats = shared.stats()
        if not self._workload.dry_run:
            verify_counts(self.files, self.size, stats)
        return Run(
            run.wall,
            run.cpu,
            run.rss_mib,
            calls=stats["requests"],
            lists=stats["calls"].get("ListObjectsV2", 0),
            server_cpu=stats["cpu_seconds"],
        )

    def _run(self, tool: str, server: Server) -> tuple[Run, int]:
        workload = self._workload
        with tempfile.TemporaryDirectory() as scratch:
            job = Job(
                volume=self._volume,
                endpoint_url=server.url,
                bucket=BUCKET,
                scratch=Path(scratch),
                single=self._single,
                concurrency=workload.concurrency,
                signed=workload.signed,
                dry_run=workload.dry_run,
                memory=workload.memory,
                ca_bundle=server.ca_bundle,
            )
            command = PEERS[tool].command(job)
            environment = server.environment() | dict(command.environment)
            usage, lines = measure(command.argv, environment, Path(scratch))
        return Run(usage.wall, usage.cpu, usage.rss_mib), lines

    @contextmanager
    def _server(self, digests: bool) -> Iterator[Server]:
        workload = self._workload
        if workload.server == "SeaweedFS":
            # One of its own for each run: the same empty storage for everybody.
            with seaweedfs() as server:
                make_bucket(server, BUCKET)
                yield server
        else:
            with tempfile.TemporaryDirectory() as folder:
                tls = workload.server == "null over TLS"
                # The verification may go without the delay.
                delay = 0.0 if digests else workload.delay
                with null_server(Path(folder), tls, delay, digests) as server:
                    yield server

    def _compare(self, server: Server, lines: int) -> str:
        if self._workload.server == "SeaweedFS":
            return compare_bucket(server, BUCKET, self._volume)
        stats: Mapping[str, Any] = server.stats(objects=True)
        if self._workload.dry_run:
            if stats["body_bytes"] or stats["objects"] or lines < self.files:
                raise NotVerified(f"{lines} lines for {self.files} files, and {stats['calls']}")
            return f"{lines:,} lines printed, nothing sent"
        return verify_contents(self._volume, stats)
