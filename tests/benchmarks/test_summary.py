"""The README's table of figures is made from the results, and is not written by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Run
from benchmarks.results import WorkloadResult, load_results, save_results
from benchmarks.summary import BEGIN, END, format_summary, replace_between
from benchmarks.workloads import workloads

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(tmp_path):
    """Results of `flat`: walls and bytes by row."""
    flat = next(one for one in workloads(quick=False) if one.name == "flat")
    walls = {
        "asyncload": (3.14159, 1000),
        "asyncload (in folders)": (3.0, 1000),
        "asyncload (400 days of history)": (4.2, 1000),
        "asyncload (unchanged)": (1.5, 1000),
        "s5cmd": (12.4, 1000),
        "aws cli (unchanged, 2,000 files)": (2.5, 100),
    }
    machine = {"cores": 2, "python": "3.13.5", "openssl": "3.5"}
    result = WorkloadResult(
        workload=flat,
        machine=machine,
        work={row: (10, size) for row, (_, size) in walls.items()},
        size=1000,
        tools={},
        verified={},
        failed={},
        runs={row: [Run(wall, 1, 50)] for row, (wall, _) in walls.items()},
        fingerprint="f",
    )
    path = tmp_path / "full.json"
    save_results(path, [result])
    return path


def test_a_row_has_the_seconds_of_each_tool_estimated_for_smaller_data(results):
    lines = format_summary(load_results(results)).splitlines()
    assert lines[0].startswith("| with default settings | asyncload | s5cmd |")
    assert [line.split(" | ", 1)[1] for line in lines[2:]] == [
        "3.1 | 12 |  |  |  |  |  |  |",
        "4.2 |  |  |  |  |  |  |  |",
        "1.5 |  |  |  |  |  | ≈25 |  |",
    ]


def test_a_short_table_has_the_most_common_work_and_tools(results):
    """The README has it."""
    header, _, row = format_summary(load_results(results), short=True).splitlines()
    assert header == (
        "| with default settings | asyncload | s5cmd | obstore | aioboto3 | aws cli | boto3 |"
    )
    assert row.split(" | ", 1)[1] == "3.1 | 12 |  |  |  |  |"


def test_the_command_replaces_what_is_between_the_marks_only(results, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    command = [sys.executable, "-m", "benchmarks.summary", f"--results={results}"]
    subprocess.run([*command, f"--write={page}"], cwd=ROOT, check=True)
    table = format_summary(load_results(results))
    assert page.read_text() == f"before\n{BEGIN}\n{table}\n{END}\nafter\n"
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert shown.stdout == f"{table}\n"


def test_a_page_without_marks_is_left_alone():
    with pytest.raises(ValueError, match="there is no"):
        replace_between("no marks", "table")


def test_the_readme_has_the_marks():
    assert replace_between((ROOT / "README.md").read_text(), "new").count("\nnew\n") == 1


def test_results_of_an_older_harness_are_left_out(tmp_path):
    (tmp_path / "full.json").write_text('{"small": {"medians": {}}}')
    assert load_results(tmp_path / "full.json") == {}
