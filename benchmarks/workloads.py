"""The workloads: data, servers, tools, and our targets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.datasets import DATA_SETS, GIB, MIB, DataSet, sparse
from benchmarks.figures import Target
from benchmarks.peers.every import ON_DASK, OURS, UNOPTIMISED

Server = Literal["null", "null over TLS", "SeaweedFS"]
Zone = Literal["empty", "history", "unchanged"]

HISTORY_DAYS = 400
ROUNDS = 5
"""How often each row is timed, unless it or the command line says otherwise."""
# Tools that take as long as asyncload or less, and tools that take many times as long, with the
# number of their concurrent files (rclone: four, with two requests each).
_FAST = ("s5cmd", "obstore", "opendal", "awscrt")
_SLOW: Mapping[str, float] = {
    UNOPTIMISED: 256,
    "aioboto3": 32,
    "aws cli": 10,
    "boto3": 1,
    "boto3, threads": 10,
    "rclone": 2,
}
_SENDS_AGAIN = "it sends everything again"
_SPARSE = {"1B": 1, "8MiB": 8 * MIB + 1, "1GiB": GIB, "20GiB": 20 * GIB}
# Memory of a process besides the buffers of --memory, and the default of --memory.
_BASE_MIB = 128
_DEFAULT_MEMORY_MIB = 256
_SPARSE_MEMORY_MIB = 64
_CAPACITY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a workload's table: a tool, and the differences of its run from the workload.

    `differs` describes them. `data` is another data set than the workload's, such as a tenth of it
    for a slow tool; `zone` is the earlier content of the bucket; `concurrency`, `processes` and
    `tuned` are as
    in a `Job`; without both the tool runs with its defaults. `rounds` is the maximum number of
    timed runs.
    """

    tool: str
    differs: str = ""
    data: DataSet | None = None
    zone: Zone = "empty"
    concurrency: int | None = None
    processes: int | None = None
    tuned: bool = False
    rounds: int | None = None

    @property
    def name(self) -> str:
        """The tool, and the differences."""
        return f"{self.tool} ({self.differs})" if self.differs else self.tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One table of the benchmark; its rows are run in turn.

    `delay` is the null server's delay in seconds per request; `rate` the bytes per second that it
    reads from one connection; `capacity` the requests per second that it serves;
    `workers` the number of workers of the Dask cluster. `excluded` has the
    tools that can't do the work, with the reason. `minutes` is the approximate duration with five
    rounds on two cores; `on_defaults` says whether it is about default settings.
    """

    name: str
    where: str
    data: DataSet
    entries: tuple[Entry, ...]
    minutes: float
    on_defaults: bool = True
    targets: tuple[Target, ...] = ()
    server: Server = "null"
    delay: float = 0.0
    rate: float | None = None
    capacity: float | None = None
    signed: bool = True
    dry_run: bool = False
    memory: str | None = None
    workers: int = 0
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The data and its target."""
        return f"{describe(self.data)}, {self.where}"

    def only(
        self, tools: Collection[str] | None, *, defaults: bool = False, bounds: bool = False
    ) -> Workload:
        """Return the workload with fewer rows, and their duration.

        Args:
            tools: only rows of these tools, None for all.
            defaults: no tuned rows.
            bounds: only rows with a target.
        """
        bounded = {row for target in self.targets for row in (target.ours, *target.peers)}
        kept = tuple(
            entry
            for entry in self.entries
            if (tools is None or entry.tool in tools)
            and not (defaults and entry.tuned)
            and (not bounds or entry.name in bounded)
        )
        share = sum(map(_rounds, kept)) / sum(map(_rounds, self.entries))
        return replace(self, entries=kept, minutes=self.minutes * share)


def _rounds(entry: Entry) -> int:
    return entry.rounds or ROUNDS


def describe(data: DataSet) -> str:
    """Describe a data set in words."""
    count = "one" if data.files == 1 else f"{data.files:,}"
    noun = "CSV" if data.files == 1 else "CSVs"
    if data.kind == "empty":
        return f"{count} empty {noun}"
    sparse_word = "sparse " if data.kind == "sparse" else ""
    about = "about " if data.files > 1 else ""
    top = " at the top of the volume" if data.kind == "flat" else ""
    return f"{count} {sparse_word}{noun} of {about}{format_size(data.size)}{top}"


def format_size(size: int) -> str:
    """Format bytes: 1 B, 17 kB, 4 GiB."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size / unit:.0f} {name}"
    return f"{size / 1000:.0f} kB" if size >= 1000 else f"{size} B"


def workloads(quick: bool) -> list[Workload]:
    """Return all workloads; with `quick`, of at most a tenth of the size, as a function test."""
    return [
        *_many_files(_Sizes(quick)),
        *_late_answers(_Sizes(quick)),
        *_limits(_Sizes(quick)),
        *_one_file(_Sizes(quick)),
        *_processes(_Sizes(quick)),
        *_planning_and_memory(_Sizes(quick)),
        *_real_server(_Sizes(quick)),
    ]


@dataclass(frozen=True, slots=True)
class _Sizes:
    quick: bool

    def of(self, data: DataSet) -> DataSet:
        """Return a data set, or its replacement in a quick run."""
        if not self.quick:
            return data
        files = max(data.files // 10, min(data.files, 2))
        return replace(data, files=files, size=min(data.size, 256 * MIB))


def _rows(tools: tuple[str, ...], *, rounds: int | None = None) -> list[Entry]:
    return [Entry(tool=tool, rounds=rounds) for tool in tools]


def _tuned(*tools: str, rounds: int | None = None) -> list[Entry]:
    return [Entry(tool=tool, differs="tuned", tuned=True, rounds=rounds) for tool in tools]


def _fewer(row: Entry, data: DataSet, divisor: int = 10, rounds: int = 2) -> Entry:
    """Return the row with a tenth of the files or less, and two rounds, for a slow tool."""
    part = replace(data, files=max(data.files // divisor, 2))
    words = [row.differs] if row.differs else []
    differs = ", ".join([*words, f"{part.files:,} files"])
    return replace(row, differs=differs, data=part, rounds=rounds)


def _many_files(sizes: _Sizes) -> list[Workload]:
    small, flat, pair = (sizes.of(DATA_SETS[name]) for name in ("small", "flat", "pair"))
    ours_in_folders = Entry(tool=OURS, differs="in folders", data=small)
    with_history = Entry(tool=OURS, differs=f"{HISTORY_DAYS} days of history", zone="history")
    unchanged = Entry(tool=OURS, differs="unchanged", zone="unchanged")
    two_files = Entry(tool=OURS, differs="2 files", data=pair)
    slow = {tool: _fewer(Entry(tool=tool), small) for tool in _SLOW}
    slow_tuned = [_fewer(row, small) for row in _tuned("aws cli", "rclone")]
    return [
        Workload(
            name="flat",
            where="HTTP",
            data=flat,
            entries=(
                *_rows((OURS,)),
                ours_in_folders,
                with_history,
                unchanged,
                *_rows(_FAST),
                *(
                    _fewer(Entry(tool=tool), flat)
                    for tool in (UNOPTIMISED, "aioboto3", "aws cli", "boto3")
                ),
                Entry(tool="s5cmd", differs="unchanged", zone="unchanged"),
                *(
                    _fewer(Entry(tool=tool, differs="unchanged", zone="unchanged"), flat)
                    for tool in ("aws cli", "rclone")
                ),
            ),
            excluded={
                f"{tool} (unchanged)": _SENDS_AGAIN
                for tool in ("obstore", "opendal", "awscrt", "aioboto3", "boto3")
            }
            | dict.fromkeys(("boto3, threads", "rclone"), "as with the same files in folders"),
            targets=(
                Target("wall", 1.05, (ours_in_folders.name,)),
                Target("wall", 0.75, ("s5cmd",)),
                Target("requests_per_file", 1.01),
                Target("wall", 1.5, (OURS,), ours=with_history.name),
                Target("body_bytes", 0, ours=unchanged.name),
                Target("wall", 0.5, (OURS,), ours=unchanged.name),
            ),
            minutes=4,
        ),
        Workload(
            name="small",
            where="HTTP",
            data=small,
            entries=(
                *_rows((OURS, *_FAST)),
                with_history,
                unchanged,
                two_files,
                *slow.values(),
                *_tuned("s5cmd", "obstore"),
                *slow_tuned,
            ),
            targets=(
                Target("wall", 0.65, ("s5cmd",)),
                Target("wall", 1.3, ("obstore",)),
                Target("cpu_us_per_file", 150, (two_files.name,)),
                Target("wall", 1.2, ("s5cmd (tuned)",)),
                Target("wall", 0.2, (slow["aioboto3"].name,)),
                Target("wall", 0.2, (slow_tuned[0].name,)),
                Target("cpu", 1.2, ("s5cmd (tuned)",)),
                Target("calls_per_file", 1.0),
            ),
            minutes=5,
        ),
        Workload(
            name="small-tls",
            where="TLS",
            data=small,
            entries=tuple(_rows((OURS, *_FAST), rounds=3)),
            server="null over TLS",
            minutes=2,
        ),
        Workload(
            name="pair",
            where="HTTP, start to end",
            data=pair,
            entries=(
                *_rows((OURS, *_FAST, "aioboto3", "aws cli", "boto3", "rclone")),
                *_tuned("aws cli"),
            ),
            targets=(
                Target("wall", 0.8, ("boto3",)),
                Target("wall", 0.8, ("aws cli (tuned)",)),
            ),
            minutes=0.5,
        ),
    ]


def _late_answers(sizes: _Sizes) -> list[Workload]:
    small = sizes.of(DATA_SETS["small"])
    # Milliseconds, our bound relative to s5cmd's time, candidates for concurrency, minutes.
    auto = [
        _late(small, 5, 0.75, (32, 64, 128), 3),
        _late(small, 30, 0.6, (128, 256), 3),
        _late(small, 100, 0.6, (256,), 4.5),
    ]
    fixed = Workload(
        name="latency-32",
        where="HTTP, 30 ms per request, 32 at once",
        data=small,
        entries=tuple(
            Entry(tool=tool, differs="32 at once", concurrency=32, tuned=True, rounds=3)
            for tool in (OURS, "s5cmd", "obstore")
        ),
        targets=(Target("wall", 1.1, ("s5cmd (32 at once)",), ours=f"{OURS} (32 at once)"),),
        delay=0.03,
        minutes=4,
        on_defaults=False,
    )
    return [*auto, fixed]


def _late(
    data: DataSet, milliseconds: int, bound: float, fixed: tuple[int, ...], minutes: float
) -> Workload:
    ours_fixed = [
        Entry(tool=OURS, differs=f"{number} at once", concurrency=number) for number in fixed
    ]
    return Workload(
        name=f"latency-{milliseconds}",
        where=f"HTTP, {milliseconds} ms per request",
        data=data,
        entries=(
            *_rows((OURS, "s5cmd")),
            *ours_fixed,
            *(_fewer(Entry(tool=tool), data) for tool in ("obstore", "opendal", "awscrt")),
            *(
                _fewer(Entry(tool=tool), data, _divisor(data, milliseconds, at_once), rounds=1)
                for tool, at_once in _SLOW.items()
            ),
        ),
        targets=(
            Target("wall", bound, ("s5cmd",)),
            # 0.9 of the throughput with the best number.
            Target("wall", 1 / 0.9, tuple(one.name for one in ours_fixed)),
        ),
        delay=milliseconds / 1000,
        minutes=minutes,
    )


def _divisor(data: DataSet, milliseconds: int, at_once: float) -> int:
    """Return the divisor of the number of files for a tool that waits for delayed answers.

    It should take about 10 s: one after the other, 20,000 requests of 100 ms take half an hour;
    with too few files, only start-up is measured.
    """
    seconds = data.files / at_once * milliseconds / 1000
    return next((part for part in (10, 20) if seconds / part <= 11), 100)


def _limits(sizes: _Sizes) -> list[Workload]:
    return [
        Workload(
            name="bandwidth",
            where="HTTP, 30 ms per request, 40 MB/s a connection",
            data=sizes.of(replace(DATA_SETS["large"], size=2 * GIB)),
            entries=(
                *_rows((OURS, "s5cmd")),
                *_rows(("obstore", "awscrt"), rounds=3),
                *_rows((UNOPTIMISED, "aioboto3", "aws cli", "boto3", "rclone"), rounds=1),
            ),
            excluded={"opendal": "it sends a file as one request, on one connection"},
            targets=(
                Target("wall", 0.45, ("s5cmd",)),
                Target("rss_mib", _BASE_MIB + _DEFAULT_MEMORY_MIB),
            ),
            delay=0.03,
            rate=40e6,
            minutes=3.5,
        ),
        Workload(
            name="capacity",
            where=f"HTTP, 30 ms per request, {_CAPACITY} requests/s, then 503",
            data=sizes.of(replace(DATA_SETS["small"], files=5000)),
            entries=(
                *_rows((OURS,)),
                *_rows(("s5cmd", "obstore", "awscrt", "aws cli", "boto3, threads"), rounds=1),
            ),
            excluded={
                "opendal": "it tries nothing again by default: the first 503 ends it",
                "boto3": "it stays below the capacity",
                "rclone": "it stays below the capacity",
            },
            targets=(Target("files_per_second", 0.9 * _CAPACITY),),
            delay=0.03,
            capacity=_CAPACITY,
            minutes=3.5,
        ),
    ]


def _one_file(sizes: _Sizes) -> list[Workload]:
    large = sizes.of(DATA_SETS["large"])
    gib = replace(large, size=min(large.size, GIB))
    size = format_size(gib.size)

    def slow(*tools: str) -> list[Entry]:
        return [Entry(tool=tool, differs=size, data=gib, rounds=1) for tool in tools]

    return [
        Workload(
            name="large",
            where="HTTP, payload signed",
            data=large,
            entries=(
                *_rows((OURS, *_FAST)),
                *_rows(("aioboto3",), rounds=3),
                *slow(UNOPTIMISED, "aws cli", "boto3", "boto3, threads", "rclone"),
                *_tuned("obstore"),
                *(
                    replace(row, data=gib, rounds=1, differs=f"tuned, {size}")
                    for row in _tuned("aws cli", "rclone")
                ),
            ),
            targets=(
                Target("wall", 0.7, ("s5cmd",)),
                Target("wall", 1.0, ("obstore (tuned)",)),
                Target("wall", 0.3, ("aioboto3",)),
                Target("cpu", 0.6, ("s5cmd",)),
            ),
            minutes=5,
        ),
        Workload(
            name="large-unsigned",
            where="HTTP, payload unsigned",
            data=large,
            entries=(*_rows((OURS, "s5cmd", "curl -T")), *_tuned("obstore")),
            targets=(Target("wall", 0.5, ("s5cmd",)), Target("wall", 1.2, ("curl -T",))),
            signed=False,
            minutes=1.5,
        ),
        Workload(
            name="large-tls",
            where="TLS, payload unsigned",
            data=large,
            entries=(
                *_rows((OURS, *_FAST, "curl -T")),
                *slow(UNOPTIMISED, "aioboto3", "aws cli", "boto3", "rclone"),
                *_tuned("obstore"),
            ),
            targets=(
                Target("wall", 0.45, ("s5cmd",)),
                Target("wall", 1.05, ("obstore (tuned)",)),
                Target("cpu", 0.6, ("s5cmd",)),
            ),
            server="null over TLS",
            signed=False,
            minutes=4,
        ),
    ]


def _processes(sizes: _Sizes) -> list[Workload]:
    """Return workloads of one process, two, and as many as are chosen, of which one is best."""
    one, two = (
        Entry(tool=OURS, differs=f"{count} process{'es' * (count > 1)}", processes=count)
        for count in (1, 2)
    )
    best = Target("wall", 1.05, (one.name,)), Target("wall", 1.05, (two.name,))

    def workload(
        name: str, where: str, data: str, *, minutes: float, server: Server = "null"
    ) -> Workload:
        small = data == "small"
        peers = ("s5cmd", "obstore") if small else ("obstore",) if data == "four" else ()
        bounds = {
            "small": (
                Target("wall", 0.4, ("s5cmd",), ours=two.name),
                Target("wall", 0.8, ("obstore",), ours=two.name),
                Target("wall", 0.55, (one.name,), ours=two.name),
            ),
            "four": (Target("wall", 0.8, ("obstore",)),),
        }
        return Workload(
            name=f"processes-{name}",
            where=where,
            data=sizes.of(DATA_SETS[data]),
            entries=(*_rows((OURS,)), one, two, *_rows(peers)),
            targets=(*best, *bounds.get(data, ())),
            server=server,
            signed=server == "null",
            minutes=minutes,
        )

    tls: Server = "null over TLS"
    return [
        workload("pair", "HTTP", "pair", minutes=0.2),
        workload("few", "HTTP", "few", minutes=0.2),
        workload("small", "HTTP", "small", minutes=1.5),
        workload("large", "TLS, payload unsigned", "large", minutes=1.5, server=tls),
        workload("four", "TLS, payload unsigned", "four", minutes=1.5, server=tls),
        Workload(
            name="dask-small",
            where="HTTP, a Dask cluster of two workers on the same machine",
            data=sizes.of(DATA_SETS["small"]),
            entries=(two, Entry(tool=ON_DASK)),
            targets=(Target("wall", 1.3, (two.name,), ours=ON_DASK),),
            workers=2,
            minutes=1,
        ),
    ]


def _planning_and_memory(sizes: _Sizes) -> list[Workload]:
    plan = Workload(
        name="plan",
        where="discovered and planned (dry run)",
        data=sizes.of(DATA_SETS["million"]),
        entries=(Entry(tool=OURS, rounds=3),),
        targets=(Target("files_per_second", 50_000), Target("rss_mib", _BASE_MIB)),
        dry_run=True,
        minutes=1,
    )
    memory = {
        # After reduction, some are equal.
        min(size, 256 * MIB) if sizes.quick else size: label
        for label, size in _SPARSE.items()
    }
    return [
        plan,
        *(
            Workload(
                name=f"memory-{label}",
                where=f"HTTP, --memory {_SPARSE_MEMORY_MIB}MiB",
                data=sparse(size),
                entries=(Entry(tool=OURS, rounds=3),),
                targets=(Target("rss_mib", _BASE_MIB + _SPARSE_MEMORY_MIB),),
                memory=f"{_SPARSE_MEMORY_MIB}MiB",
                minutes=1.5 if label == "20GiB" else 0.2,
                on_defaults=False,
            )
            for size, label in memory.items()
        ),
    ]


def _real_server(sizes: _Sizes) -> list[Workload]:
    entries = (
        *_rows((OURS, "s5cmd", "obstore")),
        *_rows(("opendal", "awscrt", "aws cli", "aioboto3"), rounds=2),
    )
    return [
        Workload(
            name="seaweedfs-small",
            where="SeaweedFS",
            data=sizes.of(replace(DATA_SETS["small"], files=5000)),
            entries=entries,
            server="SeaweedFS",
            minutes=3,
            on_defaults=False,
        ),
        Workload(
            name="seaweedfs-large",
            where="SeaweedFS",
            data=sizes.of(replace(DATA_SETS["large"], size=GIB)),
            entries=entries,
            server="SeaweedFS",
            minutes=5,
            on_defaults=False,
        ),
    ]
