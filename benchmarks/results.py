"""What a benchmark found, as a JSON file that tables and chart are made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Run, Summary, Verdict, judge, summarise
from benchmarks.peers.every import OURS
from benchmarks.workloads import Workload, workloads


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """The runs of one workload by tool; `tools` has each tool's version and settings."""

    workload: Workload
    machine: dict[str, str | int]
    files: int
    size: int
    tools: dict[str, tuple[str, str]]
    verified: dict[str, str]
    failed: dict[str, str]
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def summaries(self) -> dict[str, Summary]:
        """Return each tool's medians."""
        return {tool: summarise(runs) for tool, runs in self.runs.items()}

    def verdicts(self) -> list[Verdict]:
        """Return what became of each of our targets that could be judged."""
        summaries = self.summaries()
        if OURS not in summaries:
            return []
        verdicts = (
            judge(target, self.files, summaries[OURS], summaries.get(target.peer or ""))
            for target in self.workload.targets
        )
        return [verdict for verdict in verdicts if verdict is not None]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, medians and verdicts included."""
        workload = self.workload
        return {
            "title": workload.title,
            "server": workload.server,
            "delay_seconds": workload.delay,
            "concurrency": workload.concurrency,
            "files": self.files,
            "bytes": self.size,
            "machine": self.machine,
            "tools": {
                tool: {"version": version, "settings": settings}
                for tool, (version, settings) in self.tools.items()
            },
            "verified": self.verified,
            "failed": self.failed,
            "runs": {tool: [asdict(run) for run in runs] for tool, runs in self.runs.items()},
            "medians": {tool: asdict(summary) for tool, summary in self.summaries().items()},
            "targets": [
                asdict(verdict.target) | {"reached": verdict.reached, "met": verdict.met}
                for verdict in self.verdicts()
            ],
        }


def save_results(path: Path, results: list[WorkloadResult]) -> dict[str, Any]:
    """Write results to a JSON file and return all that is in it.

    Workloads that were in the file and not run this time stay, with the machine they ran on.
    """
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    document |= {result.workload.name: result.as_json() for result in results}
    order = [workload.name for workload in workloads(quick=False)]
    document = {name: document[name] for name in order if name in document}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return document
