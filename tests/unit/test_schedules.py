"""The examples in deploy/schedules are valid for the programs that read them."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import validate_parameters

from asyncload.settings.options import options_of

FOLDER = Path(__file__).parents[2] / "deploy" / "schedules"


def commands():
    """The command lines of all examples, from `run` or `watch` on."""
    for name in ("cronjob.yaml", "watch.yaml"):
        document = yaml.safe_load((FOLDER / name).read_text())
        spec = document["spec"]
        pod = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
        yield from (container["args"] for container in pod["containers"])
    task = json.loads((FOLDER / "ecs-task.json").read_text())
    yield from (container["command"] for container in task["containerDefinitions"])
    for name in ("crontab", "asyncload.service", "asyncload-watch.service", "airflow_dag.py"):
        for line in (FOLDER / name).read_text().splitlines():
            if found := re.search(r"asyncload ((?:run|watch) [^\"]*)", line):
                yield shlex.split(found[1])


def test_every_example_has_options_that_exist():
    """Of the command that it calls; two spaces of a template are one word."""
    found = list(commands())
    assert len(found) == 7
    for command, *words in found:
        flags = {flag for o in options_of(command) for flag in (o.flag, o.short)}
        used = {word for word in words if word.startswith("-")}
        assert used <= flags, used - flags
        assert "--bucket" in used


@pytest.mark.parametrize("name", ["cronjob.yaml", "watch.yaml"])
def test_kubernetes_accepts_the_manifests(name):
    """By its schemas, in which unknown fields are errors."""
    document = yaml.safe_load((FOLDER / name).read_text())
    kubernetes_validate.validate(document, "1.33", strict=True)


def test_ecs_accepts_the_task_definition():
    """By the description of its API."""
    model = botocore.session.get_session().get_service_model("ecs")
    task = json.loads((FOLDER / "ecs-task.json").read_text())
    validate_parameters(task, model.operation_model("RegisterTaskDefinition").input_shape)


def test_eventbridge_scheduler_accepts_the_schedule_in_the_documents():
    """By the description of its API."""
    text = (FOLDER.parents[1] / "docs/how-to/ecs.md").read_text()
    schedule = json.loads(re.search(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1])
    model = botocore.session.get_session().get_service_model("scheduler")
    validate_parameters(schedule, model.operation_model("CreateSchedule").input_shape)


def test_the_units_are_valid():
    """As systemd itself reads them, if it is there; else their sections."""
    units = sorted(FOLDER.glob("*.service")) + sorted(FOLDER.glob("*.timer"))
    assert len(units) == 4
    for unit in units:
        sections = re.findall(r"(?m)^\[(\w+)\]$", unit.read_text())
        assert sections[0] == "Unit"
        assert set(sections) <= {"Unit", "Service", "Timer", "Install"}
    if (program := shutil.which("systemd-analyze")) is not None:
        done = subprocess.run(
            [program, "verify", *units], capture_output=True, text=True, check=False
        )
        # The program is not installed where the units expect it.
        others = [line for line in done.stderr.splitlines() if "is not executable" not in line]
        assert others == []


def test_cron_has_five_fields_and_a_command():
    """And no percent sign, which cron takes for the end of a line."""
    lines = (FOLDER / "crontab").read_text().splitlines()
    (entry,) = (line for line in lines if line and not line.startswith("#"))
    assert re.fullmatch(r"([\d*/,-]+ ){5}flock .+", entry)
    assert "%" not in entry


def test_the_dag_is_python_and_names_the_logical_date():
    """Airflow itself is too large for these tests."""
    source = (FOLDER / "airflow_dag.py").read_text()
    ast.parse(source)
    assert "--date {{ ds }}" in source


def test_every_example_is_listed():
    """In the folder's README, and nothing else is."""
    listed = set(re.findall(r"\]\(([\w.-]+)\)", (FOLDER / "README.md").read_text()))
    assert listed == {path.name for path in FOLDER.iterdir()} - {"README.md"}
