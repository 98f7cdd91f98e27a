"""The workloads: what is uploaded where, by whom, and what we mean to reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.datasets import DATA_SETS, GIB, MIB, DataSet, sparse
from benchmarks.figures import Target
from benchmarks.peers.every import OURS

Server = Literal["null", "null over TLS", "SeaweedFS"]

_EVERYONE = (OURS, "s5cmd", "obstore", "aws cli", "aioboto3", "boto3", "boto3, threads", "rclone")
_SPARSE = (1, 8 * MIB + 1, GIB, 20 * GIB)
# What a process may hold besides the buffers that --memory sets.
_BASE_MIB = 128
_SPARSE_MEMORY_MIB = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row of the benchmark. `delay` is the null server's, in seconds per request.

    `concurrency` is the same for all tools, or None: what suits each best.
    """

    name: str
    where: str
    data: DataSet
    tools: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    server: Server = "null"
    delay: float = 0.0
    concurrency: int | None = None
    signed: bool = True
    dry_run: bool = False
    memory: str | None = None

    @property
    def title(self) -> str:
        """What is uploaded, and where."""
        return f"{describe(self.data)}, {self.where}"


def describe(data: DataSet) -> str:
    """Say in words what a data set is."""
    count = "one" if data.files == 1 else f"{data.files:,}"
    noun = "CSV" if data.files == 1 else "CSVs"
    if data.kind == "empty":
        return f"{count} empty {noun}"
    sparse_word = "sparse " if data.kind == "sparse" else ""
    about = "about " if data.files > 1 else ""
    return f"{count} {sparse_word}{noun} of {about}{format_size(data.size)}"


def format_size(size: int) -> str:
    """Return bytes as people say them: 1 B, 17 kB, 4 GiB."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size / unit:.0f} {name}"
    return f"{size / 1000:.0f} kB" if size >= 1000 else f"{size} B"


def workloads(quick: bool) -> list[Workload]:
    """Return all of them; `quick` ones are a tenth of the size or less, to see that all works."""
    every = [*_many_files(), *_one_file(), *_planning_and_memory(), *_real_server()]
    if not quick:
        return every
    # Made smaller, some are the same.
    reduced = {one.title: one for one in map(_reduced, every)}
    return list(reduced.values())


def _many_files() -> list[Workload]:
    small = DATA_SETS["small"]
    return [
        Workload(
            name="small",
            where="HTTP",
            data=small,
            tools=_EVERYONE,
            targets=(
                Target("wall", 1.2, "s5cmd"),
                Target("wall", 0.2, "aioboto3"),
                Target("wall", 0.2, "aws cli"),
                Target("cpu", 1.2, "s5cmd"),
                Target("calls_per_file", 1.0),
            ),
        ),
        Workload(
            name="latency",
            where="HTTP, 30 ms per request, 32 at once",
            data=small,
            tools=(OURS, "s5cmd", "obstore"),
            targets=(Target("wall", 1.1, "s5cmd"),),
            delay=0.03,
            concurrency=32,
        ),
        Workload(
            name="pair",
            where="HTTP, start to end",
            data=DATA_SETS["pair"],
            tools=(OURS, "s5cmd", "obstore", "aws cli", "aioboto3", "boto3", "rclone"),
            targets=(Target("wall", 0.8, "aws cli"),),
        ),
    ]


def _one_file() -> list[Workload]:
    large = DATA_SETS["large"]
    return [
        Workload(
            name="large",
            where="HTTP, payload signed",
            data=large,
            tools=_EVERYONE,
            targets=(
                Target("wall", 0.7, "s5cmd"),
                Target("wall", 1.0, "obstore"),
                Target("wall", 0.3, "aioboto3"),
                Target("cpu", 0.6, "s5cmd"),
            ),
        ),
        Workload(
            name="large-unsigned",
            where="HTTP, payload unsigned",
            data=large,
            tools=(OURS, "s5cmd", "obstore", "curl -T"),
            targets=(Target("wall", 0.5, "s5cmd"), Target("wall", 1.2, "curl -T")),
            signed=False,
        ),
        Workload(
            name="large-tls",
            where="TLS, payload unsigned",
            data=large,
            tools=(*_EVERYONE, "curl -T"),
            targets=(
                Target("wall", 0.45, "s5cmd"),
                Target("wall", 1.05, "obstore"),
                Target("cpu", 0.6, "s5cmd"),
            ),
            server="null over TLS",
            signed=False,
        ),
    ]


def _planning_and_memory() -> list[Workload]:
    plan = Workload(
        name="plan",
        where="discovered and planned (dry run)",
        data=DATA_SETS["million"],
        tools=(OURS,),
        targets=(Target("files_per_second", 50_000), Target("rss_mib", _BASE_MIB)),
        dry_run=True,
    )
    memory = [
        Workload(
            name=f"memory-{label}",
            where=f"HTTP, --memory {_SPARSE_MEMORY_MIB}MiB",
            data=sparse(size),
            tools=(OURS,),
            targets=(Target("rss_mib", _BASE_MIB + _SPARSE_MEMORY_MIB),),
            memory=f"{_SPARSE_MEMORY_MIB}MiB",
        )
        for label, size in zip(("1B", "8MiB", "1GiB", "20GiB"), _SPARSE, strict=True)
    ]
    return [plan, *memory]


def _real_server() -> list[Workload]:
    return [
        Workload(
            name="seaweedfs-small",
            where="SeaweedFS",
            data=replace(DATA_SETS["small"], files=5000),
            tools=(OURS, "s5cmd", "obstore", "aws cli", "aioboto3"),
            server="SeaweedFS",
        ),
        Workload(
            name="seaweedfs-large",
            where="SeaweedFS",
            data=replace(DATA_SETS["large"], size=GIB),
            tools=(OURS, "s5cmd", "obstore", "aws cli", "aioboto3"),
            server="SeaweedFS",
        ),
    ]


def _reduced(workload: Workload) -> Workload:
    data = workload.data
    files = max(data.files // 10, min(data.files, 2)) if data.kind != "sparse" else data.files
    size = min(data.size, 256 * MIB)
    return replace(workload, data=replace(data, files=files, size=size))
