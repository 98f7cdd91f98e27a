"""`asyncload ddl`: definitions that engines accept, and that read back what was loaded."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path

import botocore.session
import duckdb
import pytest
import sqlglot
from botocore.validate import ParamValidator

from asyncload.errors import UsageError
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.tables.ddl import (
    Place,
    Table,
    athena_sql,
    duckdb_sql,
    glue_input,
    warnings_of,
)
from asyncload.reporting.tables.results import Dataset
from asyncload.source.tables.values import CheckedFile, Column, Dialect, Finding
from tests.support.loads import load_volume, write_files
from tests.support.memory_store import MemoryStore

SAMPLE = Path(__file__).parents[2] / "data"
DAY = date(2022, 5, 2)
DEFAULT = Place("lake", "Raw/Local/CSV/D/", "%Y/%m/%d", "/", DAY)
PIPES = Dialect("|", "", "")
QUOTES = Dialect(",", '"', '"')


def table(*columns, place=DEFAULT, dialect=PIPES, path="a.csv", **fields):
    """A table of one file with these columns: name, type, format and nulls."""
    of_table = {name: fields.pop(name) for name in ("database", "as_text") if name in fields}
    dataset = Dataset("D")
    found = [Column(name, kind, form, 3, nulls) for name, kind, form, nulls in columns]
    defaults = {"encoding": "UTF-8", "header": True, "dialect": dialect}
    dataset.add(CheckedFile(path, 1, columns=found, **defaults | fields))
    return Table(dataset.checked(), place, **of_table)


def glue_columns(made):
    """Name and type of each column."""
    columns = made["TableInput"]["StorageDescriptor"]["Columns"]
    return {column["Name"]: column["Type"] for column in columns}


def test_each_definition_of_the_sample_is_accepted(asyncload):
    """By sqlglot for Athena, by botocore's description of Glue's API."""
    options = (SAMPLE, "--bucket", "lake", "--date", "2022-05-02", "--exclude", "reviews/")
    ended = asyncload("ddl", *options, "--database", "Raw zone")
    assert (ended.code, ended.err) == (
        0,
        "warning: People gets no table: people.csv: the file is empty\n",
    )
    tables = sqlglot.parse(ended.out, read="athena")
    made = {made.find(sqlglot.exp.Table).sql() for made in tables}
    assert made == {f"`raw_zone`.`{name}`" for name in ("movies", "ratings", "series")} or {
        name.replace("`", '"') for name in made
    } == {f'"raw_zone"."{name}"' for name in ("movies", "ratings", "series")}
    assert "'serialization.null.format' = '\\\\N'" in ended.out
    assert "'projection.dt.range' = '2022/05/02,NOW'" in ended.out

    model = botocore.session.get_session().get_service_model("glue")
    shape = model.operation_model("CreateTable").input_shape
    documents = asyncload("ddl", *options, "--engine", "glue", "--layout", "hive").out
    for document in map(json.loads, documents.splitlines()):
        assert not ParamValidator().validate(document, shape).has_errors()
        keys = document["TableInput"]["PartitionKeys"]
        assert keys == [{"Name": name, "Type": "int"} for name in ("year", "month", "day")]
        template = document["TableInput"]["Parameters"]["storage.location.template"]
        assert template.endswith("/year=${year}/month=${month}/day=${day}/")


def test_a_dataset_without_columns_is_named(asyncload, tmp_path):
    """With the first of its files, and why that has none; the others get their tables."""
    write_files(
        tmp_path,
        {
            "pages/a.csv": b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n",
            "pages/b.csv": b"",
            "empty/a.csv": b"\n\n",
            "sales/a.csv": b"id,name\n1,a\n",
        },
    )
    ended = asyncload("ddl", tmp_path, "--bucket", "lake", "--engine", "glue")
    (document,) = map(json.loads, ended.out.splitlines())
    assert (ended.code, document["TableInput"]["Name"]) == (0, "sales")
    assert [line for line in ended.err.splitlines() if "gets no table" in line] == [
        "warning: Empty gets no table: empty/a.csv: the file has only blank lines",
        "warning: Pages gets no table: pages/a.csv: this is not a CSV, but HTML",
    ]


@pytest.mark.parametrize("layout", ["default", "hive"])
async def test_the_loaded_objects_are_read_back(tmp_path, layout):
    """With all rows, and the sums of the source: objects as files, through DuckDB's definition."""
    from asyncload.operations.ddl import define_tables
    from asyncload.reporting.tables.results import CheckReport
    from asyncload.settings.run import Settings

    store = MemoryStore()
    chosen = {"layout": layout, "exclude": ("resenhas*",)}
    await load_volume(store, SAMPLE, **chosen)
    write_files(tmp_path, store.objects)
    settings = Settings(volume=SAMPLE, bucket="lake", date="2022-05-02", **chosen)
    tables = await define_tables(settings, CheckReport())
    database = duckdb.connect()
    for made in tables:
        database.execute(duckdb_sql(made).replace("s3://lake/", f"{tmp_path}/"))
    for name in ("movies", "series"):
        with (SAMPLE / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE))
        votes = [int(row["numeroVotos"]) for row in rows if row["numeroVotos"] != "\\N"]
        notes = [float(row["notaMedia"]) for row in rows if row["notaMedia"] != "\\N"]
        found = database.execute(
            f"SELECT count(*), sum(numeroVotos), sum(notaMedia), count(notaMedia) FROM {name}"
        ).fetchone()
        assert found[:2] == (len(rows), sum(votes))
        assert found[2:] == (pytest.approx(sum(notes)), len(notes))
    rated = database.execute("SELECT count(*), typeof(any_value(avaliadoEm)) FROM ratings")
    assert rated.fetchone() == (520, "TIMESTAMP WITH TIME ZONE")
    reviews = database.execute("SELECT texto FROM reviews ORDER BY 1").fetchall()
    with (SAMPLE / "reviews/2022/reviews.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["texto"] or None for row in csv.DictReader(file)]
    assert len(reviews) == len(texts)
    assert {text for (text,) in reviews} == set(texts)
    if layout == "hive":
        assert database.execute("SELECT DISTINCT year FROM movies").fetchall() == [(2022,)]


def test_decimal_commas_and_dates_are_read_as_such(tmp_path):
    """If all numbers have a comma, and all dates have one format."""
    (tmp_path / "a.csv").write_text("n|d|t\n1,5|31/12/2022|2022-05-02T10:00:00\n2|01/02/2022|\n")
    columns = [("n", "DOUBLE", "decimal comma", 0), ("d", "DATE", "%d/%m/%Y", 0)]
    made = table(*columns, ("t", "TIMESTAMP", "T", 1))
    sql = duckdb_sql(made).replace("s3://lake/Raw/Local/CSV/D", str(tmp_path))
    database = duckdb.connect()
    database.execute(sql)
    found = database.execute("SELECT sum(n), max(d), count(t) FROM d").fetchone()
    assert found == (3.5, date(2022, 12, 31), 1)
    assert glue_columns(glue_input(made)) == {"n": "string", "d": "string", "t": "string"}
    mixed = duckdb_sql(table(*columns, ("x", "DOUBLE", "", 0), ("e", "DATE", "", 0)))
    assert re.findall(r"'(\w)': '(\w+)'", mixed) == [
        ("n", "VARCHAR"),
        ("d", "VARCHAR"),
        ("x", "DOUBLE"),
        ("e", "DATE"),
    ]
    as_text = duckdb_sql(table(*columns, as_text=True))
    assert "dateformat" not in as_text
    assert "decimal" not in as_text
    assert "DOUBLE" not in as_text


def test_quoted_values_need_another_reader_in_athena():
    """It reads numbers in columns without nulls, and never dates."""
    made = table(
        ("a", "BIGINT", "", 0), ("b", "BIGINT", "", 1), ("c", "DATE", "", 0), dialect=QUOTES
    )
    assert glue_columns(glue_input(made)) == {"a": "bigint", "b": "string", "c": "string"}
    sql = athena_sql(made)
    assert "OpenCSVSerde" in sql
    assert "'escapeChar' = '\\\\'" in sql
    assert "-- warning: Athena can't read line breaks" in sql
    escaped = glue_input(table(("a", "", "", 3), dialect=Dialect(",", '"', "~")))
    serde = escaped["TableInput"]["StorageDescriptor"]["SerdeInfo"]
    assert serde["Parameters"]["escapeChar"] == "~"
    plain = table(("a", "DATE", "", 1), ("b", "TIMESTAMP", "", 0), ("c", "BOOLEAN", "", 0))
    assert [*glue_columns(glue_input(plain)).values()] == ["date", "timestamp", "boolean"]
    text = table(("a", "DATE", "", 1), as_text=True)
    assert [*glue_columns(glue_input(text)).values()] == ["string"]


def test_names_are_those_that_an_engine_accepts():
    """In Athena of ASCII letters, digits and underscores, each once; in DuckDB as they are."""
    names = ["título", "2nd", "", "A b", "a_b", "dt", "日本"]
    made = table(*[(name, "BIGINT", "", 0) for name in names])
    assert [*glue_columns(glue_input(made))] == [
        "titulo",
        "_2nd",
        "column",
        "a_b",
        "a_b_2",
        "dt_2",
        "column_2",
    ]
    assert "'日本': 'BIGINT'" in duckdb_sql(made)


def test_encodings_endings_and_null_words():
    """What an engine can't read is a warning in its definition."""
    column = ("a", "BIGINT", "", 0)
    latin = table(column, encoding="windows-1252", null_markers=["NA"])
    parameters = glue_input(latin)["TableInput"]["StorageDescriptor"]["SerdeInfo"]["Parameters"]
    assert parameters["serialization.encoding"] == "windows-1252"
    assert parameters["serialization.null.format"] == "NA"
    assert "encoding = 'latin-1'" in duckdb_sql(latin)
    assert "nullstr = ['', 'NA']" in duckdb_sql(latin)
    wide = table(column, encoding="UTF-16LE", header=False, skipped_lines=0)
    assert "Athena can't read UTF-16LE" in athena_sql(wide)
    assert "skip.header.line.count" not in athena_sql(wide)
    assert "encoding = 'utf-16'" in duckdb_sql(wide)
    packed = duckdb_sql(table(column, path="x/a.CSV.GZ"))
    assert "/**/*.CSV.GZ'" in packed
    bzip2 = duckdb_sql(table(column, path="a.csv.bz2"))
    assert bzip2.endswith("-- warning: DuckDB can't read .csv.bz2\n-- no table for d")


def test_files_whose_headers_differ_are_read_by_position():
    """By the header that continues all others, else by the first."""
    dataset = Dataset("D")
    for path, names in (("1.csv", "ab"), ("2.csv", "abc"), ("3.csv", "a")):
        columns = [Column(name, "BIGINT", "", 1, 0) for name in names]
        dataset.add(CheckedFile(path, 1, dialect=PIPES, columns=columns))
    assert [*glue_columns(glue_input(Table(dataset.checked(), DEFAULT)))] == ["a", "b", "c"]
    dataset.add(CheckedFile("4.csv", 1, dialect=PIPES, columns=columns[::-1] * 3))
    dataset.add(
        CheckedFile("5.csv", 1, dialect=PIPES, columns=[Column(n, "", "", 0, 1) for n in "xyzw"])
    )
    made = Table(dataset.checked(), DEFAULT)
    assert [*glue_columns(glue_input(made))] == ["a", "b"]
    assert "-- warning: 5.csv has 'x', 'y', 'z', 'w', which 1.csv lacks" in athena_sql(made)


@pytest.mark.parametrize(
    ("template", "folder", "properties"),
    [
        ("default", ("Raw/Local/CSV/D/", "%Y/%m/%d", "/"), {"format": "yyyy/MM/dd"}),
        ("{dataset}/{date:%Y-%m}/x/{path}", ("D/", "%Y-%m", "/x/"), {"interval.unit": "MONTHS"}),
        ("{date:y%Y}/{path}", ("", "y%Y", "/"), {"format": "'y'yyyy", "range": "y2022,NOW"}),
        ("{date}/{dataset}/{path}", ("", "%Y-%m-%d", "/D/"), {"format": "yyyy-MM-dd"}),
        (
            "{dataset}/{date:%Y}/{date:%m}/x/{path}",
            ("D/", "%Y/%m", "/x/"),
            {"format": "yyyy/MM", "range": "2022/05,NOW"},
        ),
        (
            "{date:%Y}/{dataset}/100%/{date:%d}/{path}",
            ("", "%Y/D/100%%/%d", "/"),
            {"format": "yyyy/'D'/100%/dd"},
        ),
        ("{dataset}/{path}", ("D/", None, ""), None),
    ],
)
def test_layouts_give_partitions(template, folder, properties):
    """The date's segments are a column; without a date there is none."""
    layout = KeyLayout(template, "Raw", "Local", "CSV", DAY).without_date()
    assert layout.folder_of("D") == folder
    made = glue_input(table(("a", "", "", 1), place=Place("lake", *folder, DAY)))["TableInput"]
    assert bool(made["PartitionKeys"]) == (properties is not None)
    for key, value in (properties or {}).items():
        assert made["Parameters"][f"projection.dt.{key}"] == value


@pytest.mark.parametrize("template", ["{dataset}-{date}/{path}", "{dataset}/{date}-{path}"])
def test_a_date_beside_other_text_gives_no_partitions(template):
    """No folder has the objects of one date."""
    layout = KeyLayout(template, "Raw", "Local", "CSV", None)
    with pytest.raises(UsageError, match=r"the date of .* is not in segments of its own"):
        layout.folder_of("D")


def test_files_that_an_engine_can_not_read_as_the_others_are_named():
    """Ragged rows, quotes that are not closed, lines before the table, mixed encodings."""
    column = Column("a", "BIGINT", "", 1, 0)
    dataset = Dataset("D")
    for path, fields in {
        "1.csv": {"encoding": "ASCII"},
        "2.csv": {
            "encoding": "windows-1252",
            "findings": [Finding("ragged rows", "1 row has fewer"), Finding("header", "no name")],
        },
        "3.csv": {"encoding": "ASCII", "findings": [Finding("ragged rows", "2 rows have more")]},
    }.items():
        dataset.add(CheckedFile(path, 1, dialect=PIPES, columns=[column], header=True, **fields))
    sql = duckdb_sql(Table(dataset.checked(), DEFAULT))
    assert "encoding = 'latin-1'" in sql
    assert "-- warning: 2.csv: 1 row has fewer; and 1 more file" in sql
    assert "-- warning: DuckDB reads windows-1252 as latin-1" in sql
    assert "no name" not in sql

    dataset.add(CheckedFile("4.csv", 1, findings=[Finding("not a CSV", "this is HTML")]))
    start = {"encoding": "UTF-32LE", "skipped_lines": 2, "mixed_encodings": True}
    dataset.add(CheckedFile("5.csv", 1, dialect=PIPES, columns=[column], header=True, **start))
    warnings = list(warnings_of(dataset.checked(), "duckdb"))
    assert warnings[1:6] == [
        "4.csv: this is HTML",
        "5.csv: the file has mixed encodings",
        "5.csv has 2 lines before its table, and 1.csv has 0",
        "a table has one encoding, and files have ASCII, windows-1252, UTF-32LE",
        "DuckDB can't read UTF-32LE",
    ]
    assert "encoding =" not in duckdb_sql(Table(dataset.checked(), DEFAULT))
    assert "Athena can't read UTF-32LE" in [*warnings_of(dataset.checked(), "athena")]


def test_options_and_failures(asyncload, tmp_path):
    """A wrong date or engine is exit code 2, a file that can't be read 3."""
    write_files(tmp_path, {"a.csv": b"a;b\n\xe9;1\n", "b.csv.gz": b"\x1f\x8b\x08broken"})
    options = ("ddl", tmp_path, "--bucket", "lake")
    selected = ("--include", "packed*", "--include", "*")
    ended = asyncload(*options, "--first-date", "2020-01-31", *selected)
    assert "'projection.dt.range' = '2020/01/31,NOW'" in ended.out
    assert "failed: b.csv.gz" in ended.err
    assert "--include 'packed*' matched no file" in ended.err
    assert ended.code == 3
    assert asyncload(*options, "--first-date", "31.1.2020").code == 2
    assert asyncload(*options, "--engine", "spark").code == 2
