"""The JSON Schemas of the records: `python -m tests.support.schemas --write` makes them.

The page on records is their source. Its headings name the records and their parts, its tables have
their fields, and the first table says which records an output has.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.documents import holding

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = holding("# Records\n")
FOLDER = REPOSITORY / "asyncload/reporting/schemas"
VERSION = 1

_SIMPLE = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
# Fields that a Lambda function adds to each record of its log.
_OF_LAMBDA = {
    "timestamp": ("time", "time of the record"),
    "level": ("string", "`INFO`, `WARN` or `ERROR`"),
    "request_id": ("string", "Lambda's id of the invocation"),
}


class Field(NamedTuple):
    """A row of a table."""

    name: str
    kind: str
    present: str
    meaning: str

    @property
    def required(self) -> bool:
        return self.present.startswith("always")

    @property
    def schema(self) -> dict[str, Any]:
        if self.name == "version":
            return {"const": VERSION}
        if self.name == "type" and re.fullmatch(r"`\w+`", self.meaning):
            return {"const": self.meaning.strip("`")}
        meaning = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", self.meaning)
        present = "" if self.present == "always" else f" (present: {self.present})"
        about = {"description": meaning + present} if meaning else {}
        return about | schema_of(self.kind)


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a type, as the tables write it."""
    kinds = kind.split(" or ")
    if len(kinds) > 1:
        schemas = [schema_of(one) for one in kinds]
        if all(schema.keys() == {"type"} for schema in schemas):
            return {"type": [schema["type"] for schema in schemas]}
        return {"anyOf": schemas}
    if kind.startswith("object of "):
        return {"type": "object", "additionalProperties": schema_of(kind[10:])}
    if kind.startswith("array of "):
        return {"type": "array", "items": schema_of(kind[9:])}
    return dict(_SIMPLE[kind]) if kind in _SIMPLE else {"$ref": f"#/$defs/{kind}"}


class Document:
    """The tables of the page on records.

    `fields` are those of each record, part, and `summary of COMMAND`; `outputs` the names of the
    records by schema; `events` the further fields of each event of the log.
    """

    def __init__(self, text: str) -> None:
        self.fields: dict[str, dict[str, Field]] = {}
        self.outputs: dict[str, dict[str, list[str]]] = {}
        self.events: dict[str, list[str]] = {}
        self.kinds_in_log: dict[str, str] = {}
        self.about: dict[str, str] = {}
        self._last_event: list[str] = []
        section, header = "", ()
        for line in text.splitlines():
            if begin := re.match(r"#+ `?([^`]+)`?$", line):
                section = begin[1]
            elif begin := re.match(r"Of `(\w+)`:( the fields of `run`)?", line):
                section = f"summary of {begin[1]}"
                self.fields[section] = self._inherited(begin[1], of_run=bool(begin[2]))
            elif not line.startswith("|"):
                header = ()
                if re.match("[A-Z]", line) and section not in self.about:
                    self.about[section] = line.rstrip(":")
            elif not header:
                header = _cells(line)
            elif not line.startswith("|---"):
                self._row(section, header, _cells(line))
        self.fields["file_in_manifest"] = {
            name: field
            for name, field in self.fields["file"].items()
            if "not in manifests" not in field.present
        }

    def _row(self, section: str, header: tuple[str, ...], cells: tuple[str, ...]) -> None:
        match header:
            case ("output", "schema", "records"):
                output, schema, records = cells
                self.outputs.setdefault(schema.strip("`"), {})[output] = _quoted(records)
            case ("field", "type", "present", "meaning"):
                field = Field(cells[0].strip("`"), *cells[1:])
                self.fields.setdefault(section, {})[field.name] = field
            case ("event", "level", "further fields"):
                if cells[2] != "as above":
                    self._last_event = _quoted(cells[2])
                self.events |= dict.fromkeys(_quoted(cells[0]), self._last_event)
            case ("field", "type"):
                self.kinds_in_log |= dict.fromkeys(_quoted(cells[0]), cells[1])

    def _inherited(self, command: str, *, of_run: bool) -> dict[str, Field]:
        """The fields that a summary has besides those of its own table."""
        if not of_run:
            return dict(self.fields["summary"])
        fields = self.fields["summary of run"]
        if command == "plan":
            return dict(fields)
        return {name: f for name, f in fields.items() if f.present != "in a dry run"}

    def records_of(self, schema: str) -> list[str]:
        """The records of an output, in the order of their headings."""
        named = {name for records in self.outputs[schema].values() for name in records}
        return [name for name in self.fields if name in named and name != "summary"]

    def schema(self, name: str) -> dict[str, Any]:
        """The whole schema of an output."""
        head = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:asyncload:records:{VERSION}:{name}",
            "title": "; ".join(self.outputs[name]).replace("`", ""),
        }
        if name == "manifest":
            body = self._manifest()
        elif name == "log":
            body = self._log()
        else:
            body = self._lines(name)
        return head | body | {"$defs": self._needed(body)}

    def _lines(self, name: str) -> dict[str, Any]:
        """The schema of a line: by its type, and a summary by its command."""
        cases = [({"type": {"const": kind}}, kind) for kind in self.records_of(name)]
        if any("summary" in records for records in self.outputs[name].values()):
            cases.append(({"type": {"const": "summary"}}, "summary"))
            commands = ["run", "collect"] if name == "lambda" else [name]
            # A dry run of `run` has its command in the summary.
            commands += ["run"] if name == "plan" else []
            cases += [
                (
                    {"type": {"const": "summary"}, "command": {"const": command}},
                    f"summary_of_{command}",
                )
                for command in commands
            ]
        line = _by_case(
            {"version": {"const": VERSION}, "type": {"type": "string"}}, ["version", "type"], cases
        )
        if name == "lambda":
            fields = [Field(n, kind, "always", about) for n, (kind, about) in _OF_LAMBDA.items()]
            line["properties"] |= {field.name: field.schema for field in fields}
            line["required"] += [field.name for field in fields]
        return line

    def _log(self) -> dict[str, Any]:
        """The schema of a line of the log: by its event."""
        shared = self._object("log")
        cases = [({"event": {"const": event}}, f"event_{event}") for event in self.events]
        return shared | {"allOf": [_case(*case) for case in cases]}

    def _event(self, event: str) -> dict[str, Any]:
        """The further fields of an event."""
        shared = self.fields["log"]
        if event == "command.finished":
            fields = self.fields["summary"]
        elif event.startswith("file."):
            fields = self.fields["file_in_manifest"]
        elif event == "watch.progress":
            fields = {
                n: f for n, f in self.fields["progress"].items() if n not in ("time", "bucket")
            }
        else:
            return _object(
                [Field(name, self.kinds_in_log[name], "always", "") for name in self.events[event]]
            )
        return _object([field for name, field in fields.items() if name not in shared])

    def _manifest(self) -> dict[str, Any]:
        parts = {
            "run": {"$ref": "#/$defs/run"},
            "files": {"type": "array", "items": {"$ref": "#/$defs/file_in_manifest"}},
            "summary": {
                "anyOf": [{"$ref": f"#/$defs/summary_of_{name}"} for name in ("run", "collect")]
            },
        }
        return {"type": "object", "properties": parts, "required": list(parts)}

    def _object(self, name: str) -> dict[str, Any]:
        made = _object(list(self.fields[name].values()))
        about = self.about.get(name)
        return {"description": about, **made} if about else made

    def _needed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The definitions that a schema refers to, also through others."""
        found: dict[str, Any] = {}
        wanted = _references(body)
        while wanted:
            name = wanted.pop()
            if name in found:
                continue
            if name.startswith("event_"):
                found[name] = self._event(name.removeprefix("event_"))
            else:
                found[name] = self._object(name.replace("summary_of_", "summary of "))
            wanted |= _references(found[name])
        return dict(sorted(found.items()))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([a-z_.]+)`", text)


def _object(fields: list[Field]) -> dict[str, Any]:
    """The schema of an object with these fields. It may have others: see the version policy."""
    return {
        "type": "object",
        "properties": {field.name: field.schema for field in fields},
        "required": [field.name for field in fields if field.required],
    }


def _by_case(
    properties: dict[str, Any], required: list[str], cases: list[tuple[dict[str, Any], str]]
) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "allOf": [_case(*case) for case in cases],
    }


def _case(properties: dict[str, Any], definition: str) -> dict[str, Any]:
    return {
        "if": {"properties": properties, "required": list(properties)},
        "then": {"$ref": f"#/$defs/{definition}"},
    }


def _references(schema: Any) -> set[str]:
    """The names of the definitions that a schema refers to."""
    return set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))


def rendered() -> dict[Path, str]:
    """The text of each file."""
    document = Document(DOCUMENT.read_text())
    return {
        FOLDER / f"{name}.json": json.dumps(document.schema(name), indent=1) + "\n"
        for name in document.outputs
    }


def main() -> int:
    """Write the files, or print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files into the package")
    if not parser.parse_args().write:
        sys.stdout.write("".join(rendered().values()))
        return 0
    files = rendered()
    for path in {*FOLDER.glob("*.json")} - files.keys():
        path.unlink()
    for path, text in files.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
