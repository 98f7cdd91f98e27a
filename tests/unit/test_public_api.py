"""The public names, and what importing them costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import asyncload


def modules_after(code):
    """The top-level modules that a fresh interpreter has imported after running some code."""
    code += "\nimport json, sys\nprint(json.dumps([*sys.modules]), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


@pytest.mark.parametrize("name", sorted(set(asyncload.__all__) - {"__version__"}))
def test_a_public_name_is_there_when_it_is_used(name):
    """Wherever it is at home."""
    assert getattr(asyncload, name).__name__ == name


def test_the_version_is_public():
    """Numbers and dots."""
    assert asyncload.__version__.replace(".", "").isdigit()


def test_all_public_names_can_be_imported_at_once():
    """`from asyncload import *` brings just these."""
    names = {}
    exec("from asyncload import *", names)
    assert names.keys() - {"__builtins__"} == set(asyncload.__all__)


def test_there_are_no_other_names():
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


def test_a_plan_is_made_without_the_s3_libraries(volume):
    """Nor are options read with the help of pydantic, which takes as long as the rest to import.

    A pyproject.toml without our table, such as that of this repository, is not parsed.
    """
    (volume / "a.csv").write_bytes(b"1")
    arguments = ["run", str(volume), "--bucket", "lake", "--concurrency", "4", "--dry-run"]
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
    unused = {"aioboto3", "aiohttp", "asyncio", "awscrt", "botocore", "pydantic", "rich", "tomllib"}
    assert not loaded & unused


def test_wrong_options_are_told_without_waiting_for_s3():
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
