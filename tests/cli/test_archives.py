"""`--archives` at the command line: what is printed, and the records."""

from __future__ import annotations

import pytest

from tests.support.archives import Made, make_zip, zip_of
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

DATE = ("--date", "2022-05-02")
FILMS = {"movies.csv": b"id|titulo\n1|x\n", "series.csv": b"id|titulo\n"}


@pytest.fixture
def plan(asyncload, volume):
    """Print what a run would upload."""
    return lambda *options: asyncload(
        "run", volume, "--bucket", "lake", *DATE, "--dry-run", "--offline", "--files", *options
    )


@pytest.mark.fault("J1")
def test_the_missions_archive_is_planned_as_its_contents(plan, volume):
    """In the keys there is no trace of it."""
    write_files(volume, {"Filmes+e+Series.zip": zip_of(FILMS)})
    ended = plan("--archives")
    assert ended.code == 0
    assert ended.out == (
        "would upload Filmes+e+Series.zip//movies.csv -> "
        "s3://lake/Raw/Local/CSV/Movies/2022/05/02/movies.csv\n"
        "would upload Filmes+e+Series.zip//series.csv -> "
        "s3://lake/Raw/Local/CSV/Series/2022/05/02/series.csv\n"
        "Movies: 1 file, 14 B: 1 to upload -> s3://lake/Raw/Local/CSV/Movies/2022/05/02/\n"
        "Series: 1 file, 10 B: 1 to upload -> s3://lake/Raw/Local/CSV/Series/2022/05/02/\n"
        "would upload 2 of 2 files, 24 B\n"
    )


@pytest.mark.fault("J1", "I11")
def test_without_the_option_the_archive_is_named_with_its_csvs(plan, volume):
    """And the option, also if there is nothing else to load."""
    write_files(volume, {"Filmes+e+Series.zip": zip_of(FILMS)})
    ended = plan()
    assert ended.code == 4
    assert "excluded: Filmes+e+Series.zip (archive with 2 CSVs: see --archives)\n" in ended.err
    assert "excluded: 1 archive\n" in ended.err
    assert "--archives loads the CSVs of ZIP archives" in ended.err
    excluded, _ = check_lines(plan("--json").out)
    assert (excluded["reason"], excluded["csvs"]) == ("archive", 2)


@pytest.mark.fault("J10")
def test_a_member_that_equals_a_file_is_counted(plan, volume):
    """In a dry run as in a run."""
    write_files(volume, {"Filmes+e+Series.zip": zip_of(FILMS), "movies.csv": FILMS["movies.csv"]})
    ended = plan("--archives")
    assert ended.code == 0
    assert "excluded: Filmes+e+Series.zip//movies.csv (duplicate)\n" in ended.err
    assert ended.out.endswith("would upload 2 of 2 files, 24 B\nexcluded: 1 duplicate\n")


@pytest.mark.fault("J10")
def test_a_member_that_differs_from_a_file_ends_the_run(plan, volume):
    """Both are named."""
    write_files(volume, {"Filmes+e+Series.zip": zip_of(FILMS), "movies.csv": b"other"})
    ended = plan("--archives")
    assert ended.code == 5
    key = "Raw/Local/CSV/Movies/2022/05/02/movies.csv"
    assert f"  {key}  <-  Filmes+e+Series.zip//movies.csv, movies.csv\n" in ended.err


@pytest.mark.fault("J6")
def test_names_of_unknown_encoding_fail_with_the_option_that_helps(plan, volume):
    """With it they are loaded."""
    write_files(volume, {"a.zip": make_zip(Made("coração.csv".encode("cp850"), b"1"))})
    ended = plan("--archives")
    assert ended.code == 3
    assert "hint: use --zip-names cp850" in ended.out
    ended = plan("--archives", "--zip-names", "cp850")
    assert ended.code == 0
    assert "/Coração/2022/05/02/coração.csv\n" in ended.out
    ended = plan("--archives", "--zip-names", "klingon")
    assert ended.code == 2
    assert ended.err.startswith("error: --zip-names: 'klingon' is not an encoding of names")


@pytest.mark.fault("J3")
def test_an_archive_over_the_limit_fails(plan, volume):
    """By name, with the option."""
    write_files(volume, {"a.zip": zip_of({"a.csv": b"1" * 2000}), "b.csv": b"1"})
    ended = plan("--archives", "--archive-limit", "1k")
    assert ended.code == 3
    assert "failed: a.zip\n  the CSVs of the archive have 2,000 bytes, more than the" in ended.out
    assert "would upload 1 of 2 files" in ended.out


def test_an_archive_in_a_list_of_files_is_expanded(plan, volume, tmp_path):
    """As in a folder; without the option it fails by name, as what was asked for."""
    write_files(volume, {"d/a.zip": zip_of(FILMS), "x.csv": b"1"})
    names = tmp_path / "names"
    names.write_text("d/a.zip\n")
    ended = plan("--archives", "--files-from", names)
    assert ended.code == 0
    assert "d/a.zip//movies.csv -> s3://lake/Raw/Local/CSV/D/2022/05/02/movies.csv" in ended.out
    assert "would upload 2 of 2 files" in ended.out
    assert plan("--files-from", names).code == 3


def test_a_member_in_a_list_of_files_is_loaded_alone(plan, volume, tmp_path):
    """By the path that messages print; one that is not there fails by name."""
    write_files(volume, {"d/a.zip": zip_of(FILMS)})
    names = tmp_path / "names"
    names.write_text("d/a.zip//series.csv\nd/a.zip//x.csv\n")
    ended = plan("--archives", "--files-from", names)
    assert ended.code == 3
    assert "would upload 1 of 2 files, 10 B: 1 to fail\n" in ended.out
    assert "failed: d/a.zip//x.csv\n  the archive has no such member\n" in ended.out


def test_a_plan_says_what_then_would_do(plan, volume, tmp_path):
    """For each file, for an archive behind its last member, and in all, in text and records."""
    both, films = zip_of(FILMS | {"readme.txt": b"?"}), zip_of({"e.csv": b"1"})
    write_files(volume, {"x.csv": b"123", "a/both.zip": both, "a/f.zip": films, "y.csv": b"1"})
    ended = plan("--archives", "--then", "delete")
    assert ended.code == 0
    then = [line.rpartition(".csv, then ")[2] for line in ended.out.splitlines() if "then" in line]
    assert then == ["delete it", "delete it", "keep a/both.zip", "delete a/f.zip"]
    size = f"{4 + len(films)} B"
    assert f"would delete 3 source files after the load, {size}\n" in ended.out
    reason = "the archive also holds 1 other file"
    assert f"source would stay: a/both.zip: {reason}\n" in ended.out
    *records, summary = check_lines(plan("--archives", "--then", "delete", "--json").out)
    assert summary["sources"] == {"deleted": 3, "kept": 1}
    assert summary["source_bytes"] == {"deleted": 4 + len(films), "kept": len(both)}
    told = {record["path"]: record.get("source") for record in records}
    assert (told["x.csv"], told["a/f.zip//e.csv"]) == ("deleted", "deleted")
    assert sorted(str(told[f"a/both.zip//{name}"]) for name in FILMS) == ["None", "kept"]
    (last,) = [record for record in records if record.get("source") == "kept"]
    assert last["source_reason"] == reason


def test_a_plan_says_what_could_not_be_moved(plan, volume, tmp_path):
    """And has the exit code of such a run; nothing is moved."""
    files = {f"d/{n:02}.csv": b"1" for n in range(22)}
    write_files(volume, files | {"e.csv": b"12"})
    write_files(tmp_path, {f"done/{name}": b"" for name in files})
    ended = plan("--then", f"move {tmp_path / 'done'}")
    assert ended.code == 3
    assert "would move 1 source file after the load, 2 B\n" in ended.out
    taken = "the target folder already has a file of this name"
    assert f"source would stay: d/00.csv: {taken}\n" in ended.out
    assert "and 2 more source files would stay; see --json\n" in ended.out
    assert len(list(volume.rglob("*.csv"))) == 23


def test_a_volume_that_is_an_archive_is_a_usage_error(asyncload, volume):
    """With the option that loads its members."""
    write_files(volume, {"a.zip": zip_of(FILMS)})
    plan = ("run", volume / "a.zip", "--bucket", "lake", *DATE, "--dry-run", "--offline")
    ended = asyncload(*plan)
    assert ended.code == 2
    assert "hint: --archives loads the CSVs of a ZIP archive" in ended.err
    ended = asyncload(*plan, "--archives")
    assert "would upload 2 of 2 files" in ended.out
