"""Hold records to the package's schemas, and to what the page on records says of them besides.

A program may meet fields that it does not know; here, a field that no schema declares is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_args

import fastjsonschema

from asyncload.model.values import LimitReason
from asyncload.reporting.schemas import read_schema, schema_names
from tests.support.documents import holding

DOCUMENT = holding("# Records\n")


class NotAsDescribedError(AssertionError):
    """A record does not fit its schema."""


def fit(definition: str, record: Mapping[str, Any]) -> None:
    """Compare a record, or a part of one, with its schema, and allow no field besides."""
    try:
        _validator(definition)(record)
    except fastjsonschema.JsonSchemaValueException as error:
        raise NotAsDescribedError(f"{definition}: {error.message}: {record}") from error


@cache
def _validator(definition: str) -> Callable[[Mapping[str, Any]], Any]:
    """The compiled definition, found in any of the schemas."""
    defined = _definitions()
    if definition not in defined:
        raise NotAsDescribedError(f"no schema has {definition}")
    return fastjsonschema.compile({"$ref": f"#/$defs/{definition}", "$defs": defined})


@cache
def _definitions() -> dict[str, Any]:
    """The definitions of all schemas, strict, and with times that know their time zone."""
    found: dict[str, Any] = {}
    for name in schema_names():
        for definition, schema in json.loads(read_schema(name))["$defs"].items():
            assert found.setdefault(definition, schema) == schema, definition
    shared = found["log"] = json.loads(read_schema("log"))
    for part in ("$schema", "$id", "title", "allOf", "$defs"):
        del shared[part]
    for schema in found.values():
        schema["additionalProperties"] = False
    return found


def check_record(record: dict[str, Any]) -> None:
    """A record of `--json`, or of a run of shards."""
    kind = record.get("type")
    if kind == "summary" and record["command"] is not None:
        fit(f"summary_of_{record['command']}", record)
    else:
        fit(str(kind), record)
    if (concurrency := record.get("concurrency")) is not None:
        assert concurrency["reason"] in get_args(LimitReason)
        assert concurrency["peak"] >= 0
    if kind == "file":
        _check_file(record)


def check_manifest(text: str | bytes) -> dict[str, Any]:
    """A whole manifest; returns it."""
    manifest = json.loads(text)
    assert list(manifest) == ["run", "files", "summary"]
    run = manifest["run"]
    fit("run", run)
    days = [run["date"]] if run["date"] else [e["date"] for e in manifest["files"] if e["key"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)
    for entry in manifest["files"]:
        fit("file_in_manifest", entry)
        _check_file(entry)
    check_record(manifest["summary"])
    assert manifest["summary"]["run_id"] == run["run_id"]
    return manifest


def check_lines(out: str) -> list[dict[str, Any]]:
    """All that a command wrote with --json: records, of which the last one is the summary."""
    records = [json.loads(line) for line in out.replace('"seconds":_', '"seconds":0').splitlines()]
    for record in records:
        check_record(record)
    assert [r["type"] for r in records].index("summary") == len(records) - 1
    return records


def check_log(err: str) -> list[dict[str, Any]]:
    """All that a command wrote to standard error with --log-format json."""
    records = [json.loads(line) for line in err.splitlines()]
    for record in records:
        check_log_record(record)
    return records


def check_log_record(record: dict[str, Any]) -> None:
    """A line of the log."""
    names = _definitions()["log"]["properties"]
    fit("log", {name: value for name, value in record.items() if name in names})
    event = record["event"]
    fields = {name: value for name, value in record.items() if name not in names}
    if event == "command.finished":
        of_run = {"run_id": None} if fields["command"] in ("run", "collect") else {}
        check_record({"version": 1, "type": "summary", **of_run, **fields})
    else:
        fit(f"event_{event}", fields)


def _check_file(record: dict[str, Any]) -> None:
    """What is there only with some status is there just then."""
    status = record["status"]
    assert status in {"uploaded", "unchanged", "present", "skipped", "failed", "planned"}
    landed = status in {"uploaded", "unchanged"}
    for name in ("mtime_ns", "verified_by", "checksums"):
        assert (name in record) == landed, record
    if landed:
        assert record["verified_by"] in record["checksums"]
    assert ("replaced" in record) == (status == "uploaded")
    assert ("reason" in record) == (status == "skipped" or record.get("action") == "unknown")
    assert ("error" in record) == (status == "failed")
    assert ("finished" in record) == ("seconds" in record) == (status != "planned")
    assert (record["key"] is None) == (record["partition"] is None)
