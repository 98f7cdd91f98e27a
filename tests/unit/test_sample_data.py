"""The sample volume in `data/` and the script there that makes film CSVs of any size."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

DATA = Path(__file__).parents[2] / "data"
SCRIPT = DATA / "make_films.py"
RATINGS = [DATA / "ratings" / name for name in ("part-00000.csv", "part-00001.csv")]
LAST_RATINGS = DATA / "ratings" / "part-00002.CSV"
REVIEWS = DATA / "reviews" / "2022" / "reviews.csv"
RESENHAS = (
    DATA / "reviews" / "2022" / "resenhas em portugu\N{LATIN SMALL LETTER E WITH CIRCUMFLEX}s.csv"
)
FILM_HEADER = (
    b"id|tituloPincipal|tituloOriginal|anoLancamento|tempoMinutos|genero|notaMedia|numeroVotos"
    b"|generoArtista|personagem|nomeArtista|anoNascimento|anoFalecimento|profissao"
    b"|titulosMaisConhecidos\n"
)
SERIES_HEADER = (
    b"id|tituloPincipal|tituloOriginal|anoLancamento|anoTermino|tempoMinutos|genero|notaMedia"
    b"|numeroVotos|generoArtista|personagem|nomeArtista|anoNascimento|anoFalecimento|profissao"
    b"|titulosMaisConhecidos\n"
)
KINDS = [("movies.csv", FILM_HEADER, False), ("series.csv", SERIES_HEADER, True)]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_films", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_films = _load_script()


def _rows(content: bytes, delimiter: str) -> list[list[str]]:
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, delimiter=delimiter, strict=True))


def _check_films(content: bytes, header: bytes) -> None:
    """Check what every film CSV has, whether it is a sample or made by the script."""
    series = header == SERIES_HEADER
    assert content.startswith(header)
    assert content.endswith(b"\n")
    assert b"\r" not in content
    names, *rows = _rows(content, "|")
    title_and_artist = set()
    for row in rows:
        assert len(row) == len(names) == 15 + series
        film = dict(zip(names, row, strict=True))
        assert all(film.values())
        assert re.fullmatch(r"tt\d{7,}", film["id"])
        assert re.fullmatch(r"(tt\d{7,},)*tt\d{7,}|\\N", film["titulosMaisConhecidos"])
        assert re.fullmatch(r"\d\.\d|\\N", film["notaMedia"])
        assert film["generoArtista"] in ("actor", "actress")
        title_and_artist.add((film["id"], film["nomeArtista"]))
        born, died = film["anoNascimento"], film["anoFalecimento"]
        released = int(film["anoLancamento"])
        assert born == r"\N" or int(born) < released
        assert died == r"\N" or released <= int(died)
        if series:
            assert film["anoTermino"] == r"\N" or released <= int(film["anoTermino"])
    assert len(title_and_artist) == len(rows)


@pytest.mark.parametrize(("name", "header", "series"), KINDS)
def test_sample_of_the_users_format(name: str, header: bytes, series: bool) -> None:
    """The samples have the users' header, delimiter and nulls, and several artists to a title."""
    content = (DATA / name).read_bytes()
    _check_films(content, header)
    rows = _rows(content, "|")[1:]
    assert 100 < len(rows) < 1000
    assert len({row[0] for row in rows}) < len(rows)
    assert any(r"\N" in row for row in rows)
    assert not content.isascii()


def test_ratings_are_one_dataset_in_parts() -> None:
    """All parts of the ratings share their columns, and refer to titles of the samples."""
    titles = {row[0] for name, *_ in KINDS for row in _rows((DATA / name).read_bytes(), "|")[1:]}
    for part in [*RATINGS, LAST_RATINGS]:
        header, *rows = _rows(part.read_bytes(), ",")
        assert header == ["usuario", "id", "nota", "avaliadoEm"]
        assert rows
        assert {row[1] for row in rows} <= titles
    assert all(part.read_bytes().endswith(b"\n") for part in RATINGS)


def test_last_part_has_an_upper_case_ending_and_no_last_newline() -> None:
    """The listing has the name in upper case, and the file stops without a newline."""
    assert "part-00002.CSV" in {path.name for path in LAST_RATINGS.parent.iterdir()}
    assert not LAST_RATINGS.read_bytes().endswith((b"\n", b"\r"))


def test_reviews_have_all_that_quoting_allows() -> None:
    """Fields hold commas, quotes, newlines and emoji; rows end in CRLF, lines in fields in LF."""
    content = REVIEWS.read_bytes()
    header, *rows = _rows(content, ",")
    texts = [row[-1] for row in rows]
    assert header == ["id", "titulo", "autor", "data", "nota", "texto"]
    assert {len(row) for row in rows} == {len(header)}
    assert b'""' in content
    for part in (",", '"', "\n", "ç", "😂"):
        assert any(part in text for text in texts), part
    assert content.count(b"\r\n") == len(rows) + 1
    assert content.count(b"\n") > content.count(b"\r\n") == content.count(b"\r")


def test_resenhas_have_a_byte_order_mark_and_an_accented_name() -> None:
    """The name is stored in form NFC with its space; the content starts with the mark."""
    assert RESENHAS.name in {path.name for path in RESENHAS.parent.iterdir()}
    assert unicodedata.is_normalized("NFC", RESENHAS.name)
    assert not RESENHAS.name.isascii()
    content = RESENHAS.read_bytes()
    assert content.startswith(BYTE_ORDER_MARK)
    assert content.count(b"\n") == content.count(b"\r\n")
    assert {len(row) for row in _rows(content, ";")} == {4}


def test_people_is_empty() -> None:
    """One CSV of the volume has no bytes at all."""
    assert (DATA / "people.csv").stat().st_size == 0


def test_git_keeps_the_bytes_and_the_volume_is_small() -> None:
    """Line ends of CSVs are never converted, and all files together stay small."""
    attributes = (DATA / ".gitattributes").read_text().splitlines()
    assert {"*.csv -text", "*.CSV -text"} <= set(attributes)
    files = (path for path in DATA.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert sum(path.stat().st_size for path in files) < 150_000


@pytest.mark.parametrize(("name", "header", "series"), KINDS)
def test_made_films_have_the_users_format(
    tmp_path: Path, name: str, header: bytes, series: bool
) -> None:
    """Made rows look like the sample's, and no two share an id."""
    rows = make_films.write_films(tmp_path / name, 300_000, 7, series)
    content = (tmp_path / name).read_bytes()
    _check_films(content, header)
    assert content.count(b"\n") == rows + 1
    assert len({row[0] for row in _rows(content, "|")[1:]}) == rows


@pytest.mark.parametrize(
    ("series", "digest"),
    [
        (False, "819893096b454c5479d83bbeda46dd990bd79cd6768b54656717e762d90470a8"),
        (True, "bc4a0a20b37eaa17913bede9225508f5ca692868fb13d030981274aebf09d0f3"),
    ],
)
def test_made_bytes_never_change(tmp_path: Path, series: bool, digest: str) -> None:
    """A seed and a size stand for the same bytes on every Python and machine."""
    path = tmp_path / "films.csv"
    make_films.write_films(path, 2_000_000, 7, series)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@given(
    size=st.integers(len(SERIES_HEADER), 1_500_000),
    seed=st.sampled_from([0, 7]),
    series=st.booleans(),
)
def test_made_size_is_within_a_row_of_the_bound(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int, series: bool
) -> None:
    """A file is the longest beginning, in whole rows, of a larger file of its seed."""
    folder = tmp_path_factory.getbasetemp()
    path, larger_path = folder / "films.csv", folder / "larger.csv"
    rows = make_films.write_films(path, size, seed, series)
    make_films.write_films(larger_path, size + 1000, seed, series)
    content, larger = path.read_bytes(), larger_path.read_bytes()
    assert larger.startswith(content)
    assert content.count(b"\n") == rows + 1
    assert len(content) <= size < larger.index(b"\n", len(content)) + 1


def test_seeds_differ(tmp_path: Path) -> None:
    """Another seed makes another file."""
    for seed in (1, 2):
        make_films.write_films(tmp_path / f"{seed}.csv", 10_000, seed)
    assert (tmp_path / "1.csv").read_bytes() != (tmp_path / "2.csv").read_bytes()


def test_made_volume(tmp_path: Path) -> None:
    """Many files come 100 to a folder, of varied sizes, with ids that no two rows share."""
    paths = make_films.write_volume(tmp_path / "one", 205, 4096, 7)
    again = make_films.write_volume(tmp_path / "two", 205, 4096, 7)
    contents = [path.read_bytes() for path in paths]
    sizes = [len(content) for content in contents]
    ids = [row[0] for content in contents for row in _rows(content, "|")[1:]]
    assert contents == [path.read_bytes() for path in again]
    assert paths == sorted((tmp_path / "one").rglob("*.csv"))
    assert [len(list(folder.iterdir())) for folder in sorted((tmp_path / "one").iterdir())] == [
        100,
        100,
        5,
    ]
    assert all(content.startswith(FILM_HEADER) for content in contents)
    assert 4096 // 2 - 500 < min(sizes) < 3000
    assert 5000 < max(sizes) <= 4096 * 3 // 2
    assert sum(sizes) <= 205 * 4096
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "arguments",
    [
        "out.csv --seed 7",
        "out.csv --size 10 --seed 7",
        "out.csv --size many --seed 7",
        "out.csv --size 1iB --seed 7",
        "out.csv --size 1MiB --seed -1",
        "out.csv --size 1MiB --seed x",
        "out.csv --size 1MiB --seed 7 --files 0",
        "out.csv --size 300 --seed 7 --files 2",
        ". --size 1MiB --seed 7",
        "file --size 1MiB --seed 7 --files 2",
    ],
)
def test_bad_arguments(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
) -> None:
    """A mistake ends in one line that says what to change, status 2, and no file."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(SystemExit) as exit_:
        make_films.main(arguments.split())
    assert exit_.value.code == 2
    assert "make_films.py: error: " in capsys.readouterr().err
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("17KiB", 17 * 1024),
        ("20MB", 20_000_000),
        ("1 gib", 2**30),
        ("3T", 3 * 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are taken with units of 1000 and of 1024."""
    assert make_films._bytes(text) == size


def test_unwritable_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that can't be written is named in one line, with status 1."""
    path = tmp_path / "missing" / "out.csv"
    assert make_films.main([str(path), "--size", "1MiB", "--seed", "7"]) == 1
    assert str(path) in capsys.readouterr().err


def test_stands_alone(tmp_path: Path) -> None:
    """The script runs without any package, and the two modes print what they made."""
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    for arguments, printed in (
        (["films.csv", "--size", "20KiB", "--seed", "7"], "films.csv: "),
        (
            ["series", "--files", "3", "--size", "17KiB", "--seed", "7", "--series"],
            "series: 3 files",
        ),
    ):
        done = subprocess.run(
            [*command, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert done.stdout.startswith(printed)
    made = tmp_path / "series" / "batch-000" / "series-00002.csv"
    assert made.read_bytes().startswith(SERIES_HEADER)


def test_the_archive_of_the_sample_is_always_the_same(tmp_path):
    """It holds the two CSVs of the users' format, as they are."""
    script = DATA / "make_zip.py"
    for name in ("one.zip", "two.zip"):
        made = subprocess.run(
            [sys.executable, script, tmp_path / name], capture_output=True, text=True, check=True
        )
        assert made.stdout == f"{tmp_path / name}: movies.csv, series.csv\n"
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        for name in ("movies.csv", "series.csv"):
            assert archive.read(name) == (DATA / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--help"], 2, "usage: "),
        (["a.zip", "b.zip"], 2, "usage: "),
        (["missing/a.zip"], 1, "make_zip.py: error: "),
    ],
)
def test_the_script_for_the_archive_says_what_is_wrong(tmp_path, arguments, code, message):
    """In one line, without a traceback."""
    command = [sys.executable, DATA / "make_zip.py", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == code
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1
