"""`asyncload check`: the table for people, the records for programs, and the exit codes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from asyncload.operations import check as operation
from asyncload.reporting.tables.results import MAX_HEADERS, Dataset
from asyncload.source.tables.values import CheckedFile, Column, Dialect
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

SAMPLE = Path(__file__).parents[2] / "data"


def written(folder, files):
    """The folder, with these files."""
    write_files(folder, files)
    return folder


@pytest.fixture
def volume(tmp_path):
    """Two files of a dataset whose headers and types differ, and others to stumble over."""
    return written(
        tmp_path / "volume",
        {
            "sales/1.csv": b"id,total\n1,9.5\n2,8\n",
            "sales/2.csv": b"id,total,note\nx1,7,\nx2,7,\n",
            "empty.csv": b"",
            "one.csv": b"name\nAda\n",
            "twice.csv": b'a;a;"b ""c"""\nx;1;\n',
            "packed.zip": b"PK",
        },
    )


def test_the_table_for_people(asyncload, volume):
    """Each file with its findings, each dataset with its columns, and the totals."""
    ended = asyncload("check", volume)
    assert ended.out == (
        "empty.csv\n"
        "  empty: the file is empty\n"
        "one.csv: 1 row, 1 column, ASCII, header\n"
        'twice.csv: 1 row, 3 columns, semicolon, " quotes, ASCII, header\n'
        "  header: names that occur several times: 'a'\n"
        "sales/1.csv: 2 rows, 2 columns, comma, no quotes, ASCII, header\n"
        "sales/2.csv: 2 rows, 3 columns, comma, no quotes, ASCII, header\n"
        "dataset Empty: 1 file, 0 rows\n"
        "dataset One: 1 file, 1 row\n"
        "  column  type  values  nulls\n"
        "  name    text       1      0\n"
        "dataset Sales: 2 files, 4 rows\n"
        "  headers differ: sales/2.csv has 'note', which sales/1.csv lacks\n"
        "  types differ in column 'id': bigint in sales/1.csv, text in sales/2.csv\n"
        "  column  type       values  nulls\n"
        "  id      text            4      0\n"
        "  total   double          4      0\n"
        "  note    no values       0      2\n"
        "dataset Twice: 1 file, 1 row\n"
        "  column  type       values  nulls\n"
        "  a       text            1      0\n"
        "  a       bigint          1      0\n"
        '  b "c"   no values       0      1\n'
        "checked 5 files, 73 B, 6 rows; 2 with findings "
        "(1 empty, 1 header, 1 headers differ, 1 types differ)\n"
    )
    assert "packed.zip (archive)" in ended.err
    assert ended.code == 0


def test_records_for_programs(asyncload, volume):
    """Each has the fields that the page on records describes."""
    ended = asyncload("check", volume, "--json", "--strict")
    records = check_lines(ended.out)
    by_type = {kind: [r for r in records if r["type"] == kind] for kind in ("csv", "dataset")}
    assert {r["path"]: r["status"] for r in by_type["csv"]} == {
        "empty.csv": "findings",
        "one.csv": "ok",
        "twice.csv": "findings",
        "sales/1.csv": "ok",
        "sales/2.csv": "ok",
    }
    (sales,) = (r for r in by_type["dataset"] if r["dataset"] == "Sales")
    assert [header["files"] for header in sales["headers"]] == [1, 1]
    assert [(c["name"], c["type"]) for c in sales["columns"]] == [
        ("id", "VARCHAR"),
        ("total", "DOUBLE"),
        ("note", None),
    ]
    assert records[-1]["findings"] == {
        "empty": 1,
        "header": 1,
        "headers differ": 1,
        "types differ": 1,
    }
    assert records[-1]["excluded"] == {"archive": 1}
    assert (records[-1]["exit_code"], ended.code) == (3, 3)


def test_quiet_prints_findings_only(asyncload, volume, tmp_path):
    """Nothing if there are none."""
    ended = asyncload(
        "check", volume, "--quiet", "--exclude", "twice.csv", "--exclude", "empty.csv"
    )
    assert ended.out.splitlines()[:1] == ["dataset Sales: 2 files, 4 rows"]
    assert "  column " not in ended.out
    assert "packed.zip" not in ended.err
    clean = written(tmp_path / "clean", {"a.csv": b"a,b\n1,2\n"})
    assert asyncload("check", clean, "-q").out == ""
    assert asyncload("check", clean, "--strict").out.endswith(
        "OK: checked 1 file, 8 B, 1 row; no findings\n"
    )


def test_the_sample_volume(asyncload):
    """An empty file, and reviews of two formats; nothing is changed."""
    before = {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*.csv")}
    ended = asyncload("check", SAMPLE)
    assert ended.out.endswith(
        "965 rows; 1 with findings (1 dialects differ, 1 empty, 1 headers differ)\n"
    )
    assert "  nota     double (decimal comma)      28      1\n" in ended.out
    assert {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*.csv")} == before


def test_a_file_that_can_not_be_read_fails_alone(asyncload, volume):
    """With exit code 3, also without --strict."""
    (volume / "bad.csv.gz").write_bytes(b"\x1f\x8b\x08broken")
    ended = asyncload("check", volume)
    assert "failed: bad.csv.gz\n  the compressed data is damaged" in ended.out
    assert ended.out.endswith("; 1 failed\n")
    assert ended.code == 3
    records = check_lines(asyncload("check", volume, "--json").out)
    (failed,) = (r for r in records if r.get("status") == "failed")
    assert failed["error"]["kind"] == "SourceUnreadable"


def test_a_file_without_a_valid_key_fails(asyncload, tmp_path):
    """As it would in a run, but nothing else is found."""
    (tmp_path / "a\x01.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "b.csv").write_bytes(b"a,b\n1,2\n")
    ended = asyncload("check", tmp_path)
    assert ended.out.startswith("failed: a\\x01.csv\n")
    assert ended.out.endswith("1 row; 0 with findings; 1 failed\n")
    assert ended.code == 3


def test_without_csvs_there_is_nothing_to_check(asyncload, tmp_path):
    """As for a run."""
    assert asyncload("check", tmp_path).code == 4
    ended = asyncload("check", tmp_path, "--allow-empty")
    assert (ended.out, ended.code) == ("no files to check\n", 0)


def test_without_duckdb_the_extra_is_named(asyncload, volume, monkeypatch):
    """With exit code 2."""
    monkeypatch.setattr(operation, "find_spec", lambda _: None)
    ended = asyncload("check", volume)
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: asyncload check needs DuckDB, which is not installed",
        f"  hint: run {sys.executable} -m pip install 'asyncload-s3[check]'",
    ]


def test_many_columns_are_cut_short_in_the_table(asyncload, tmp_path):
    """Long names, too."""
    names = ",".join(f"{'n' * 50}{i}" for i in range(45))
    (tmp_path / "wide.csv").write_text(f"{names}\n{','.join('x' * 45)}\n")
    out = asyncload("check", tmp_path).out
    assert f"  {'n' * 37}...  text" in out
    assert "  and 5 more columns; see --json\n" in out


def test_a_dataset_keeps_a_bounded_number_of_headers():
    """And names the first that differ, in columns, order, types and dialects."""
    dataset = Dataset("D")
    for i in range(MAX_HEADERS + 9):
        columns = [Column(name, "BIGINT" if i else "DATE", "", 1, 0) for name in ("a", f"b{i}")]
        dataset.add(CheckedFile(f"{i}.csv", 1, dialect=Dialect(",", "", ""), columns=columns))
    checked = dataset.checked()
    assert len(checked.headers) == MAX_HEADERS
    assert (
        checked.findings[0].message == "1.csv has 'b1', which 0.csv lacks, and lacks 'b0' of 0.csv"
    )
    assert checked.findings[5].message == "and 94 more different headers"
    assert checked.findings[6].message == "date in 0.csv, bigint in 1.csv"


def test_order_of_columns_dialects_and_very_many_types_that_differ():
    """Each is said in one line."""
    names = [f"c{i}" for i in range(9)]
    dataset = Dataset("D")
    for path, kind, delimiter in (("1.csv", "DATE", ","), ("2.csv", "BIGINT", "\t")):
        columns = [Column(name, kind, "", 1, 0) for name in names]
        dataset.add(CheckedFile(path, 1, dialect=Dialect(delimiter, "", ""), columns=columns))
        names.reverse()
    kinds = [finding.kind for finding in dataset.checked().findings]
    assert kinds == ["headers differ", *["types differ"] * 6, "dialects differ"]
    messages = [finding.message for finding in dataset.checked().findings]
    assert messages[0] == "2.csv has the columns of 1.csv in another order"
    assert messages[-2] == "and 4 more columns"
    assert messages[-1] == "2.csv has tab, no quotes; 1.csv has comma, no quotes"


def test_archives_and_formats_of_dialects(asyncload, tmp_path):
    """Names of delimiters, and quotes with another escape."""
    shutil.make_archive(str(tmp_path / "z"), "zip", SAMPLE / "ratings")
    (tmp_path / "tab.csv").write_text("a\tb\n1\t2\n")
    (tmp_path / "escape.csv").write_text('a,b\n"x\\"y",2\n' * 9)
    out = asyncload("check", tmp_path, "--archives").out
    assert "z.zip//part-00000.csv: 190 rows, 4 columns, comma, no quotes" in out
    assert "tab.csv: 1 row, 2 columns, tab, no quotes" in out
    assert 'comma, " quotes with \\' in out


def test_headers_that_changed_since_the_last_check_are_reported(asyncload, volume, tmp_path):
    """Each check keeps those of its datasets, and leaves the others as they are."""
    record = tmp_path / "headers.json"
    options = ("check", volume, "--headers", record, "--quiet", "--include")
    assert "header changed" not in asyncload(*options, "*").out
    (volume / "sales/2.csv").write_text("id,sum,total\n1,2,3\n")
    ended = asyncload(*options, "sales/*")
    assert ended.out.splitlines()[-2] == (
        "  header changed: sales/2.csv has 'sum', which the last check lacks"
    )
    assert "header changed" not in asyncload(*options, "*").out
    (volume / "one.csv").write_text("surname\nAda\n")
    assert "one.csv has 'surname'" in asyncload(*options, "one.csv").out
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    "content", ["nonsense", "[]", '{"datasets": []}', '{"datasets": {"A": 1}}']
)
def test_a_file_that_is_not_a_record_of_headers_is_refused(asyncload, volume, tmp_path, content):
    """And kept."""
    record = tmp_path / "headers.json"
    record.write_text(content)
    ended = asyncload("check", volume, "--headers", record)
    assert f"--headers: {record} is not a record of headers" in ended.err
    assert (ended.code, record.read_text()) == (2, content)


def test_a_record_of_headers_that_can_not_be_used_is_an_error(asyncload, volume, tmp_path):
    """To be read, or to be written."""
    assert "can't be read" in asyncload("check", volume, "--headers", tmp_path).err
    ended = asyncload("check", volume, "--headers", tmp_path / "nowhere/headers.json")
    assert "can't be written: No such file" in ended.err
    assert ended.code == 2
