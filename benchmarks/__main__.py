"""`python -m benchmarks`: asyncload and its peers on the same work, in turn."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.charts import draw_chart
from benchmarks.machine import describe_machine
from benchmarks.peers.every import OURS, PEERS, UNOPTIMISED
from benchmarks.results import WorkloadResult, save_results
from benchmarks.running import WorkloadRunner
from benchmarks.tables import format_results
from benchmarks.workloads import Workload, workloads

_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run what the command line says; return 1 where a tool failed or wasn't verified."""
    options = _parse_arguments()
    # Servers and tools are stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stem = "quick" if options.quick else "full"
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / f"{stem}.json"
    failed = False
    for workload in _chosen(options.only, options.quick):
        result = _run(workload, options)
        failed = failed or bool(result.failed)
        # After each: a benchmark that is interrupted keeps what it has.
        document = save_results(results, [result])
        results.with_suffix(".md").write_text(format_results(document, OURS))
        draw_chart(document, OURS, results.with_suffix(".svg"))
    print(results.with_suffix(".md").read_text())
    return int(failed)


def _run(workload: Workload, options: argparse.Namespace) -> WorkloadResult:
    print(f"{workload.name}: {workload.title}", file=sys.stderr)
    wanted = _tools(workload, options.tools)
    versions = {tool: PEERS[tool].version() for tool in wanted}
    tools = {
        tool: (version, PEERS[tool].settings)
        for tool, version in versions.items()
        if version is not None
    }
    for tool in sorted(set(wanted) - set(tools)):
        print(f"  {tool} is not installed", file=sys.stderr)
    for tool, (version, settings) in tools.items():
        print(f"  {tool} {version}: {settings}", file=sys.stderr)
    runner = WorkloadRunner(workload, workload.data.make(options.data), _say)
    print(" verifying", file=sys.stderr)
    verified, failed = runner.verify(tuple(tools))
    print(" timing", file=sys.stderr)
    runs = runner.time(tuple(verified), options.runs or (2 if options.quick else 5))
    return WorkloadResult(
        workload, describe_machine(), runner.files, runner.size, tools, verified, failed, runs
    )


def _chosen(only: list[str] | None, quick: bool) -> list[Workload]:
    every = workloads(quick)
    return [one for one in every if only is None or any(one.name.startswith(o) for o in only)]


def _tools(workload: Workload, wanted: list[str] | None) -> tuple[str, ...]:
    """Return the tools to run: of the workload's, or of asyncload's other modes, those wanted."""
    if wanted is None:
        return workload.tools
    return tuple(tool for tool in wanted if tool in (*workload.tools, UNOPTIMISED))


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
    parser.add_argument("--runs", type=int, help="timed runs of each tool (5; 2 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data or less")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder for table and chart")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "asyncload-bench",
        help="folder for the data sets, some 6 GB, kept for the next time",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
