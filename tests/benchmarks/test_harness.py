"""Data sets, commands, measuring and tables."""

from __future__ import annotations

import sys

import pytest

from benchmarks.datasets import DataSet, totals
from benchmarks.figures import Run, Target
from benchmarks.measuring import CommandFailed, measure
from benchmarks.peers.every import OURS, PEERS
from benchmarks.peers.peer import Job
from benchmarks.results import WorkloadResult, save_results
from benchmarks.tables import format_results
from benchmarks.workloads import Workload, workloads


@pytest.mark.parametrize("kind", ["films", "empty", "sparse"])
def test_a_data_set_has_the_files_it_says(tmp_path, kind):
    data = DataSet(kind, 5, 0 if kind == "empty" else 10_000)
    volume = data.make(tmp_path)
    files, size = totals(volume)
    assert files == 5
    assert size <= 50_000
    assert len(list(volume.rglob("*.csv"))) == 5


def test_a_data_set_is_made_once_and_an_interrupted_one_anew(tmp_path):
    data = DataSet("films", 3, 10_000)
    (tmp_path / f"{data.name}.unfinished").mkdir()
    (tmp_path / f"{data.name}.unfinished" / "half.csv").touch()
    first = data.make(tmp_path)
    assert totals(first)[0] == 3
    made = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert {path: path.stat().st_mtime_ns for path in data.make(tmp_path).rglob("*")} == made


@pytest.mark.parametrize("quick", [False, True])
def test_workloads_name_tools_that_there_are_and_targets_against_tools_that_run(quick):
    names = set()
    for workload in workloads(quick):
        names.add(workload.name)
        assert OURS in workload.tools
        assert set(workload.tools) <= set(PEERS)
        for target in workload.targets:
            assert target.peer is None or target.peer in workload.tools
    assert {"small", "large", "large-unsigned", "large-tls", "pair", "latency", "plan"} <= names


@pytest.mark.parametrize("tool", PEERS)
def test_each_tool_is_told_the_volume_or_file_and_the_endpoint(tmp_path, tool):
    job = Job(
        volume=tmp_path / "v",
        endpoint_url="http://127.0.0.1:9",
        bucket="lake",
        scratch=tmp_path,
        single=tmp_path / "v" / "a.csv",
    )
    command = PEERS[tool].command(job)
    said = " ".join((*command.argv, *command.environment.values()))
    assert str(job.volume) in said
    assert job.endpoint_url in said
    assert PEERS[tool].settings


def test_a_command_is_measured_with_its_children_and_its_lines_are_counted(tmp_path):
    burn = "sum(i * i for i in range(3_000_000))"
    code = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}']); print('1\\n2')"
    )
    usage, lines = measure((sys.executable, "-c", code), {}, tmp_path)
    assert lines == 2
    assert usage.wall > 0
    assert usage.cpu > 0
    assert usage.rss_mib > 1


def test_a_command_that_fails_says_why(tmp_path):
    code = "import sys; sys.exit('no bucket')"
    with pytest.raises(CommandFailed, match=r"ended with 1(.|\n)*no bucket"):
        measure((sys.executable, "-c", code), {}, tmp_path)


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(CommandFailed, match="ended with -9"):
        measure((sys.executable, "-c", "import time; time.sleep(60)"), {}, tmp_path, limit=1)


def test_the_table_shows_medians_ratios_targets_settings_and_failures(tmp_path):
    result = _result({OURS: [Run(1, 1, 50, 11, 1, 0.1)], "s5cmd": [Run(2, 4, 20, 10, 0, 0.1)]})
    text = format_results(save_results(tmp_path / "r.json", [result]), OURS)
    assert "| **asyncload** | 1.00 | 1.00-1.00 | 1.00 | 50 | 11 (1 lists) | 0.10 |  |  |" in text
    assert "| s5cmd | 2.00 | 2.00-2.00 | 4.00 | 20 | 10 | 0.10 | 0.50 | 0.25 |" in text
    times = "\N{MULTIPLICATION SIGN}"
    assert f"| wall | s5cmd | ≤ 0.4{times} | 0.50{times} | **not met** |" in text
    assert "| s5cmd | 2.3.0 | so and so |" in text
    assert "Not measured, obstore: aborted" in text


def test_results_of_workloads_that_are_not_run_again_stay_in_the_order_of_the_workloads(tmp_path):
    path = tmp_path / "r.json"
    save_results(path, [_result({OURS: [Run(1, 1, 50)]}, name="large")])
    document = save_results(path, [_result({OURS: [Run(2, 1, 50)]}, name="small")])
    assert list(document) == ["small", "large"]
    assert document["large"]["medians"][OURS]["wall"] == 1


def _result(runs, name="small"):
    workload = Workload(
        name=name,
        where="HTTP",
        data=DataSet("films", 10, 17_000),
        tools=(OURS, "s5cmd"),
        targets=(Target("wall", 0.4, "s5cmd"),),
    )
    machine = {
        "cores": 2,
        "processor": "P",
        "memory_gib": 1,
        "system": "S",
        "python": "3",
        "openssl": "3.5",
    }
    tools = {OURS: ("0.1", "defaults"), "s5cmd": ("2.3.0", "so and so")}
    verified = dict.fromkeys(runs, "10 objects")
    return WorkloadResult(
        workload, machine, 10, 170_000, tools, verified, {"obstore": "aborted"}, runs
    )
