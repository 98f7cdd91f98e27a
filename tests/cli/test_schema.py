"""`asyncload schema`: a program gets the schema of what it reads."""

from __future__ import annotations

import json

import jsonschema

from asyncload.cli import ending
from asyncload.reporting.records import EMPTY_TOTALS
from asyncload.reporting.schemas import schema_names
from tests.support.loads import write_files
from tests.support.observed import take_misfits


def test_without_a_name_it_lists_them(asyncload):
    """One on each line."""
    ended = asyncload("schema")
    assert (ended.code, ended.out.splitlines(), ended.err) == (0, schema_names(), "")


def test_what_it_prints_describes_the_lines_of_the_command(asyncload, volume):
    """Every one; the schema needs no other file."""
    write_files(volume, {"a.csv": b"1", "b/.c.csv": b"2"})
    printed = asyncload("schema", "plan")
    assert (printed.code, printed.err) == (0, "")
    validator = jsonschema.Draft202012Validator(json.loads(printed.out))
    planned = asyncload("plan", volume, "--bucket", "lake", "--offline", "--json")
    lines = [json.loads(line) for line in planned.out.replace(":_", ":0").splitlines()]
    assert [line["type"] for line in lines] == ["excluded", "file", "summary"]
    for line in lines:
        validator.validate(line)


def test_an_unknown_name_is_a_usage_error(asyncload):
    """It names the nearest one and all others."""
    ended = asyncload("schema", "manifests")
    assert ended.code == 2
    assert "'manifests' is not the name of a schema" in ended.err
    assert "did you mean manifest? the schemas are check, clean, " in ended.err


def test_a_field_that_no_schema_declares_is_noticed_in_what_a_program_writes(
    asyncload, volume, monkeypatch
):
    """Without a word of the test that reads the program's output; this one takes the words away."""
    totals = EMPTY_TOTALS["run"]
    more = {**EMPTY_TOTALS, "run": lambda: totals() | {"undeclared": 1}}
    monkeypatch.setattr(ending, "EMPTY_TOTALS", more)
    assert asyncload("run", volume, "--json").code == 2
    (misfit,) = take_misfits()
    assert "must not contain {'undeclared'}" in misfit
