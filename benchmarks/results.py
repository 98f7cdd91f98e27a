"""The results of a benchmark, as a JSON file from which tables and chart are made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Run, Summary, Verdict, judge, summarise
from benchmarks.workloads import Workload, workloads


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """The runs of one workload by row.

    `work` has the number of files and bytes of each row, `tools` each tool's version and settings,
    `fingerprint` a digest of everything that the figures depend on (see `fingerprints`), `minutes`
    the duration.
    """

    workload: Workload
    machine: dict[str, str | int]
    work: dict[str, tuple[int, int]]
    size: int
    tools: dict[str, tuple[str, str]]
    verified: dict[str, str]
    failed: dict[str, str]
    runs: dict[str, list[Run]] = field(default_factory=dict)
    fingerprint: str = ""
    minutes: float = 0.0

    def summaries(self) -> dict[str, Summary]:
        """Return each row's medians."""
        return {row: summarise(*self.work[row], runs) for row, runs in self.runs.items()}

    def verdicts(self) -> list[Verdict]:
        """Return the result of each of our targets."""
        summaries = self.summaries()
        python = str(self.machine["python"])
        return [judge(target, python, summaries) for target in self.workload.targets]

    def as_json(self) -> dict[str, Any]:
        """Return plain data, including medians and verdicts."""
        workload = self.workload
        return {
            "title": workload.title,
            "server": workload.server,
            "delay_seconds": workload.delay,
            "files": workload.data.files,
            "bytes": self.size,
            "minutes": round(self.minutes, 1),
            "fingerprint": self.fingerprint,
            "machine": self.machine,
            "rows": {
                entry.name: {
                    "tool": entry.tool,
                    "zone": entry.zone,
                    "by_default": not entry.tuned
                    and entry.concurrency is None
                    and entry.processes is None,
                }
                for entry in workload.entries
            },
            "tools": {
                tool: {"version": version, "settings": settings}
                for tool, (version, settings) in self.tools.items()
            },
            "verified": self.verified,
            "failed": self.failed,
            "excluded": dict(workload.excluded),
            "runs": {row: [asdict(run) for run in runs] for row, runs in self.runs.items()},
            "medians": {row: asdict(summary) for row, summary in self.summaries().items()},
            "targets": [
                {
                    "metric": verdict.target.metric,
                    "ours": verdict.target.ours,
                    "peers": verdict.target.peers,
                    "is_ratio": verdict.target.is_ratio,
                    "bound": verdict.bound,
                    "reached": verdict.reached,
                    "met": verdict.met,
                }
                for verdict in self.verdicts()
            ],
        }


def load_results(path: Path) -> dict[str, Any]:
    """Return earlier results by workload; empty if there is no file.

    Results without a fingerprint come from an older harness with other rows.
    """
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {name: result for name, result in document.items() if "fingerprint" in result}


def save_results(path: Path, results: list[WorkloadResult]) -> dict[str, Any]:
    """Write results to a JSON file and return its content.

    Workloads in the file that were not run this time are kept, with their machine.
    """
    document = load_results(path)
    document |= {result.workload.name: result.as_json() for result in results}
    order = [workload.name for workload in workloads(quick=False)]
    document = {name: document[name] for name in order if name in document}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return document
