"""Table definitions for what `check` found: for Athena, for AWS Glue, and for DuckDB. Pure.

Athena's SerDes are described in its user guide, under "CSV, TSV, and custom-delimited files";
projection under "Partition projection with Amazon Athena".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from asyncload.reporting.tables.results import DatasetChecked
from asyncload.reporting.text import printable
from asyncload.source.tables.types import COMMA
from asyncload.source.tables.values import TEXT, Column, Dialect

_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_DEFAULT = Dialect(",", '"', '"')

# Their ways to write values are those of SQL.
_ATHENA_TYPES = {
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
# Of OpenCSVSerde, which takes dates and timestamps only as numbers, and no empty values.
_OPEN_CSV_TYPES = ("BOOLEAN", "BIGINT", "DOUBLE")
_JAVA_DATES = {"Y": "yyyy", "y": "yy", "m": "MM", "b": "MMM", "B": "MMMM", "d": "dd", "j": "DDD"}
_JAVA_DATES |= {"%": "%"}
_ENCODINGS = {"UTF-16LE": "utf-16", "UTF-16BE": "utf-16", "windows-1252": "latin-1"}
_ENCODINGS |= {"ISO-8859-1": "latin-1"}


class Place(NamedTuple):
    """The folder of a dataset's objects: see `KeyLayout.folder_of`. `first` is the first date."""

    bucket: str
    before: str
    date_format: str | None
    behind: str
    first: date


class Partition(NamedTuple):
    """A column of partitions: its name, its type, and the properties of its projection."""

    name: str
    type: str
    properties: dict[str, str]


class Table(NamedTuple):
    """A table to define."""

    dataset: DatasetChecked
    place: Place
    database: str | None = None
    as_text: bool = False

    @property
    def name(self) -> str:
        """Its name: the dataset's, in lower case, of letters, digits and underscores."""
        return _identifier(self.dataset.dataset, "table")


def athena_sql(table: Table) -> str:
    """Return a `CREATE EXTERNAL TABLE` for Athena."""
    definition = glue_input(table)["TableInput"]
    storage = definition["StorageDescriptor"]
    serde = storage["SerdeInfo"]
    full_name = f"`{table.name}`"
    if table.database:
        full_name = f"`{_identifier(table.database, 'database')}`.{full_name}"
    lines = [*_comments(table, "athena")]
    lines += [f"CREATE EXTERNAL TABLE IF NOT EXISTS {full_name} ("]
    lines += [_listed([f"  `{c['Name']}` {c['Type']}" for c in storage["Columns"]]), ")"]
    if definition["PartitionKeys"]:
        keys = ", ".join(f"`{key['Name']}` {key['Type']}" for key in definition["PartitionKeys"])
        lines.append(f"PARTITIONED BY ({keys})")
    lines.append(f"ROW FORMAT SERDE {_literal(serde['SerializationLibrary'])}")
    lines.append(f"WITH SERDEPROPERTIES (\n{_properties(serde['Parameters'])}\n)")
    lines.append(f"STORED AS INPUTFORMAT {_literal(storage['InputFormat'])}")
    lines.append(f"OUTPUTFORMAT {_literal(storage['OutputFormat'])}")
    lines.append(f"LOCATION {_literal(storage['Location'])}")
    shown = {k: v for k, v in definition["Parameters"].items() if k != "EXTERNAL"}
    lines.append(f"TBLPROPERTIES (\n{_properties(shown)}\n);")
    return "\n".join(lines)


def glue_input(table: Table) -> dict[str, Any]:
    """Return the input of `aws glue create-table --cli-input-json`."""
    dataset, place = table.dataset, table.place
    dialect = _dialect(dataset)
    serde, of_serde = _serde(dataset, dialect)
    partitions = _partitions(place)
    taken = {partition.name for partition in partitions}
    columns = columns_of(dataset)
    names = _unique([_identifier(c.name, "column") for c in columns], taken)
    types = [
        "string" if table.as_text else _athena_type(column, quoted=serde == _OPEN_CSV)
        for column in columns
    ]
    parameters = {"EXTERNAL": "TRUE", "classification": "csv"}
    if lines := dataset.skipped_lines + dataset.header:
        parameters["skip.header.line.count"] = str(lines)
    root = f"s3://{place.bucket}/{place.before}"
    if partitions:
        template = root + _template(place)
        parameters |= {"projection.enabled": "true", "storage.location.template": template}
        for partition in partitions:
            for key, value in partition.properties.items():
                parameters[f"projection.{partition.name}.{key}"] = value
    return {
        "DatabaseName": _identifier(table.database or "default", "database"),
        "TableInput": {
            "Name": table.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
            "PartitionKeys": [{"Name": p.name, "Type": p.type} for p in partitions],
            "StorageDescriptor": {
                "Columns": [
                    {"Name": name, "Type": kind} for name, kind in zip(names, types, strict=True)
                ],
                "Location": root,
                "InputFormat": _INPUT,
                "OutputFormat": _OUTPUT,
                "SerdeInfo": {"SerializationLibrary": serde, "Parameters": of_serde},
            },
        },
    }


def duckdb_sql(table: Table) -> str:
    """Return a `CREATE VIEW` for DuckDB, of its read_csv."""
    dataset, place = table.dataset, table.place
    dialect = _dialect(dataset)
    columns, options = _duckdb_columns(table)
    files = [
        _literal(f"s3://{place.bucket}/{place.before}**/*{ending}")
        # DuckDB inflates no bzip2.
        for ending in dataset.endings
        if ending.lower() != ".csv.bz2"
    ]
    if not files:
        return "\n".join([*_comments(table, "duckdb"), f"-- no table for {table.name}"])
    given = {
        "auto_detect": "false",
        "delim": _literal(dialect.delimiter),
        "quote": _literal(dialect.quote),
        "escape": _literal(dialect.escape),
        "header": str(dataset.header).lower(),
        "skip": str(dataset.skipped_lines),
        "nullstr": f"[{', '.join(map(_literal, dict.fromkeys(['', *_nulls(dataset, dialect)])))}]",
        **options,
    }
    encodings = _encodings(dataset)
    if len(encodings) == 1 and (encoding := encodings.pop()) != "utf-8":
        given["encoding"] = _literal(encoding)
    if place.date_format is not None and "=" in place.date_format:
        given["hive_partitioning"] = "true"
    body = [f"  [{', '.join(files)}]", f"  columns = {{\n{columns}\n  }}"]
    body += [f"  {name} = {value}" for name, value in given.items()]
    name = f'"{table.name}"'
    lines = [*_comments(table, "duckdb"), f"CREATE OR REPLACE VIEW {name} AS"]
    return "\n".join([*lines, f"SELECT * FROM read_csv(\n{_listed(body)}\n);"])


def columns_of(dataset: DatasetChecked) -> list[Column]:
    """Return the columns in the order of the files, by which engines read them.

    If headers differ, it is the one that continues all others, if any, else the first.
    """
    headers = [header.names for header in dataset.headers]
    longest = max(headers, key=len)
    same = all(longest[: len(names)] == names for names in headers)
    columns: dict[str, list[Column]] = {}
    for column in dataset.columns:
        columns.setdefault(column.name, []).append(column)
    return [columns[name].pop(0) for name in (longest if same else headers[0])]


def _duckdb_columns(table: Table) -> tuple[str, dict[str, str]]:
    """Return the columns with their types, and the options that these need."""
    columns = columns_of(table.dataset)
    formats = {c.format for c in columns if c.type == "DATE"}
    decimals = {c.format for c in columns if c.type == "DOUBLE"}
    options = {}
    # One format serves all columns of a type.
    dates = formats.pop() if len(formats) == 1 else ""
    if dates and not table.as_text:
        options["dateformat"] = _literal(dates)
    decimal = decimals.pop() if len(decimals) == 1 else ""
    if decimal == COMMA and not table.as_text:
        options["decimal_separator"] = "','"
    kinds = []
    for column in columns:
        mixed = (column.type == "DATE" and column.format != dates) or (
            column.type == "DOUBLE" and column.format != decimal
        )
        kinds.append(TEXT if table.as_text or mixed else column.type or TEXT)
    names = _unique([column.name or "column" for column in columns], set())
    lines = [f"    {_literal(n)}: {_literal(k)}" for n, k in zip(names, kinds, strict=True)]
    return _listed(lines), options


def _serde(dataset: DatasetChecked, dialect: Dialect) -> tuple[str, dict[str, str]]:
    """Return the class that reads the rows, with its properties."""
    if dialect.quote:
        escape = dialect.escape if dialect.escape != dialect.quote else "\\"
        return _OPEN_CSV, {
            "separatorChar": dialect.delimiter,
            "quoteChar": dialect.quote,
            "escapeChar": escape,
        }
    null = "\\N" if "\\N" in dataset.null_markers else ""
    words = [word for word in dataset.null_markers if word != "\\N"]
    properties = {
        "field.delim": dialect.delimiter,
        "serialization.format": dialect.delimiter,
        "serialization.null.format": null or (words[0] if words else ""),
    }
    others = [name for name in dataset.encodings if name in ("windows-1252", "ISO-8859-1")]
    if others:
        properties["serialization.encoding"] = others[0]
    return _LAZY, properties


def _athena_type(column: Column, *, quoted: bool) -> str:
    if column.format or (quoted and (column.type not in _OPEN_CSV_TYPES or column.nulls)):
        return "string"
    return _ATHENA_TYPES.get(column.type, "string")


def _partitions(place: Place) -> list[Partition]:
    """Return the columns of the date: of each `key=%d`, or one for the whole date."""
    if place.date_format is None:
        return []
    segments = place.date_format.split("/")
    if all(re.fullmatch(r"\w+=%[Ymd]", segment) for segment in segments):
        pairs = [segment.split("=%") for segment in segments]
        return [_integer(name, code, place.first) for name, code in pairs]
    start = format(place.first, place.date_format.replace("%Y", f"{place.first.year:04}"))
    units = {"%d": "DAYS", "%m": "MONTHS"}
    unit = next((unit for code, unit in units.items() if code in place.date_format), "YEARS")
    return [
        Partition(
            "dt",
            "string",
            {
                "type": "date",
                "format": _java_format(place.date_format),
                "range": f"{start},NOW",
                "interval": "1",
                "interval.unit": unit,
            },
        )
    ]


def _integer(name: str, code: str, first: date) -> Partition:
    ranges = {"Y": f"{first.year:04},2099", "m": "1,12", "d": "1,31"}
    digits = "4" if code == "Y" else "2"
    properties = {"type": "integer", "range": ranges[code], "digits": digits}
    return Partition(name.lower(), "int", properties)


def _template(place: Place) -> str:
    """Return the folder of one date, with the columns of the date in it."""
    assert place.date_format is not None, "only a date has partitions"
    segments = place.date_format.split("/")
    if all(re.fullmatch(r"\w+=%[Ymd]", segment) for segment in segments):
        keys = [segment.partition("=")[0] for segment in segments]
        return "/".join(f"{key}=${{{key.lower()}}}" for key in keys) + place.behind
    return f"${{dt}}{place.behind}"


def _java_format(text: str) -> str:
    """Return a format of strftime as Java writes it, for days, months and years."""
    pieces = re.split(r"%(.)", text)
    return "".join(
        _JAVA_DATES.get(piece, "") if i % 2 else re.sub(r"([A-Za-z=']+)", r"'\1'", piece)
        for i, piece in enumerate(pieces)
    )


def _nulls(dataset: DatasetChecked, dialect: Dialect) -> list[str]:
    """Return the words for nulls that a reader can tell from a quote or an escape."""
    marks = [mark for mark in dialect if mark]
    return [word for word in dataset.null_markers if not any(mark in word for mark in marks)]


def _dialect(dataset: DatasetChecked) -> Dialect:
    return dataset.dialects[0][0] if dataset.dialects else _DEFAULT


def _encodings(dataset: DatasetChecked) -> set[str]:
    """Return the encodings that read all files, by DuckDB's names. All but UTF-16 read ASCII."""
    kinds = {_ENCODINGS.get(name, "utf-8") for name in dataset.encodings if name != "ASCII"}
    if "ASCII" in dataset.encodings and kinds != {"latin-1"}:
        kinds.add("utf-8")
    return kinds


def _comments(table: Table, engine: str) -> Iterator[str]:
    yield f"-- {printable(table.dataset.dataset)}"
    for warning in warnings_of(table.dataset, engine):
        yield f"-- warning: {printable(warning)}"


def warnings_of(dataset: DatasetChecked, engine: str) -> Iterator[str]:
    """Yield what an engine can't do with the files of a dataset."""
    for finding in dataset.findings:
        named = f"column {finding.column!r}: " if finding.column is not None else ""
        yield named + finding.message
    yield from dataset.flaws
    if len(_encodings(dataset)) > 1:
        yield f"a table has one encoding, and files have {', '.join(dataset.encodings)}"
    wide = [name for name in dataset.encodings if name.startswith(("UTF-16", "UTF-32"))]
    if engine != "duckdb":
        if wide:
            yield f"Athena can't read {wide[0]}"
        if _dialect(dataset).quote:
            yield "Athena can't read line breaks in quoted values; dates and nulls are texts"
        return
    if ".csv.bz2" in [ending.lower() for ending in dataset.endings]:
        yield "DuckDB can't read .csv.bz2"
    if wide and wide[0].startswith("UTF-32"):
        yield f"DuckDB can't read {wide[0]}"
    if "windows-1252" in dataset.encodings:
        yield (
            "DuckDB reads windows-1252 as latin-1, and fails at characters that latin-1 lacks, "
            "such as the euro sign"
        )


def _identifier(text: str, empty: str) -> str:
    """Return a name of lower-case ASCII letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_")
    return f"_{name}" if name[:1].isdigit() else name or empty


def _unique(names: Sequence[str], taken: set[str]) -> list[str]:
    """Return the names, with a number behind those that others have, in any letter case."""
    unique = []
    for name in names:
        new, number = name, 1
        while new.lower() in taken:
            number += 1
            new = f"{name}_{number}"
        taken.add(new.lower())
        unique.append(new)
    return unique


def _properties(values: dict[str, str]) -> str:
    return _listed([f"  {_literal(k)} = {_hive_literal(v)}" for k, v in values.items()])


def _listed(items: Sequence[str]) -> str:
    return ",\n".join(items)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _hive_literal(text: str) -> str:
    """Return a text as Hive writes it: a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\t", "\\t") + "'"
