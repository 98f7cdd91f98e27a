"""Data sets, commands, measuring and tables."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchmarks.datasets import DataSet, totals
from benchmarks.figures import Run, Target
from benchmarks.fingerprints import fingerprint_of
from benchmarks.measuring import CommandFailed, measure
from benchmarks.peers.every import OURS, PEERS
from benchmarks.peers.peer import Job
from benchmarks.results import WorkloadResult, save_results
from benchmarks.tables import format_results
from benchmarks.workloads import Entry, Workload, workloads


@pytest.mark.parametrize("kind", ["films", "flat", "empty", "sparse"])
def test_a_data_set_has_the_files_it_says(tmp_path, kind):
    data = DataSet(kind, 5, 0 if kind == "empty" else 10_000)
    volume = data.make(tmp_path)
    files, size = totals(volume)
    assert files == 5
    assert size <= 50_000
    assert len(list(volume.rglob("*.csv"))) == 5


def test_a_data_set_is_made_once_and_an_interrupted_one_again(tmp_path):
    data = DataSet("films", 3, 10_000)
    (tmp_path / f"{data.name}.unfinished").mkdir()
    (tmp_path / f"{data.name}.unfinished" / "half.csv").touch()
    first = data.make(tmp_path)
    assert totals(first)[0] == 3
    made = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert {path: path.stat().st_mtime_ns for path in data.make(tmp_path).rglob("*")} == made


def test_the_files_at_the_top_are_those_in_folders(tmp_path):
    """What is compared is the layout, not the bytes."""
    flat = DataSet("flat", 150, 10_000).make(tmp_path)
    folders = DataSet("films", 150, 10_000).make(tmp_path)
    at_top = {path.name: path.read_bytes() for path in flat.iterdir()}
    assert at_top == {path.name: path.read_bytes() for path in folders.glob("*/*.csv")}


@pytest.mark.parametrize("quick", [False, True])
def test_workloads_name_tools_that_there_are_and_targets_name_rows(quick):
    names = set()
    for workload in workloads(quick):
        names.add(workload.name)
        rows = [entry.name for entry in workload.entries]
        assert len(rows) == len(set(rows)), "two rows of one name"
        assert any(row.startswith(OURS) for row in rows)
        assert {entry.tool for entry in workload.entries} <= set(PEERS)
        for entry in workload.entries:
            assert entry.zone != "unchanged" or PEERS[entry.tool].looks_first
            assert not entry.tuned or PEERS[entry.tool].tuned or entry.concurrency
        for target in workload.targets:
            assert {target.ours, *target.peers} <= set(rows)
        assert not set(workload.excluded) & set(rows)
    assert {"flat", "small", "large", "large-unsigned", "large-tls", "pair", "plan"} <= names
    assert {"latency-5", "latency-30", "latency-100", "bandwidth", "capacity"} <= names


def test_without_what_is_tuned_all_else_is_left_and_every_new_bound_can_be_judged():
    for workload in workloads(quick=False):
        kept = workload.only(None, defaults=True)
        assert {entry.name for entry in workload.entries if not entry.tuned} == {
            entry.name for entry in kept.entries
        }
    rows = {entry.name for entry in workloads(quick=False)[0].only([OURS], defaults=True).entries}
    assert rows == {
        OURS,
        f"{OURS} (in folders)",
        f"{OURS} (400 days of history)",
        f"{OURS} (unchanged)",
    }


def test_what_bounds_are_about_can_be_run_alone_in_less_time():
    for workload in workloads(quick=False):
        kept = workload.only(None, bounds=True)
        rows = {row for target in workload.targets for row in (target.ours, *target.peers)}
        assert {entry.name for entry in kept.entries} == rows
        assert kept.targets == workload.targets
        assert kept.minutes <= workload.minutes
        assert workload.only(None).minutes == workload.minutes


def test_code_rounds_rows_and_tools_make_a_result_out_of_date():
    one, other = workloads(quick=False)[:2]
    tools, machine = {OURS: ("1", "defaults")}, {"cores": 2}
    first = fingerprint_of(one, 5, tools, machine)
    assert first == fingerprint_of(one, 5, dict(tools), dict(machine))
    others = {
        fingerprint_of(other, 5, tools, machine),
        fingerprint_of(one, 4, tools, machine),
        fingerprint_of(one, 5, {OURS: ("2", "defaults")}, machine),
        fingerprint_of(one, 5, tools, {"cores": 3}),
        fingerprint_of(one.only([OURS]), 5, tools, machine),
    }
    assert len(others) == 5
    assert first not in others


@pytest.mark.parametrize("tool", PEERS)
def test_each_tool_gets_the_volume_or_file_and_the_endpoint(tmp_path, tool):
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
    if PEERS[tool].tuned:
        tuned = PEERS[tool].command(replace(job, tuned=True))
        assert tuned != command


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
    runs = {OURS: [Run(1, 1, 50, 11, 1, 0.1)] * 2, "s5cmd": [Run(2, 4, 20, 10, 0, 0.1)] * 2}
    text = format_results(save_results(tmp_path / "r.json", [_result(runs)]), OURS)
    assert "| **asyncload** | 1.00 | 1.00-1.00 | 1.00 | 50 | 11 (1 lists) | 0.10 |  |  |" in text
    assert "| s5cmd | 2.00 | 2.00-2.00 | 4.00 | 20 | 10 | 0.10 | 0.50 | 0.25 |" in text
    times = "\N{MULTIPLICATION SIGN}"
    assert f"| asyncload | wall | s5cmd | ≤ 0.4{times} | 0.5{times} | **not met** |" in text
    assert f"| asyncload | wall | obstore | ≤ 1{times} |  | not measured |" in text
    assert "| asyncload | body bytes |  | ≤ 0 B |  | not measured |" in text
    assert "| s5cmd | 2.3.0 | so and so |" in text
    assert "Not measured, obstore: Aborted: core dumped." in text
    assert "Not measured, opendal: it sends everything again." in text
    assert "Medians of 2 interleaved runs (peak RSS: the highest)." in text
    assert "per byte" not in text


def test_a_row_of_less_work_and_fewer_rounds_says_so_and_is_compared_by_the_byte(tmp_path):
    runs = {OURS: [Run(1, 1, 50)] * 3, "boto3 (1 files)": [Run(2, 4, 20)]}
    result = _result(runs, work={OURS: (10, 170_000), "boto3 (1 files)": (1, 17_000)})
    text = format_results(save_results(tmp_path / "r.json", [result]), OURS)
    assert "| boto3 (1 files) | 2.00 | 2.00-2.00 | 4.00 | 20 |  |  | 0.05 | 0.03 |" in text
    assert "of 1 only: boto3 (1 files)" in text
    assert "ratios per byte" in text


def test_results_of_workloads_that_are_not_run_again_stay_in_the_order_of_the_workloads(tmp_path):
    path = tmp_path / "r.json"
    save_results(path, [_result({OURS: [Run(1, 1, 50)]}, name="large")])
    document = save_results(path, [_result({OURS: [Run(2, 1, 50)]}, name="small")])
    assert list(document) == ["small", "large"]
    assert document["large"]["medians"][OURS]["wall"] == 1


def _result(runs, name="small", work=None):
    workload = Workload(
        name=name,
        where="HTTP",
        data=DataSet("films", 10, 17_000),
        entries=(Entry(tool=OURS), Entry(tool="s5cmd")),
        targets=(
            Target("wall", 0.4, ("s5cmd",)),
            Target("wall", 1.0, ("obstore",)),
            Target("body_bytes", 0),
        ),
        excluded={"opendal": "it sends everything again"},
        minutes=1,
    )
    machine = {
        "cores": 2,
        "processor": "P",
        "memory_gib": 1,
        "system": "S",
        "python": "3.13.5",
        "openssl": "3.5",
    }
    tools = {OURS: ("0.1", "defaults"), "s5cmd": ("2.3.0", "so and so")}
    verified = dict.fromkeys(runs, "10 objects")
    failed = {"obstore": "Traceback\n  at ...\nAborted: core dumped\n\n  written: 7\n"}
    return WorkloadResult(
        workload=workload,
        machine=machine,
        work=work or dict.fromkeys(runs, (10, 170_000)),
        size=170_000,
        tools=tools,
        verified=verified,
        failed=failed,
        runs=runs,
    )
