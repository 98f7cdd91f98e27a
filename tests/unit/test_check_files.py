"""Check single CSVs, as others write them: dialect, encoding, rows, types, and what is wrong."""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile

import pytest

from asyncload.model.values import Failed, PlannedUpload, SourceFile
from asyncload.source.heartbeat import GivenUp, unwatched
from asyncload.source.tables import beginning, checking, duck, records
from asyncload.source.tables.checking import Checker
from asyncload.source.tables.records import LongLine, Part, Records
from asyncload.source.tables.streams import _ZSTD
from asyncload.source.tables.values import Dialect
from asyncload.source.volume import Volume


def check_all(folder, names, *, workers=1, beat=unwatched):
    """Check files of a folder."""
    uploads = [
        PlannedUpload(SourceFile(name, (folder / name).stat().st_size), "") for name in names
    ]
    with Volume(folder) as volume:
        return list(Checker(volume, beat, workers).check(uploads))


@pytest.fixture
def check(tmp_path):
    """Check a file with these bytes."""

    def run(data, name="a.csv"):
        (tmp_path / name).write_bytes(data)
        return check_all(tmp_path, [name])[0]

    return run


def types_of(checked):
    """The types of the columns, with their formats."""
    return [f"{column.type} {column.format}".strip() for column in checked.columns]


def kinds_of(checked):
    """The findings: kind and line."""
    return [(finding.kind, finding.line) for finding in checked.findings]


def test_a_line_for_the_delimiter_precedes_the_table(check):
    """Excel writes it; a file that has nothing else is taken as it is."""
    for line in (b"sep=;\r\n", b'"SEP=;"\n'):
        checked = check(line + b"id;name\n1;a\n2;b\n")
        assert (checked.names, checked.rows, checked.skipped_lines) == (("id", "name"), 2, 1)
        assert checked.dialect.delimiter == ";"
        assert [finding.message for finding in checked.findings] == ["1 line precedes the table"]
        assert types_of(checked) == ["BIGINT", "VARCHAR"]
    assert check(b"sep=;\n").skipped_lines == 0


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b'id,name\n1,"abc\n2,def\n', 2, "1 value begins with a quote that is not closed"),
        (b'id,name\n0,x\n1,"a\n2,"b\n3,"c"\n', 3, "2 values begin with a quote that is not closed"),
    ],
)
def test_a_quote_that_is_not_closed_is_found_although_no_value_is_quoted(
    check, data, line, message
):
    """Such a file is read without quotes, which other programs may not do."""
    checked = check(data)
    assert checked.dialect == Dialect(",", "", "")
    (finding,) = checked.findings
    assert finding == ("quoting", message, line, None)
    assert not check(b'id,name\n1,5" pipe\n2,"x" y\n').findings


def test_the_format_of_the_mission(check):
    r"""Pipes, no quotes, `\N` for a null, a quote that is none."""
    checked = check('id|nome|ano\n1|João "Zé" Silva|\\N\n2|\\N|1990\n'.encode())
    assert checked.dialect == Dialect("|", "", "")
    assert (checked.encoding, checked.header, checked.rows) == ("UTF-8", True, 2)
    assert checked.names == ("id", "nome", "ano")
    assert types_of(checked) == ["BIGINT", "VARCHAR", "BIGINT"]
    assert [column.nulls for column in checked.columns] == [0, 1, 1]
    assert checked.null_markers == ["\\N"]
    assert checked.findings == []


def test_quoted_values_with_delimiters_quotes_and_line_breaks(check):
    """Each is one value, in a row."""
    checked = check(b'a,b\r\n1,"x, ""y""\r\nz"\r\n2,w\r\n')
    assert checked.dialect == Dialect(",", '"', '"')
    assert (checked.rows, checked.ragged, checked.findings) == (2, 0, [])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-20"], "BIGINT"),
        (["007", "12"], "VARCHAR"),
        (["1.5", "2", "1e3"], "DOUBLE"),
        (["1,5", "2"], "DOUBLE decimal comma"),
        (["12345678901234567890", "1"], "VARCHAR"),
        (["true", "FALSE"], "BOOLEAN"),
        (["2022-05-02", "2022-12-31"], "DATE"),
        (["31/12/2022", "01/02/2022"], "DATE %d/%m/%Y"),
        (["12/31/2022", "01/02/2022"], "DATE %m/%d/%Y"),
        (["01/02/2022", "03/04/2022"], "VARCHAR"),
        (["2022-05-02 10:00:00", "2022-05-02 10:00:00.5"], "TIMESTAMP"),
        (["2022-05-02T10:00:00"], "TIMESTAMP T"),
        (["2022-05-02T10:00:00Z", "2022-05-02 10:00:00-03"], "TIMESTAMP WITH TIME ZONE"),
        (["10:00:00", "23:59"], "TIME"),
        (["1", "NA", "3"], "BIGINT"),
        (["x", "NA"], "VARCHAR"),
        (["", "\\N"], ""),
    ],
)
def test_types(check, values, expected):
    """A type fits all values, and would be written so again."""
    checked = check(("k;v\n" + "".join(f"r;{value}\n" for value in values)).encode())
    assert types_of(checked)[1] == expected


def test_na_is_a_null_if_the_column_has_numbers(check):
    """It is named among the words for nulls."""
    checked = check(b"a,b\n1,x\nNA,y\n3,z\n")
    assert (checked.columns[0].nulls, checked.null_markers) == (1, ["NA"])


@pytest.mark.parametrize(
    ("data", "encoding", "findings"),
    [
        ("a;b\né;1\n".encode(), "UTF-8", []),
        ("\ufeffa;b\né;1\n".encode(), "UTF-8 with BOM", []),
        ("a;b\né;1\n".encode("cp1252"), "windows-1252", [("encoding", 2)]),
        (b"a;b\n\x81\xe9;1\n", "ISO-8859-1", [("encoding", 2)]),
        ("a;b\né;1\n".encode("utf-16"), "UTF-16LE", [("encoding", None)]),
        ("a;b\nx;1\ny;2\n".encode("utf-16-le"), "UTF-16LE", [("encoding", None)]),
        ("a;b\nx;1\ny;2\n".encode("utf-16-be"), "UTF-16BE", [("encoding", None)]),
        ("a;b\né;1\n".encode("utf-32"), "UTF-32LE", [("encoding", None)]),
        ("a;b\né;1\n".encode() + b"\xe9;2\n", "UTF-8", [("encoding", 3)]),
        ("\ufeffa;b\n".encode() + b"\xe9;2\n", "UTF-8 with BOM", [("encoding", 2)]),
    ],
)
def test_encodings(check, data, encoding, findings):
    """They are found out by the bytes; what is not UTF-8 is a finding."""
    checked = check(data)
    assert (checked.encoding, checked.names) == (encoding, ("a", "b"))
    assert kinds_of(checked) == findings
    assert checked.columns[1].type == "BIGINT"


def test_a_file_whose_encoding_changes_is_mixed(check, monkeypatch):
    """Also if its parts agree, each in itself."""
    monkeypatch.setattr(records, "PIECE", 16)
    monkeypatch.setattr(checking, "PIECE", 16)
    latin = "a;b\nçãõ;1\n".encode("cp1252")
    assert kinds_of(check(latin + "çãõ;22222\nçãõ;2\n".encode() * 3)) == [("encoding", 2)]
    assert kinds_of(check(b"a;b\n\x81\xe3\xe9;1\n" + b"\xe3\xe9\xe9\xe9;22\n" * 5)) == [
        ("encoding", 2)
    ]


@pytest.mark.parametrize(
    ("data", "findings"),
    [
        (b"", [("empty", None)]),
        (b"\n \n", [("empty", None)]),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), [("not a CSV", None)]),
        (b"\x1f\x8b\x08\x00" + bytes(range(99)), [("not a CSV", None)]),
        (b"<!DOCTYPE html>\n<p>", [("not a CSV", None)]),
        (b"BZh,b\n1,2\n", []),
        (bytes(range(1, 32)) * 9, [("not a CSV", None)]),
        (bytes(4000), [("not a CSV", None)]),
        (b"a,b\n1,2\n3,\0\n4,x\n", [("NUL bytes", 3)]),
        (b"a,b,c\n1,2,3\n4,5\n6,7,8\n9,9,9,9\n9,9,9\n", [("ragged rows", 3), ("ragged rows", 5)]),
        (b"1,2\n3,4\n", [("no header", None)]),
        (b"a,a,\n1,2,3\n", [("header", None), ("header", None)]),
        (b"Report\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n", [("header", 1)]),
        (b"a,b\r1,2\r3,4\r", []),
        (b"a,b\n" + b'"1",2\n' * 20 + b'"3"x,4\n5,6\n', [("quoting", 22)]),
        (b'"","1940","1950"\n"Food",1,2\n"Health",3,4\n', [("header", None)]),
    ],
)
def test_findings(check, data, findings):
    """Each is named, with the line."""
    assert kinds_of(check(data)) == findings


def test_a_value_of_another_kind_is_named(check):
    """With its row."""
    checked = check(b"a,b\n" + b"1,x\n" * 50 + b"n/k,x\n" + b"2,x\n" * 9)
    assert [(f.kind, f.column) for f in checked.findings] == [("mixed values", "a")]
    assert checked.findings[0].message.endswith("such as 'n/k' in row 51")


def test_compressed_files_and_members(tmp_path):
    """They are inflated; damage fails the file."""
    from importlib import import_module

    data = b"a|b\n1|\\N\n2|x\n"
    packed = {
        "a.csv.gz": gzip.compress(data) + gzip.compress(b"3|y\n"),
        "b.csv.bz2": bz2.compress(data + b"3|y\n"),
        "c.csv.zst": import_module(_ZSTD).compress(data + b"3|y\n"),
    }
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"damaged-{name}").write_bytes(content[:-9])
    found = check_all(tmp_path, packed, workers=2)
    assert [(c.rows, c.columns[0].type, c.columns[1].nulls) for c in found] == [
        (3, "BIGINT", 1)
    ] * 3
    for failed in check_all(tmp_path, [f"damaged-{name}" for name in packed]):
        assert isinstance(failed, Failed)
        assert failed.error.message.startswith("the compressed data is damaged")


def test_parts_of_a_file_add_up(check, monkeypatch):
    """As if it was read at once: rows, types, lines of findings."""
    rows = b"".join(b'%d,"x\n,%d"\n' % (i, i) for i in range(200))
    data = b"n,t\n" + rows + b"1,2,3\n" + rows + b"z,t\n"
    whole = check(data)
    monkeypatch.setattr(records, "PIECE", 300)
    monkeypatch.setattr(checking, "PIECE", 300)
    parts = check(data)
    assert parts == whole
    assert (parts.rows, parts.ragged) == (401, 1)
    assert kinds_of(parts) == [("ragged rows", 402), ("mixed values", None)]
    assert parts.findings[1].message.endswith("such as 'z' in row 401")


def test_lines_that_are_too_long_are_skipped_in_bounded_memory(check, monkeypatch):
    """Each is named; a file of one line has no columns."""
    for module in (records, checking):
        monkeypatch.setattr(module, "PIECE", 1000)
        monkeypatch.setattr(module, "MAX_ROW", 2000)
    checked = check(b"a,b\n1,2\n" + b"x" * 9000 + b"\n3,4\n")
    assert kinds_of(checked) == [("long line", 3)]
    assert checked.findings[0].message.startswith("a line of 9,000 bytes")
    assert (checked.rows, checked.columns[0].type) == (2, "BIGINT")
    alone = check(b"x" * 9000)
    assert (kinds_of(alone), alone.columns) == ([("long line", 1)], [])
    many = check(b"a,b\n1,2\n" + (b"x" * 5000 + b"\n3,4\n") * 10)
    assert [f.kind for f in many.findings] == ["long line"] * 9
    assert many.findings[-1].message.startswith("2 more lines")


class Bytes:
    """A stream of pieces, as a test cuts them."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read(self, _size):
        return self.pieces.pop(0) if self.pieces else b""


def cut(*pieces, dialect=Dialect(",", '"', '"')):  # noqa: B008  # it is frozen
    """The parts of a stream, and the dialect at its end."""
    rows = Records(Bytes(*pieces[1:]), pieces[0], b"\n", dialect)
    return list(rows.parts()), rows.dialect


def test_a_line_break_in_quotes_does_not_end_a_part():
    """Nor does one after an escaped quote."""
    parts, _ = cut(b'1,"a\nb"\n2,"c\n', b'd"\n')
    assert parts == [Part(b'1,"a\nb"\n', 1), Part(b'2,"c\nd"\n', 3)]
    escaped, _ = cut(b'1,"a\\"\nb"\n2,"c\n', b'd"\n', dialect=Dialect(",", '"', "\\"))
    assert [part.data for part in escaped] == [b'1,"a\\"\nb"\n', b'2,"c\nd"\n']


def test_a_quote_that_is_not_closed_does_not_hold_the_file_in_memory(monkeypatch):
    """The rows are cut at a line break once they are too long."""
    monkeypatch.setattr(records, "MAX_ROW", 10)
    parts, _ = cut(b'1,"a\n', b"2,b\n", b"3,c\n", b"4,d\n")
    assert [part.data for part in parts] == [b'1,"a\n2,b\n3,c\n', b"4,d\n"]


def test_quotes_that_begin_later_are_quotes():
    """If values clearly begin and end with them."""
    plain = Dialect("|", "", "")
    parts, dialect = cut(b"1|a\n", b'2|"b\nc"|\n', dialect=plain)
    assert parts == [Part(b"1|a\n", 1), Part(b'2|"b\nc"|\n', 2)]
    assert dialect.quote == '"'
    assert cut(b'1|"Weird Al" Yankovic\n', dialect=plain)[1] == plain


def test_a_long_line_ends_where_the_next_begins(monkeypatch):
    """Both sizes and lines are right."""
    monkeypatch.setattr(records, "MAX_ROW", 4)
    parts, _ = cut(b"aaaaa", b"aa\nb\n", b"c\n")
    assert parts == [LongLine(1, 7), Part(b"b\n", 2), Part(b"c\n", 3)]


def test_many_columns(check):
    """Each has its type, in a second or two."""
    width = 2000
    header = ",".join(f"c{i}" for i in range(width))
    values = ",".join("x" if i % 2 else str(i) for i in range(width))
    checked = check(f"{header}\n{values}\n{values}\n".encode())
    assert (checked.rows, len(checked.columns)) == (2, width)
    assert [c.type for c in checked.columns[:4]] == ["BIGINT", "VARCHAR"] * 2
    assert check(f"{header}\n".encode()).columns[0].type == ""


def test_rows_that_duckdb_can_not_read_are_reported(check, monkeypatch):
    """With the line they begin at; the dialect is then guessed, and types are not tried."""

    def fail(self, query, *, small=False):
        raise duck.Unparsable("no")

    monkeypatch.setattr(duck.Engine, "_fetch", fail)
    checked = check(b'a;"b"\n1;2\n3;4\n')
    assert checked.dialect == Dialect(";", '"', '"')
    assert (checked.header, checked.names) == (True, ("a", "b"))
    assert kinds_of(checked) == [("unreadable rows", 2)]


def test_a_dialect_is_guessed_by_what_most_lines_agree_on():
    """Without a delimiter it is one column."""
    assert beginning.guess(b"1\t2\n3\t4\n5\n")[:1] == (Dialect("\t", "", ""),)
    assert beginning.guess(b"abc\n") == (Dialect(",", "", ""), 0, True, 1)


def test_a_header_with_another_number_of_names_is_a_finding(check):
    """Missing names are numbered."""
    checked = check(b"a,b\n" + b"1,2,3\n" * 40)
    assert len(checked.columns) in (2, 3)
    assert checked.findings


def test_without_memory_files_ordinary_ones_do(check, monkeypatch):
    """As on macOS."""
    monkeypatch.delattr(os, "memfd_create")
    assert check(b"a,b\n1,2\n").rows == 1


def test_a_check_that_no_one_reads_ends(tmp_path):
    """The files that were begun stop at their next read."""
    for i in range(9):
        (tmp_path / f"{i}.csv").write_bytes(b"a,b\n1,2\n")
    uploads = [PlannedUpload(SourceFile(f"{i}.csv", 8), "") for i in range(9)]
    with Volume(tmp_path) as volume:
        checker = Checker(volume, unwatched, 1)
        results = checker.check(uploads)
        next(results)
        results.close()
        with pytest.raises(GivenUp):
            checker._progress("x")


def test_a_member_of_an_archive_is_read_as_a_file(tmp_path):
    """By the same reader as its upload, which checks its CRC-32."""
    from asyncload.source.archives.rules import ArchiveRules
    from asyncload.source.scanner import Scanner

    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("films.csv", "a|b\n1|x\n")
        archive.writestr("empty.csv", "")
    found = Scanner(tmp_path, archives=ArchiveRules(load=True)).scan()
    uploads = [PlannedUpload(item, "") for item in found if isinstance(item, SourceFile)]
    with Volume(tmp_path) as volume:
        results = {r.path: r for r in Checker(volume, unwatched, 1).check(uploads)}
    assert results["z.zip//films.csv"].rows == 1
    assert kinds_of(results["z.zip//empty.csv"]) == [("empty", None)]


def test_the_answers_of_a_damaged_stream_are_other_errors_only_if_they_are(check, monkeypatch):
    """An unexpected error is a bug, and is raised as it is."""
    from asyncload.source.tables import streams

    class Failing:
        def __init__(self, file):
            pass

        def read(self, size):
            raise RuntimeError("a bug")

    monkeypatch.setitem(streams._INFLATING, ".csv.gz", Failing)
    with pytest.raises(RuntimeError, match="a bug"):
        check(b"", "a.csv.gz")


def test_a_file_whose_first_line_is_too_long_has_no_table(check, monkeypatch):
    """The rows behind it are not examined."""
    for module in (records, checking):
        monkeypatch.setattr(module, "PIECE", 1000)
        monkeypatch.setattr(module, "MAX_ROW", 2000)
    checked = check(b"x" * 9000 + b"\n1,2\n3,4\n")
    assert (kinds_of(checked), checked.columns, checked.rows) == ([("long line", 1)], [], 0)


@pytest.mark.parametrize(
    ("data", "names", "rows"),
    [
        (b"\n\na,b\n1,2\n", ("a", "b"), 1),
        (b'"a\nb",c\n"1",2\n', ("a\nb", "c"), 1),
        (b"a,b", ("a", "b"), 0),
        (b"a," + b"b" * 200_000 + b"\n1,2\n", ("a", "b" * 200_000), 1),
        (b"a,b\n" + b"1,2\n" * 100_000, ("a", "b"), 100_000),
    ],
    ids=["blank lines", "line break", "no newline", "long name", "long file"],
)
def test_headers(check, data, names, rows):
    """The first line that is not blank, of any length."""
    checked = check(data)
    assert (checked.names, checked.rows, checked.findings) == (names, rows, [])


def test_a_header_may_have_another_number_of_names_than_rows_have_values():
    """Of names that occur several times, the first are named."""
    messages = [f.message for f in beginning._findings_of_header([*"aabbccddeeff"], 13)]
    assert messages == [
        "the header has 12 names, and rows have 13 values",
        "names that occur several times: 'a', 'b', 'c', 'd', 'e' and 1 more",
    ]


def test_a_first_line_with_two_delimiters_goes_to_the_first():
    """They occur equally often."""
    assert beginning.guess(b"a,b;c\n").dialect.delimiter == ","


def test_unknown_errors_of_duckdb_are_reported(check, monkeypatch):
    """By their messages."""
    monkeypatch.setattr(
        duck.Engine, "_rejected", lambda self, small: {"NEW": duck.Rejected(2, 0, "for a reason")}
    )
    checked = check(b"a,b\n1,2\n")
    assert [f.message for f in checked.findings] == ["2 rows could not be read: for a reason"]
    with pytest.raises(duck.Unparsable, match="Parser Error"):
        duck.Engine()._fetch("nonsense")


def test_examples_of_mixed_values_are_limited(check, monkeypatch):
    """As each takes a query of its own."""
    monkeypatch.setattr(duck, "_MAX_MISFITS", 1)
    checked = check(b"a,b\n" + b"1,2\n" * 50 + b"x,y\n")
    assert [f.message.endswith("row 51") for f in checked.findings] == [True, False]


def test_a_character_may_be_cut_by_the_end_of_a_piece():
    """It is decoded with the next one."""
    decoded = records.Decoded(Bytes(b"a", b"\0b\0"), "utf-16-le")
    assert (decoded.read(1), decoded.read(1)) == (b"ab", b"")


def test_nul_bytes_are_counted_over_all_parts(check, monkeypatch):
    """The line is that of the first."""
    monkeypatch.setattr(records, "PIECE", 8)
    monkeypatch.setattr(checking, "PIECE", 8)
    checked = check(b"a,b\n1,\0\n" + b"1,1\n" * 9 + b"2,\0\n3,4\n")
    assert [(f.message, f.line) for f in checked.findings] == [("2 NUL bytes", 2)]


def test_a_text_that_is_mostly_windows_1252_is_read_so(check):
    """And some UTF-8 in it is a finding."""
    checked = check(b"a;b\n" + "éèêëç;1\n".encode("cp1252") * 5 + "é;2\n".encode())
    assert (checked.encoding, kinds_of(checked)) == ("windows-1252", [("encoding", 2)])
    assert "mixed" in checked.findings[0].message
