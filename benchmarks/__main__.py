"""`python -m benchmarks`: run asyncload and similar tools on the same work, in turn."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.charts import draw_chart
from benchmarks.fingerprints import fingerprint_of
from benchmarks.machine import describe_machine
from benchmarks.peers.every import OURS, PEERS
from benchmarks.results import WorkloadResult, load_results, save_results
from benchmarks.running import WorkloadRunner
from benchmarks.tables import format_results
from benchmarks.workloads import ROUNDS, Entry, Workload, workloads

_RESULTS = Path(__file__).parent / "results"
_QUICK_ROUNDS = 2


def main() -> int:
    """Run the command line; return 1 if a tool failed or could not be verified."""
    options = _parse_arguments()
    chosen = _chosen(options)
    if options.list:
        print(_format_list(chosen, options))
        return 0
    # Servers and tools are stopped on exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stem = "quick" if options.quick else "full"
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / f"{stem}.json"
    failed = False
    verified: dict[object, str] = {}
    for number, workload in enumerate(chosen):
        left = _minutes(chosen[number:], options)
        _say(f"{workload.name}: {workload.title}; about {left:.0f} min from here to the end")
        result = _run(workload, options, load_results(results), verified)
        if result is None:
            _say(" was run before, on the same code and machine")
            continue
        failed = failed or bool(result.failed)
        # After each workload, so that an interrupted benchmark keeps its results.
        document = save_results(results, [result])
        results.with_suffix(".md").write_text(format_results(document, OURS))
        draw_chart(document, OURS, results.with_suffix(".svg"))
        _say(f" took {result.minutes:.1f} min")
    print(results.with_suffix(".md").read_text())
    return int(failed)


def _run(
    workload: Workload,
    options: argparse.Namespace,
    before: dict[str, Any],
    verified_before: dict[object, str],
) -> WorkloadResult | None:
    """Run a workload; return None if `--resume` skips it."""
    tools = _installed(workload.entries)
    entries = tuple(entry for entry in workload.entries if _label(entry) in tools)
    rounds = _rounds(options)
    machine = describe_machine()
    fingerprint = fingerprint_of(workload, rounds, tools, machine)
    if options.resume and before.get(workload.name, {}).get("fingerprint") == fingerprint:
        return None
    for tool, (version, settings) in tools.items():
        _say(f"  {tool} {version}: {settings}")
    runner = WorkloadRunner(workload, options.data, _say, verified_before)
    volumes = {entry.name: runner.volume(entry) for entry in entries}
    began = time.monotonic()
    _say(" verifying")
    verified, failed = runner.verify(entries)
    _say(" timing")
    timed = tuple(entry for entry in entries if entry.name in verified)
    runs, failed_later = runner.time(timed, rounds)
    return WorkloadResult(
        workload,
        machine,
        {row: (volume.files, volume.size) for row, volume in volumes.items()},
        runner.volume().size,
        tools,
        verified,
        failed | failed_later,
        runs,
        fingerprint,
        (time.monotonic() - began) / 60,
    )


def _installed(entries: Iterable[Entry]) -> dict[str, tuple[str, str]]:
    """Return version and settings of each installed tool, with separate entries for tuned rows."""
    tools = {}
    for entry in entries:
        peer = PEERS[entry.tool]
        version = peer.version()
        if version is None:
            _say(f"  {entry.tool} is not installed")
        else:
            settings = peer.tuned if entry.tuned and peer.tuned else peer.settings
            tools[_label(entry)] = (version, settings)
    return tools


def _label(entry: Entry) -> str:
    tuned = entry.tuned and PEERS[entry.tool].tuned is not None
    return f"{entry.tool} (tuned)" if tuned else entry.tool


def _chosen(options: argparse.Namespace) -> list[Workload]:
    chosen = []
    for workload in workloads(options.quick):
        if options.defaults and not workload.on_defaults:
            continue
        if options.only and not any(workload.name.startswith(one) for one in options.only):
            continue
        kept = workload.only(options.tools, defaults=options.defaults, bounds=options.bounds)
        if kept.entries:
            chosen.append(kept)
    return chosen


def _rounds(options: argparse.Namespace) -> int:
    return options.runs or (_QUICK_ROUNDS if options.quick else ROUNDS)


def _minutes(chosen: Iterable[Workload], options: argparse.Namespace) -> float:
    """Return the approximate duration of workloads: a round takes as long as a verification."""
    rounds = _rounds(options)
    share = (rounds + 1) / (ROUNDS + 1) * (0.1 if options.quick else 1.0)
    return sum(workload.minutes for workload in chosen) * share


def _format_list(chosen: list[Workload], options: argparse.Namespace) -> str:
    lines = [f"{one.name:16} {_minutes([one], options):5.1f} min  {one.title}" for one in chosen]
    return "\n".join([*lines, f"{'all':16} {_minutes(chosen, options):5.1f} min"])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse_arguments() -> argparse.Namespace:
    names = ", ".join(workload.name for workload in workloads(quick=False))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="WORK", help=f"workloads that begin so, of: {names}"
    )
    parser.add_argument(
        "--tool",
        action="append",
        dest="tools",
        choices=PEERS,
        metavar="TOOL",
        help=f"only this, of: {'; '.join(PEERS)}; may be repeated",
    )
    parser.add_argument(
        "--defaults", action="store_true", help="only what runs with each tool's default settings"
    )
    parser.add_argument(
        "--bounds", action="store_true", help="only rows that one of our bounds is about"
    )
    parser.add_argument("--runs", type=int, help="timed runs of each tool (5; 2 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data or less")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out workloads whose results are of the same code, tools and machine",
    )
    parser.add_argument("--list", action="store_true", help="say what would run, and for how long")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder for table and chart")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "asyncload-bench",
        help="folder for the data sets, some 9 GB, kept for the next time",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
