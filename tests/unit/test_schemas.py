"""The JSON Schemas of the records: their form, their source, and how tests hold records to them."""

from __future__ import annotations

import json

import jsonschema
import pytest

from asyncload.reporting import records
from asyncload.reporting.schemas import read_schema, schema_names
from tests.support import schemas
from tests.support.observed import observe, take_misfits

NOTICE = records.notice_record("by the terms of the API")
TOTALS = records.EMPTY_TOTALS


def summary(command, **fields):
    now = records.datetime(2022, 5, 2, tzinfo=records.UTC)
    totals = TOTALS[command]() | fields
    about = {"bucket": "lake", "started": now, "finished": now, "exit_code": 0, "error": None}
    return records.summary_record(command, totals, **about)


def test_they_are_made_from_the_tables_of_records():
    """`python -m tests.support.schemas --write` makes them."""
    files = {path: path.read_text() for path in schemas.FOLDER.glob("*.json")}
    assert files == schemas.rendered()


@pytest.mark.parametrize("name", schema_names())
def test_each_is_a_schema_and_describes_each_field(name):
    """By draft 2020-12; its id has the version of the records."""
    schema = json.loads(read_schema(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:asyncload:records:{records.VERSION}:{name}"
    for definition, described in schema["$defs"].items():
        for field, value in described["properties"].items():
            known = {"const", "description"} & value.keys() or definition.startswith("event_")
            assert known, (definition, field)


def test_each_command_with_records_has_a_schema():
    """Under its name; the others are those of other outputs."""
    assert set(schema_names()) - TOTALS.keys() == {"lambda", "log", "manifest", "shards"}
    assert TOTALS.keys() <= set(schema_names())


@pytest.mark.parametrize("command", TOTALS)
def test_a_program_reads_records_of_later_versions_of_asyncload(command):
    """New fields and new types of records fit; a missing field and another version do not."""
    validator = jsonschema.Draft202012Validator(json.loads(read_schema(command)))
    record = summary(command)
    assert validator.is_valid(record)
    assert validator.is_valid(record | {"new": [1]})
    assert validator.is_valid({"version": 1, "type": "new"})
    assert not validator.is_valid(record | {"version": 2})
    for name in TOTALS[command]().keys() - {"dry_run", "offline"} or record.keys():
        without = {field: value for field, value in record.items() if field != name}
        if name in _required(command):
            assert not validator.is_valid(without), name


def _required(command):
    return json.loads(read_schema(command))["$defs"][f"summary_of_{command}"]["required"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (NOTICE | {"undeclared": 1}, "notice: data must not contain {'undeclared'} properties"),
        (NOTICE | {"message": 1}, "notice: data.message must be string"),
        (NOTICE | {"type": "unknown"}, "no schema has unknown"),
        ({"version": 1, "type": "notice"}, "notice: data must contain ['message'] properties"),
        (summary("run", excluded={"hidden": "2"}), "data.excluded.hidden must be integer"),
        (summary("run", finished="yesterday"), "data.finished must be date-time"),
        (summary("run", store={"proofs": []}), "data.store"),
        ({"version": 1, "type": "summary"}, "KeyError: 'command'"),
        ({"version": 1, "type": "log", "event": "new"}, "log: data must contain"),
    ],
)
def test_a_record_that_no_schema_describes_fails_the_test_that_makes_it(wrong, words):
    """However it is read or stored; other lines, and those cut by a signal, are ignored."""
    observe(f"{records.to_json(NOTICE)}\nother words\n" + records.to_json(wrong)[:-3])
    assert take_misfits() == []
    observe(f"{records.to_json(wrong)}\n")
    (misfit,) = take_misfits()
    assert words in misfit


def test_a_manifest_is_held_to_its_schema_line_by_line():
    """Its description, its files and its summary."""
    run = dict.fromkeys(("version", "type", "run_id", "bucket", "date", "started"), 1)
    observe(json.dumps({"run": run, "files": [], "summary": {}}, separators=(",", ":")).encode())
    (misfit,) = take_misfits()
    assert misfit.startswith("run: data must contain")
