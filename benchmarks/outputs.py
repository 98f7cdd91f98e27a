"""`python -m benchmarks.outputs`: what each output of a run costs, beside a run of 20,000 files.

The run is measured against a null server, the outputs alone, fed with as many events: differences
of whole runs would drown in the noise of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from asyncload.cli.imports import enable_garbage_collection, import_s3
from asyncload.model.values import (
    Checksum,
    Event,
    FileFinished,
    LoadStarted,
    ObjectKey,
    RequestMade,
    RunStarted,
    Uploaded,
)
from asyncload.operations.observing import Emitter
from asyncload.reporting.live import LiveProgress
from asyncload.reporting.machines.lineage import Described, Lineage
from asyncload.reporting.machines.log import JsonLog
from asyncload.reporting.machines.metrics import MetricsFile
from asyncload.reporting.machines.outlet import Outlet, RunEnd
from asyncload.reporting.machines.traces import Span, Traces
from asyncload.reporting.progress import PlainProgress
from asyncload.reporting.report import Report
from asyncload.store.retries import Tracer
from benchmarks.datasets import DATA_SETS
from benchmarks.measuring import measure
from benchmarks.servers import null_server

_FILES = DATA_SETS["small"].files
_SIZE = DATA_SETS["small"].size
_ROUNDS = 5
_FRAMES = 100
_FRAMES_OF_RUN = 40
_NOW = datetime.now(UTC)
_STARTED = (RunStarted("one", "lake", _NOW.date(), _NOW), LoadStarted(_FILES, _FILES * _SIZE))


class Cost(NamedTuple):
    """The CPU time of an output: of each file, and once for a run, in seconds."""

    name: str
    per_file: float
    once: float = 0.0


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outputs", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()), help="data sets")
    parser.add_argument("--runs", type=int, default=3, help="runs; the shortest one counts")
    options = parser.parse_args()
    base = min(_run_cpu(options.data) for _ in range(options.runs))
    print(f"a run of {_FILES:,} files: {base:.2f} s of CPU time")
    print("| output | per file | once for a run | share of the run |")
    print("|---|---|---|---|")
    for name, per_file, once in _costs():
        share = (per_file * _FILES + once) / base
        print(f"| {name} | {per_file * 1e6:.2f} µs | {once * 1e3:.0f} ms | {share:.1%} |")


def _run_cpu(data: Path) -> float:
    volume = DATA_SETS["small"].make(data)
    with tempfile.TemporaryDirectory() as name, null_server(Path(name)) as server:
        options = ("--bucket", "lake", "--endpoint-url", server.url, "--processes", "1")
        argv = (sys.executable, "-m", "asyncload", "run", str(volume), *options, "--no-manifest")
        usage, _ = measure(argv, dict(os.environ) | server.environment(), Path(name))
        return usage.cpu


def _costs() -> Iterator[Cost]:
    files, requests = _events()
    described = Described("run", "lake", "/data", "asyncload", None)
    yield Cost("plain lines", _plain(files))
    yield Cost("live view", _of(lambda: _live().observe, files), _frames(files))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.prom"

        def metrics() -> Outlet:
            return MetricsFile(path, command="run", bucket="lake", source="/data")

        yield _outlet("--metrics-file", metrics, files)
    yield _outlet("--log-format json, instead of plain lines", lambda: JsonLog(_ignore), files)
    yield _outlet("--lineage", lambda: Lineage(_ignore, "file", described), files)
    with_requests = [event for pair in zip(requests, files, strict=True) for event in pair]
    traces = _outlet("--traces", lambda: Traces("run", _ignore_span), with_requests)
    once = traces.once + _spans_alone()
    yield traces._replace(per_file=traces.per_file + _tracing(), once=once)


def _events() -> tuple[list[Event], list[Event]]:
    checksum = Checksum("CRC64NVME", "AAAAAAAAAAE=")
    files: list[Event] = []
    requests: list[Event] = []
    for number in range(_FILES):
        partition = f"Raw/Local/CSV/D{number % 100}/2022/05/02/"
        key = ObjectKey(f"{partition}{number}.csv")
        outcome = Uploaded(f"d/{number}.csv", key, _SIZE, checksum)
        files.append(FileFinished(outcome, partition, "D", 0.01 + number % 7 / 1000, _SIZE))
        requests.append(RequestMade("PutObject", key, time.time_ns(), 0.01, _SIZE))
    return files, requests


def _of(make: Callable[[], Callable[[Event], None]], events: Sequence[Event]) -> float:
    """Return the CPU seconds of each file: the least of several rounds."""
    taken = []
    for _ in range(_ROUNDS):
        observe = make()
        begun = time.process_time()
        for event in (*_STARTED, *events):
            observe(event)
        taken.append(time.process_time() - begun)
    return min(taken) / _FILES


def _plain(events: Sequence[Event]) -> float:
    return _of(lambda: PlainProgress(io.StringIO()).observe, events)


def _outlet(name: str, make: Callable[[], Outlet], events: Sequence[Event]) -> Cost:
    report = Report()

    def observer() -> Callable[[Event], None]:
        outlet = make()
        return lambda event: outlet.observe(event, report)

    per_file = _of(observer, events)
    outlet = make()
    for event in (*_STARTED, *events):
        outlet.observe(event, report)
    begun = time.process_time()
    outlet.end(RunEnd(0, None, _NOW, _NOW, report, lambda: {"exit_code": 0, "result": "complete"}))
    list(outlet.close(60))
    return Cost(name, per_file, time.process_time() - begun)


def _live() -> LiveProgress:
    os.environ |= {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    return LiveProgress(_Terminal(), Report())


def _frames(files: Sequence[Event]) -> float:
    """Return the CPU seconds of all frames of a run of ten seconds."""
    live = _live()
    for event in (*_STARTED, *files[:1000]):
        live.observe(event)
    with live:
        begun = time.process_time()
        for _ in range(_FRAMES):
            live.refresh()
        return (time.process_time() - begun) / _FRAMES * _FRAMES_OF_RUN


def _tracing() -> float:
    """Return the CPU seconds of making the event of a request, and of passing it on."""
    tracer = Tracer(Emitter[Event](_ignore_event, _ignore_event).pass_on)

    async def call() -> None:
        """Answer at once."""

    async def make(wrapped: bool) -> None:
        for _ in range(_FILES):
            await (tracer.traced("PutObject", "key", call, _SIZE)() if wrapped else call())

    def seconds(wrapped: bool) -> float:
        taken = []
        for _ in range(_ROUNDS):
            begun = time.process_time()
            asyncio.run(make(wrapped))
            taken.append(time.process_time() - begun)
        return min(taken)

    return (seconds(wrapped=True) - seconds(wrapped=False)) / _FILES


def _spans_alone() -> float:
    """Return what `_spans` does, in a process of its own that has imported what a run has."""
    argv = (sys.executable, "-c", "from benchmarks.outputs import print_spans; print_spans()")
    # S603: our own code.
    answers = (
        subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
        for _ in range(_ROUNDS)
    )
    return min(float(answer.stdout) for answer in answers)


def print_spans() -> None:
    """Print what `_spans` does, in a process of its own."""
    import_s3()
    enable_garbage_collection()
    print(_spans(_events()[0]))


def _spans(files: Sequence[Event]) -> float:
    """Return the CPU seconds of importing OpenTelemetry and making the spans of a run."""
    spans: list[Span] = []
    traces = Traces("run", spans.append)
    for event in (*_STARTED, *files):
        traces.observe(event, Report())
    traces.end(RunEnd(0, None, _NOW, _NOW, Report(), dict))
    list(traces.close(60))
    begun = time.process_time()
    # Here, because its import is a part of the cost.
    from asyncload.reporting.machines.otlp import made_spans

    made_spans(spans[0], {})
    return time.process_time() - begun


def _ignore(_: str) -> None:
    """Send nothing."""


def _ignore_event(_: Event) -> None:
    """Count nothing."""


def _ignore_span(_: Span) -> None:
    """Send nothing."""


if __name__ == "__main__":
    main()
