"""The examples in deploy/shards are valid for the programs that read them."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import validate_parameters

from asyncload.cli.shards import resolve_shard
from asyncload.settings.options import options_of
from tests.aws_lambda.test_templates import Loader

FOLDER = Path(__file__).parents[2] / "deploy" / "shards"
JOBS = list(yaml.safe_load_all((FOLDER / "indexed-job.yaml").read_text()))
TEMPLATE = yaml.load((FOLDER / "batch.yaml").read_text(), Loader)


def definitions():
    """The job definitions of AWS Batch, as their properties."""
    for resource in TEMPLATE["Resources"].values():
        if resource["Type"] == "AWS::Batch::JobDefinition":
            yield resource["Properties"]


def commands():
    """The command lines of all examples, from the command on."""
    for job in JOBS[1:]:
        yield from (c["args"] for c in job["spec"]["template"]["spec"]["containers"])
    yield from (each["ContainerProperties"]["Command"] for each in definitions())
    text = (FOLDER / "array.sbatch").read_text()
    yield from (shlex.split(found) for found in re.findall(r"exec asyncload (.*)", text))
    dag = ast.parse((FOLDER / "airflow_dag.py").read_text())
    for call in ast.walk(dag):
        if isinstance(call, ast.keyword) and call.arg == "bash_command":
            words = shlex.split(re.sub(r"\{\{.*?\}\}", "X", ast.literal_eval(call.value)))
            assert words[0] == "asyncload"
            yield words[1:]


def test_every_example_has_options_that_exist():
    """Of the command that it calls; each has shards, and a step that marks their run."""
    found = list(commands())
    assert [command for command, *_ in found].count("run") == 4
    assert [command for command, *_ in found].count("report") == 4
    for command, *words in found:
        flags = {flag for o in options_of(command) for flag in (o.flag, o.short)}
        used = {word for word in words if word.startswith("-")}
        assert used <= flags, used - flags
        assert ("--shard" if command == "run" else "--mark") in used
        assert ("--success-marker" in used) == (command == "run")


def test_kubernetes_accepts_the_manifests():
    """By its schemas, in which unknown fields are errors."""
    for document in JOBS:
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_the_shards_of_kubernetes_are_as_many_as_its_indexes():
    """The command must say so, as no variable does."""
    _, job, _ = JOBS
    (container,) = job["spec"]["template"]["spec"]["containers"]
    shard = container["args"][container["args"].index("--shard") + 1]
    total = job["spec"]["completions"]
    last = {"JOB_COMPLETION_INDEX": str(total - 1)}
    assert resolve_shard(shard, last) == f"{total}/{total}"
    assert container["volumeMounts"][0]["readOnly"]
    assert job["metadata"]["name"] in JOBS[2]["spec"]["template"]["spec"]["containers"][0]["args"]


def test_batch_accepts_the_job_definitions():
    """By the description of its API; cfn-lint checks the template as a whole (`make lint`)."""
    model = botocore.session.get_session().get_service_model("batch")
    shape = model.operation_model("RegisterJobDefinition").input_shape
    found = [camel(each) for each in definitions()]
    assert len(found) == 2
    for definition in found:
        validate_parameters({"jobDefinitionName": "x", **definition}, shape)


def camel(value):
    """The words of CloudFormation as those of the API."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: camel(item) for name, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def test_slurm_starts_as_many_tasks_as_there_are_shards():
    """Of which a part keeps its numbers if it is started again."""
    text = (FOLDER / "array.sbatch").read_text()
    (last,) = re.findall(r"#SBATCH --array=0-(\d+)", text)
    assert f"--shard auto/{int(last) + 1} " in text


def test_the_dag_is_python():
    """Airflow itself is too large for these tests."""
    ast.parse((FOLDER / "airflow_dag.py").read_text())


def test_every_example_is_listed():
    """In the folder's README, and nothing else is."""
    listed = set(re.findall(r"\]\(([\w.-]+)\)", (FOLDER / "README.md").read_text()))
    assert listed == {path.name for path in FOLDER.iterdir()} - {"README.md"}


@pytest.mark.parametrize("code", ["2", "5"])
def test_refusals_are_not_tried_again(code):
    """They would end in the same way."""
    rule = JOBS[1]["spec"]["podFailurePolicy"]["rules"][0]
    assert (rule["action"], int(code) in rule["onExitCodes"]["values"]) == ("FailIndex", True)
    shard, _ = definitions()
    assert {"OnExitCode": code, "Action": "EXIT"} in shard["RetryStrategy"]["EvaluateOnExit"]
    assert json.dumps(shard).count('"RETRY"') == 1
