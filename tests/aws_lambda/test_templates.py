"""The templates in deploy/lambda, without findings by AWS's linter and its serverless rules."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from asyncload.aws_lambda.commands import COMMANDS
from asyncload.aws_lambda.events import read_event
from tests.support.documents import everything
from tests.support.lambda_templates import FOLDER, NAMES, image_path, image_variant
from tests.support.processes import uncovered

TEMPLATES = [path for path in sorted(FOLDER.glob("*.yaml")) if path.name != "bucket.yaml"]
each = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their arguments."""


Loader.add_multi_constructor(
    "!",
    lambda loader, _, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    ),
)


def read(path):
    return yaml.load(path.read_text(), Loader)


def functions(template):
    found = template["Resources"].values()
    return [entry for entry in found if entry["Type"] == "AWS::Serverless::Function"]


def test_the_linter_finds_nothing():
    """Neither in CloudFormation's rules nor in those for functions, queues and permissions."""
    program = Path(sysconfig.get_path("scripts")) / "cfn-lint"
    command = [program, "--append-rules", "cfn_lint_serverless.rules", "--"]
    with uncovered():
        done = subprocess.run(
            [*command, *sorted(FOLDER.glob("*.yaml"))],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_image_variant_is_the_same_but_for_the_code(name):
    """`python -m tests.support.lambda_templates --write` writes it."""
    assert image_path(name).read_text() == image_variant(name)


@each
def test_what_a_schedule_sends_is_a_valid_event(path):
    """With the template's own options and environment, at any time."""
    template = read(path)
    (function,) = functions(template)
    properties = function["Properties"]
    (schedule,) = properties["Events"].values()
    defaults = {name: p.get("Default", "") for name, p in template["Parameters"].items()}
    sent = re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], schedule["Properties"]["Input"])
    event = json.loads(sent.replace("<aws.scheduler.scheduled-time>", "2022-05-02T05:00:00Z"))
    environ = {
        name: re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], value)
        for name, value in properties["Environment"]["Variables"].items()
    }
    found = read_event(event, environ, COMMANDS)
    assert path.stem.startswith(found.command)
    assert found.time == datetime.fromisoformat("2022-05-02T05:00:00+00:00")


@pytest.mark.parametrize(
    "text", [everything(), (FOLDER / "README.md").read_text()], ids=["docs", "deploy"]
)
def test_the_events_in_the_documents_are_valid(text):
    """As they stand there, with a bucket and a volume from the environment."""
    events = re.findall(r'({"command": [^\n]*})', text)
    environ = {"ASYNCLOAD_BUCKET": "my-lake", "ASYNCLOAD_VOLUME": "/mnt/volume"}
    for event in events:
        sent = event.replace("<aws.scheduler.scheduled-time>", "2022-05-02T05:00:00Z")
        read_event(json.loads(sent), environ, COMMANDS)
    assert events


@each
def test_a_function_has_the_whole_time_and_retries_into_a_queue(path):
    """A collection or a load that the time limit stopped is finished by a retry."""
    (function,) = functions(read(path))
    properties = function["Properties"]
    assert properties["Timeout"] == 900
    assert properties["EventInvokeConfig"]["MaximumRetryAttempts"] == 2
    assert properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Type"] == "SQS"


@each
def test_a_role_reaches_one_prefix_and_the_records_only(path):
    """Nothing is deleted but markers, and no action is a wildcard."""
    prefix = "Raw/Local/" if path.stem.startswith("run") else "Raw/TMDB/"
    roles = [r for r in read(path)["Resources"].values() if r["Type"] == "AWS::IAM::Role"]
    statements = [
        statement
        for role in roles
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    for statement in statements:
        actions, resources = (
            [value] if isinstance(value, str) else value
            for value in (statement["Action"], statement["Resource"])
        )
        assert not [action for action in actions if "*" in action]
        if actions[0].startswith("s3:List"):
            assert statement["Condition"] == {"StringLike": {"s3:prefix": f"{prefix}*"}}
        elif actions[0].startswith("s3:"):
            keys = [resource.rpartition("${Bucket}/")[2] for resource in resources]
            marker = actions == ["s3:DeleteObject"]
            assert keys == ([f"{prefix}*/_SUCCESS"] if marker else [f"{prefix}*", "_asyncload/*"])
            assert marker or "s3:DeleteObject" not in actions


def test_collected_data_expires_after_half_a_year():
    """As TMDB's terms demand; nothing else of the raw zone expires."""
    bucket = read(FOLDER / "bucket.yaml")["Resources"]["RawZone"]["Properties"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule.get("ExpirationInDays") for rule in rules}
    assert expiring == {"Raw/TMDB/": 180, "Raw/": None, "_asyncload/uploads/": 7}


def test_the_hand_over_is_the_marker_of_a_partition():
    """The queue gets a message for each `_SUCCESS`."""
    rule = read(FOLDER / "bucket.yaml")["Resources"]["PartitionComplete"]["Properties"]
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"wildcard": "Raw/*/_SUCCESS"}]}
