"""Hold records to the page on records: each field is described there, and is what is said of it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, NamedTuple, get_args

from asyncload.model.values import LimitReason
from tests.support.documents import holding

DOCUMENT = holding("# Records\n")

_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "object": dict,
    "array": list,
}


class Described(NamedTuple):
    name: str
    kinds: list[str]
    present: str


def tables() -> dict[str, list[Described]]:
    """The fields by record; those of a summary by `summary of COMMAND`."""
    found: dict[str, list[Described]] = {}
    section = ""
    for line in DOCUMENT.read_text().splitlines():
        if begin := re.match(r"## `(\w+)`", line):
            section = begin[1]
        elif begin := re.match(r"Of `(\w+)`:", line):
            section = f"summary of {begin[1]}"
            if begin[1] in ("collect", "report"):
                # They include those of a load, but for its dry run.
                of_run = found["summary of run"]
                found[section] = [f for f in of_run if f.present != "in a dry run"]
            if begin[1] == "plan":
                found[section] = found["summary of run"]
        elif row := re.match(r"\| `(\w+)` \| ([a-z ]+) \| ([^|]+) \| ", line):
            described = Described(row[1], row[2].split(" or "), row[3])
            found.setdefault(section, []).append(described)
    return found


FIELDS = tables()


def check_record(record: dict[str, Any]) -> None:
    """A record of `--json`."""
    assert record["version"] == 1, record
    kind = record["type"]
    fields = list(FIELDS[kind])
    if kind == "summary" and record["command"] is not None:
        fields += FIELDS[f"summary of {record['command']}"]
    _check_fields(record, fields)
    if (concurrency := record.get("concurrency")) is not None:
        _check_fields(concurrency, FIELDS["concurrency"])
        assert concurrency["reason"] in get_args(LimitReason)
        assert concurrency["peak"] >= 0
    if kind == "file":
        _check_file(record)


def check_manifest(text: str | bytes) -> dict[str, Any]:
    """A whole manifest; returns it."""
    manifest = json.loads(text)
    assert list(manifest) == ["run", "files", "summary"]
    run = manifest["run"]
    assert run["version"] == 1
    _check_fields(run, FIELDS["run"])
    days = [run["date"]] if run["date"] else [e["date"] for e in manifest["files"] if e["key"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)
    for entry in manifest["files"]:
        _check_fields(entry, [f for f in FIELDS["file"] if "not in manifests" not in f.present])
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
    shared = FIELDS["log"]
    names = [field.name for field in shared]
    for record in records:
        _check_fields({name: record[name] for name in names if name in record}, shared)
        assert record["version"] == 1
        assert record["type"] == "log"
        _check_event(record["event"], {k: v for k, v in record.items() if k not in names})
    return records


def _check_event(event: str, fields: dict[str, Any]) -> None:
    if event == "command.finished":
        of_run = {"run_id": None} if fields["command"] in ("run", "collect") else {}
        check_record({"version": 1, "type": "summary", **of_run, **fields})
    elif event in ("file.failed", "file.skipped", "file.replaced"):
        _check_fields(fields, [f for f in FIELDS["file"] if "not in manifests" not in f.present])
    elif event == "watch.progress":
        assert fields.keys() <= {field.name for field in FIELDS["progress"]}
    else:
        assert fields.keys() == FIELDS_OF_EVENTS[event], event


def _fields_of_events() -> dict[str, set[str]]:
    """The further fields of the events of the log, as their table names them."""
    section = DOCUMENT.read_text().partition("## `log`")[2].partition("\n## ")[0]
    found: dict[str, set[str]] = {}
    before: set[str] = set()
    for line in section.splitlines():
        if not line.startswith("| `") or line.count("|") != 4:
            continue
        _, events, _, fields, _ = (cell.strip() for cell in line.split("|"))
        if fields != "as above":
            before = set(re.findall(r"`(\w+)`", fields))
        for event in re.findall(r"`([^`]+)`", events):
            found[event] = before
    return found


FIELDS_OF_EVENTS = _fields_of_events()


def _check_fields(record: dict[str, Any], fields: list[Described]) -> None:
    known = {field.name: field for field in fields}
    assert record.keys() <= known.keys(), record.keys() - known.keys()
    for field in fields:
        if field.name in record:
            assert _fits(record[field.name], field.kinds), (field, record[field.name])
        else:
            assert not field.present.startswith("always"), (field, record)


def _fits(value: Any, kinds: list[str]) -> bool:
    return any(_is(value, kind) for kind in kinds)


def _is(value: Any, kind: str) -> bool:
    if kind == "null":
        return value is None
    if kind == "time":
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
    if kind == "error":
        if not isinstance(value, dict):
            return False
        _check_fields(value, FIELDS["error"])
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


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
