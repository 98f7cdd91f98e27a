"""The public names, and what importing them costs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import asyncload


def modules_after(code):
    """The top-level modules that a fresh interpreter has imported after running some code."""
    code += "\nimport json, sys\nprint(json.dumps([*sys.modules]), file=sys.stderr)"
    # Measuring coverage imports modules of its own.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


UNIONS = {"CheckEvent", "CleanEvent", "DoctorEvent", "Event", "Outcome", "PlanEvent", "VerifyEvent"}


def test_a_public_name_is_there_when_it_is_used():
    """Wherever it is at home."""
    for name in set(asyncload.__all__) - UNIONS - {"__version__"}:
        assert getattr(asyncload, name).__name__ == name


@pytest.mark.parametrize("name", sorted(UNIONS))
def test_what_a_union_is_made_of_is_public(name):
    """Code that handles events or outcomes can name each of them."""
    kinds = get_args(getattr(asyncload, name))
    assert {kind.__name__ for kind in kinds} <= set(asyncload.__all__)


def test_type_checkers_see_the_same_names():
    """By imports that are never run."""
    tree = ast.parse(Path(asyncload.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == {name: f"asyncload.{home}" for name, home in asyncload._HOMES.items()}
    assert set(asyncload.__all__) == {*seen, "__version__"}


@pytest.mark.parametrize("name", ["load", "collect", "verify", "clean"])
def test_errors_that_an_operation_names_are_public(name):
    """So are the settings, the result and the events that its signature names."""
    operation = getattr(asyncload, name)
    assert inspect.iscoroutinefunction(operation)
    raised = inspect.getdoc(operation).partition("Raises:")[2]
    names = re.findall(r"^ *(\w+):", raised, re.MULTILINE)
    assert {"UsageError", "Refused", "StoreUnavailable", "ObserverFailed"} <= set(names)
    signature = inspect.signature(operation)
    types = " ".join([str(p.annotation) for p in signature.parameters.values()])
    names += re.findall(r"\b(?!None)[A-Z]\w+", f"{types} {signature.return_annotation}")
    others = {"Callable", "Mapping", "Observer"}
    assert set(names) - others <= set(asyncload.__all__)


@pytest.mark.parametrize("name", ["check", "load", "verify", "clean"])
@pytest.mark.parametrize(
    ("settings", "observer", "message"),
    [
        (dict, None, "takes Settings, not dict"),
        (asyncload.Settings, 5, "observer: 5 is not a function"),
        (asyncload.Settings, asyncio.sleep, "a coroutine function is never awaited"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_done(
    name, settings, observer, message
):
    """By every operation, and by its name."""
    operation = getattr(asyncload, name)
    with pytest.raises(asyncload.UsageError, match=message) as caught:
        await operation(settings(volume="nowhere", bucket="lake"), observer=observer)
    if settings is dict:
        assert caught.value.message.startswith(f"{name}() takes")


async def test_uploads_of_a_bucket_without_a_prefix_are_not_cleaned(volume):
    """They may be anybody's."""
    settings = asyncload.Settings(volume=volume, bucket="lake", layout="{dataset}/{path}")
    with pytest.raises(asyncload.UsageError, match="do not share a prefix"):
        await asyncload.clean(settings)


def test_the_version_is_public():
    """Numbers and dots."""
    assert asyncload.__version__.replace(".", "").isdigit()


def test_all_public_names_can_be_imported_at_once():
    """`from asyncload import *` brings just these."""
    names = {}
    exec("from asyncload import *", names)
    assert names.keys() - {"__builtins__"} == set(asyncload.__all__)


def test_no_other_names_are_public():
    """The error is Python's own."""
    with pytest.raises(AttributeError, match=r"^module 'asyncload' has no attribute 'upload'$"):
        asyncload.upload  # noqa: B018  # looking it up is what fails


def test_importing_asyncload_imports_none_of_its_libraries():
    """Who only wants the errors does not wait for S3."""
    loaded = modules_after("import asyncload; asyncload.AsyncloadError")
    assert not loaded & {"aioboto3", "aiohttp", "awscrt", "botocore", "rich", "typer"}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_does_not_wait_for_s3(arguments):
    """The S3 libraries take longer to import than the help to read."""
    loaded = modules_after(
        "import sys\n"
        "from asyncload.cli import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as error:\n"
        "    assert not error.code\n"
    )
    assert "typer" in loaded
    assert not loaded & {"aioboto3", "aiohttp", "awscrt", "botocore"}


def test_an_offline_plan_is_made_without_the_s3_libraries(volume):
    """Nor are options read with the help of pydantic, which takes as long as the rest to import.

    A pyproject.toml without our table, such as that of this repository, is not parsed.
    """
    (volume / "a.csv").write_bytes(b"1")
    arguments = ["plan", "--offline", str(volume), "--bucket", "lake", "--concurrency", "4"]
    loaded = modules_after(
        "import sys\n"
        "from asyncload.cli import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as error:\n"
        "    assert not error.code\n"
    )
    assert "typer" in loaded
    unused = {"aioboto3", "aiohttp", "botocore", "pydantic", "rich", "tomllib"}
    assert not loaded & unused


def test_wrong_options_are_refused_without_waiting_for_s3():
    """So are mistakes."""
    loaded = modules_after(
        "from pathlib import Path\n"
        "import asyncload\n"
        "try:\n"
        "    asyncload.Settings(volume=Path(), bucket='lake', date='someday')\n"
        "except asyncload.AsyncloadError:\n"
        "    pass\n"
    )
    assert not loaded & {"aioboto3", "aiohttp", "awscrt", "botocore"}


def test_dask_is_not_imported_without_need():
    """It is an extra, and takes longer to import than a small load."""
    found = modules_after("import asyncload.cli.app, asyncload.operations.workers.wiring")
    assert "asyncload" in found
    assert not found & {"dask", "distributed", "tornado"}
