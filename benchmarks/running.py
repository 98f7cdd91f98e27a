"""Run one workload: verify every row once, then time them in turn, A B C A B C."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clusters import dask_cluster
from benchmarks.datasets import totals
from benchmarks.figures import Run
from benchmarks.measuring import CommandFailed, measure
from benchmarks.peers.every import ON_DASK, PEERS
from benchmarks.peers.peer import Job
from benchmarks.real_store import compare_bucket, make_bucket
from benchmarks.servers import Conditions, Server, null_server, seaweedfs
from benchmarks.verification import (
    NotVerified,
    verify_contents,
    verify_counts,
    verify_nothing_sent,
)
from benchmarks.workloads import HISTORY_DAYS, Entry, Workload
from benchmarks.zones import history_of

BUCKET = "bench-lake"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Volume:
    """A data set on disk: its folder, and the number of files and bytes."""

    root: Path
    files: int
    size: int

    @classmethod
    def at(cls, root: Path) -> Volume:
        """Count the files in a folder."""
        return cls(root, *totals(root))


class WorkloadRunner:
    """Runs the rows of one workload, on data sets created below `data`.

    `verified` has earlier verifications of the same commands in this call, and receives new ones:
    workloads that differ only in their delay are verified once.
    """

    def __init__(
        self, workload: Workload, data: Path, say: Say, verified: dict[object, str] | None = None
    ) -> None:
        self._workload = workload
        self._data = data
        self._say = say
        self._volumes: dict[str, Volume] = {}
        self._known = {} if verified is None else verified
        self._scheduler: str | None = None

    def volume(self, entry: Entry | None = None) -> Volume:
        """Return the volume of a row, or of the workload; create it if it doesn't exist."""
        data = (entry.data if entry else None) or self._workload.data
        if data.name not in self._volumes:
            self._volumes[data.name] = Volume.at(data.make(self._data))
        return self._volumes[data.name]

    def verify(self, entries: tuple[Entry, ...]) -> tuple[dict[str, str], dict[str, str]]:
        """Run each row once without timing; return what was verified, and the errors.

        A row without verification must not be timed.
        """
        verified, failed = {}, {}
        with self._cluster(entries):
            for entry in entries:
                key = self._command_of(entry)
                try:
                    if key not in self._known:
                        self._known[key] = self._verify_once(entry)
                    verified[entry.name] = self._known[key]
                except (CommandFailed, NotVerified) as error:
                    failed[entry.name] = str(error)
                said = verified.get(entry.name) or f"FAILED: {failed[entry.name]}"
                self._say(f"  {entry.name}: {said}")
        return verified, failed

    def time(
        self, entries: tuple[Entry, ...], rounds: int
    ) -> tuple[dict[str, list[Run]], dict[str, str]]:
        """Time each row `rounds` times, or its own number of times, in turn in each round.

        Returns:
            The runs by row, and the errors: a row that failed once has no figures.
        """
        runs: dict[str, list[Run]] = {entry.name: [] for entry in entries}
        failed: dict[str, str] = {}
        with ExitStack() as stack:
            stack.enter_context(self._cluster(entries))
            servers: dict[object, Server] = {}
            for number in range(rounds):
                for entry in entries:
                    if number >= (entry.rounds or rounds) or entry.name in failed:
                        continue
                    try:
                        run = self._time_once(entry, servers, stack)
                    except (CommandFailed, NotVerified) as error:
                        failed[entry.name] = str(error)
                        del runs[entry.name]
                        self._say(f"  round {number + 1}, {entry.name}: FAILED: {error}")
                        continue
                    runs[entry.name].append(run)
                    self._say(
                        f"  round {number + 1}, {entry.name}: {run.wall:.2f} s, "
                        f"CPU {run.cpu:.2f} s, {run.rss_mib:.0f} MiB"
                    )
        return runs, failed

    def _verify_once(self, entry: Entry) -> str:
        with self._server(entry, digests=True) as server:
            _, lines = self._run(entry, server, again=False)
            said = self._compare(entry, server, lines)
            if entry.zone == "unchanged":
                server.reset(counts_only=True)
                self._run(entry, server, again=True)
                said += f"; then {verify_nothing_sent(server.stats())}"
            return said

    def _time_once(self, entry: Entry, servers: dict[object, Server], stack: ExitStack) -> Run:
        if self._workload.server == "SeaweedFS":
            # A new server for each run: all tools start with empty storage.
            with self._server(entry, digests=False) as own:
                return self._run(entry, own, again=False)[0]
        again = entry.zone == "unchanged"
        # Objects of the first run stay for later runs of the same row.
        key = entry.name if again else entry.zone
        server = servers.get(key)
        if server is None:
            server = servers[key] = stack.enter_context(self._server(entry, digests=False))
            if again:
                self._run(entry, server, again=False)
        server.reset(counts_only=again)
        run, _ = self._run(entry, server, again)
        stats = server.stats()
        if not self._workload.dry_run:
            volume = self.volume(entry)
            verify_counts(volume.files, volume.size, stats)
        if again:
            verify_nothing_sent(stats)
        lists = sum(stats["calls"].get(name, 0) for name in ("ListObjectsV2", "ListObjects"))
        return Run(
            run.wall,
            run.cpu,
            run.rss_mib,
            calls=stats["requests"],
            lists=lists,
            server_cpu=stats["cpu_seconds"],
            body_bytes=stats["body_bytes"],
        )

    def _run(self, entry: Entry, server: Server, again: bool) -> tuple[Run, int]:
        with tempfile.TemporaryDirectory() as scratch:
            job = self._job(entry, server, Path(scratch), again)
            command = PEERS[entry.tool].command(job)
            environment = server.environment() | dict(command.environment)
            usage, lines = measure(command.argv, environment, Path(scratch))
        return Run(usage.wall, usage.cpu, usage.rss_mib), lines

    def _job(self, entry: Entry, server: Server, scratch: Path, again: bool) -> Job:
        workload, volume = self._workload, self.volume(entry)
        return Job(
            volume=volume.root,
            endpoint_url=server.url,
            bucket=BUCKET,
            scratch=scratch,
            single=next(volume.root.iterdir()) if volume.files == 1 else None,
            concurrency=entry.concurrency,
            processes=entry.processes,
            scheduler=self._scheduler if entry.tool == ON_DASK else None,
            tuned=entry.tuned,
            again=again,
            signed=workload.signed,
            dry_run=workload.dry_run,
            memory=workload.memory,
            ca_bundle=server.ca_bundle,
        )

    def _command_of(self, entry: Entry) -> object:
        """Return everything that a verification depends on: the command and its server."""
        workload = self._workload
        data = (entry.data or workload.data).name
        how = (entry.tool, entry.concurrency, entry.processes, entry.tuned, entry.zone, data)
        where = (workload.server, workload.signed, workload.capacity)
        return (*how, *where, workload.dry_run, workload.memory)

    @contextmanager
    def _cluster(self, entries: tuple[Entry, ...]) -> Iterator[None]:
        """Run the workload's Dask cluster while the context is active, if a row needs it."""
        if not any(entry.tool == ON_DASK for entry in entries):
            yield
            return
        with (
            tempfile.TemporaryDirectory() as folder,
            dask_cluster(Path(folder), self._workload.workers) as self._scheduler,
        ):
            yield

    @contextmanager
    def _server(self, entry: Entry, digests: bool) -> Iterator[Server]:
        workload = self._workload
        if workload.server == "SeaweedFS":
            with seaweedfs() as server:
                make_bucket(server, BUCKET)
                yield server
            return
        # The verification need not include options that only affect time.
        slow = not digests or workload.capacity is not None
        history = None
        if entry.zone == "history":
            history = history_of(self.volume(entry).root, BUCKET, HISTORY_DAYS)
        conditions = Conditions(
            tls=workload.server == "null over TLS",
            delay=workload.delay if slow else 0.0,
            rate=workload.rate if slow else None,
            capacity=workload.capacity,
            digests=digests,
            md5=entry.zone == "unchanged",
            history=history,
        )
        with (
            tempfile.TemporaryDirectory() as folder,
            null_server(Path(folder), conditions) as server,
        ):
            yield server

    def _compare(self, entry: Entry, server: Server, lines: int) -> str:
        volume = self.volume(entry)
        if self._workload.server == "SeaweedFS":
            return compare_bucket(server, BUCKET, volume.root)
        stats: Mapping[str, Any] = server.stats(objects=True)
        if self._workload.dry_run:
            if stats["body_bytes"] or stats["objects"] or lines < volume.files:
                raise NotVerified(f"{lines} lines for {volume.files} files, and {stats['calls']}")
            return f"{lines:,} lines printed, nothing sent"
        return verify_contents(volume.root, stats)
