"""What of a volume is loaded, what is left out, and what fails."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from asyncload.errors import SourceUnreadable, UsageError
from asyncload.model.values import Excluded, Failed, SourceFile
from asyncload.source import folders
from asyncload.source.folders import check_volume, split_volume
from asyncload.source.scanner import Scanner
from tests.support.loads import write_files


def scan(volume, **options):
    """What a scan found, by path; for files the size, else the reason or the message."""
    found = {}
    for item in Scanner(volume, **options).scan():
        assert item.path not in found, "found twice"
        match item:
            case SourceFile():
                found[item.path] = item.size
            case Excluded():
                found[item.path] = item.reason
            case Failed():
                assert isinstance(item.error, SourceUnreadable)
                assert (item.key, item.size) == (None, 0)
                found[item.path] = item.error.message
    return found


def write_empty(volume, *paths):
    write_files(volume, dict.fromkeys(paths, b""))


def test_csvs_are_found_at_any_depth_and_in_any_letter_case(volume):
    """With their size; other files are not even counted."""
    write_files(
        volume,
        {
            "movies.csv": b"12345",
            "SERIES.CSV": b"1",
            "a/b/c/Deep.Csv": b"12",
            "empty.csv": b"",
            "notes.txt": b"1",
            "csv": b"1",
            "filmscsv": b"1",
            "films.csvx": b"1",
        },
    )
    assert scan(volume) == {"movies.csv": 5, "SERIES.CSV": 1, "a/b/c/Deep.Csv": 2, "empty.csv": 0}


def test_a_folder_may_be_named_like_a_csv(volume):
    """As writers of partitioned exports do it."""
    write_empty(volume, "films.csv/part-0.csv")
    assert scan(volume) == {"films.csv/part-0.csv": 0}


@pytest.mark.parametrize("path", [".films.csv", ".git/films.csv", "a/.b/c/films.csv", "a/.B.CSV"])
def test_hidden_csvs_are_left_out(volume, path):
    """A hidden folder counts as one entry and is not entered."""
    write_empty(volume, path, ".notes.txt")
    hidden = path[: path.find("/", path.find(".")) % (len(path) + 1)]
    assert scan(volume) == {hidden: "hidden"}


@pytest.mark.parametrize(
    "name",
    [
        "~$films.csv",
        "~$films.CSV",
        "#films.csv#",
        "films.csv~",
        "films.csv.~1~",
        "films.csv.tmp",
        "films.csv.part",
        "films.csv.partial",
        "films.csv.swp",
        "films.CSV.BAK",
        "films.csv.crdownload",
        "films.csv.filepart",
        "films.tmp.csv",
        "films.part.csv",
    ],
)
def test_files_of_editors_and_unfinished_exports_are_excluded(volume, name):
    """Such a file is a copy, or not whole."""
    write_empty(volume, name)
    assert scan(volume) == {name: "temporary"}


@pytest.mark.parametrize(
    "name",
    ["part-00000.csv", "parts.csv", "tmp.csv", "template.csv", "a~b.csv", "#1.csv", "backup.csv"],
)
def test_names_that_only_look_temporary_are_loaded(volume, name):
    """It takes the whole mark."""
    write_empty(volume, name)
    assert scan(volume) == {name: 0}


def test_temporary_files_of_others_are_none_of_ours(volume):
    """Other files are not counted."""
    write_empty(volume, "notes.txt~", "~$notes.docx", "films.parquet.tmp")
    assert scan(volume) == {}


def test_links_are_reported_and_not_followed(volume, tmp_path):
    """To files and folders, within the volume and out of it, in circles and to nowhere."""
    outside = tmp_path / "outside"
    write_empty(outside, "secret.csv")
    write_empty(volume, "a/real.csv")
    (volume / "file.csv").symlink_to("a/real.csv")
    (volume / "out.csv").symlink_to(outside / "secret.csv")
    (volume / "dangling.csv").symlink_to("nowhere")
    (volume / "loop.csv").symlink_to("loop.csv")
    (volume / "folder").symlink_to("a")
    (volume / "folder.csv").symlink_to(outside)
    (volume / "a" / "up").symlink_to("..")
    (volume / "a" / "loop").symlink_to("loop")
    (volume / "a" / "text").symlink_to(outside / "notes.txt")
    (volume / ".hidden").symlink_to("a")
    links = ["a/up", "dangling.csv", "file.csv", "folder", "folder.csv", "loop.csv", "out.csv"]
    assert scan(volume) == dict.fromkeys(links, "symlink") | {"a/real.csv": 0}


def test_a_link_that_cannot_be_looked_at_costs_no_other_file(volume):
    """Its folder is listed nevertheless."""
    write_empty(volume, "a.csv", "z.csv", "below/b.csv")
    (volume / "link").symlink_to("x" * 300)
    assert scan(volume) == {"a.csv": 0, "z.csv": 0, "below/b.csv": 0}


def test_a_link_into_a_closed_folder_costs_no_other_file(volume, unprivileged):
    """What lies behind it need not be known."""
    write_empty(volume, "a.csv", "z.csv", "locked/x.csv")
    (volume / "link").symlink_to("locked/x.csv")
    (volume / "locked").chmod(0)
    with unprivileged():
        found = scan(Path())
    assert found == {
        "a.csv": 0,
        "z.csv": 0,
        "locked": "the path can't be listed: Permission denied",
    }


def test_a_link_that_is_to_be_followed_into_a_closed_folder_fails(volume, unprivileged):
    """It was asked for, and its content is unknown."""
    write_empty(volume, "a.csv", "locked/x.csv")
    (volume / "link.csv").symlink_to("locked/x.csv")
    (volume / "locked").chmod(0)
    with unprivileged():
        found = scan(Path(), follow_links=True)
    denied = "the path can't be listed: Permission denied"
    assert found == {"a.csv": 0, "locked": denied, "link.csv": denied}


def test_the_volume_itself_may_be_a_link(volume, tmp_path):
    """Mounts often are."""
    write_empty(volume, "a.csv")
    (tmp_path / "link").symlink_to(volume)
    check_volume(tmp_path / "link")
    assert scan(tmp_path / "link") == {"a.csv": 0}


def test_other_kinds_of_files_are_reported(volume, monkeypatch):
    """A FIFO or a socket named like a CSV holds no data, and opening it might hang."""
    os.mkfifo(volume / "fifo.csv")
    # The path of a socket must be short.
    monkeypatch.chdir(volume)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.csv")
    assert scan(volume) == {
        "fifo.csv": "not a regular file",
        "socket.csv": "not a regular file",
    }


def test_a_folder_that_cannot_be_listed_fails_alone(volume, unprivileged):
    """It is named, with what to do; the others are loaded."""
    write_empty(volume, "a/1.csv", "locked/2.csv", "z/3.csv")
    (volume / "locked").chmod(0)
    with unprivileged():
        found = scan(Path())
        failure = next(item for item in Scanner(Path()).scan() if isinstance(item, Failed))
    assert found == {
        "a/1.csv": 0,
        "locked": "the path can't be listed: Permission denied",
        "z/3.csv": 0,
    }
    assert failure.error.hint.startswith("give the user that runs asyncload (UID ")


def test_entries_that_vanish_during_the_scan_fail_by_name(volume):
    """A file between its folder's listing and its turn, a folder before its own."""
    write_empty(volume, "a.csv", "b.csv", "below/c.csv")
    found = Scanner(volume).scan()
    assert next(found).path == "a.csv"
    (volume / "b.csv").unlink()
    (volume / "below/c.csv").unlink()
    (volume / "below").rmdir()
    assert [(item.path, item.error.message, item.error.hint) for item in found] == [
        ("b.csv", "the path can't be listed: No such file or directory", "run again"),
        ("below", "the path can't be listed: No such file or directory", "run again"),
    ]


def test_names_that_are_not_utf8_are_found(volume):
    """Python's surrogate escapes stand for the bytes, and lead back to the file."""
    name = os.fsdecode(b"caf\xe9.csv")
    (volume / name).write_bytes(b"12")
    assert scan(volume) == {name: 2}


@pytest.mark.parametrize(
    ("options", "loaded"),
    [
        ({"include": ["a.csv"]}, ["a.csv", "x/a.csv"]),
        ({"include": ["x/*"]}, ["x/a.csv", "x/b.csv"]),
        ({"exclude": ["a.csv"]}, ["b.csv", "x/b.csv", "x/y/c.csv"]),
        ({"include": ["x/**"], "exclude": ["b.csv"]}, ["x/a.csv", "x/y/c.csv"]),
        ({"include": ["**/*.csv"], "exclude": ["x/*"]}, ["a.csv", "b.csv", "x/y/c.csv"]),
        ({"include": ["a.csv"], "exclude": ["a.csv"]}, []),
    ],
)
def test_include_and_exclude(volume, options, loaded):
    """Included are files that match any pattern, but for those that are excluded."""
    paths = ["a.csv", "b.csv", "x/a.csv", "x/b.csv", "x/y/c.csv"]
    write_empty(volume, *paths)
    expected = {path: 0 if path in loaded else "excluded" for path in paths}
    if options == {"include": ["x/*"]}:
        # A folder that no pattern leads into.
        expected = {p: n for p, n in expected.items() if "y" not in p} | {"x/y": "excluded"}
    assert scan(volume, **options) == expected


def test_files_come_folder_by_folder_in_the_order_of_their_names(volume):
    """A folder's files come before its sub-folders'."""
    paths = ["b.csv", "c.csv", "a/1.csv", "a/2.csv", "a/0/0.csv", "a-b/1.csv", "d/1.csv"]
    write_empty(volume, *reversed(paths))
    assert list(scan(volume)) == paths


def test_a_very_large_folder_is_listed_whole(volume, monkeypatch):
    """In slices, each in the order of its names."""
    monkeypatch.setattr(folders, "_SLICE", 4)
    names = [f"{number}.csv" for number in range(10)]
    write_empty(volume, *names)
    found = list(scan(volume))
    assert sorted(found) == names
    assert [sorted(found[start : start + 4]) for start in (0, 4, 8)] == [
        found[start : start + 4] for start in (0, 4, 8)
    ]


def test_a_missing_volume_is_a_usage_error(tmp_path):
    """The hint tells how to name one, in a container too."""
    with pytest.raises(UsageError) as error:
        check_volume(tmp_path / "nowhere")
    assert error.value.message == f"the volume {tmp_path / 'nowhere'} does not exist"
    assert error.value.hint == (
        "name a folder: asyncload run FOLDER; in a container, mount one at /data"
    )


def test_a_csv_is_a_volume_of_one_file(volume):
    """A folder of such a name is a folder, and another file is none."""
    write_empty(volume, "a.csv")
    write_empty(volume, "b.csv/c.csv")
    write_empty(volume, "films.zip")
    assert split_volume(volume / "a.csv") == (volume, "a.csv")
    assert split_volume(volume / "b.csv") == (volume / "b.csv", None)
    assert split_volume(volume / "films.zip", archives=True) == (volume, "films.zip")
    for root in (volume / "films.zip", Path("x" * 300 + ".csv")):
        with pytest.raises(UsageError):
            split_volume(root)


@pytest.mark.parametrize("between", [" ", ", ", ":"])
def test_several_volumes_in_one_word_do_not_exist(volume, between):
    """The hint says how to name them."""
    for name in "ab":
        (volume / name).mkdir()
    joined = Path(f"{volume}/a{between}{volume}/b")
    with pytest.raises(UsageError, match="does not exist") as error:
        check_volume(joined)
    assert error.value.hint == (
        "give each volume as an argument of its own, in a variable on a line of its own"
    )


def test_another_file_is_not_a_volume(volume):
    """No option loads it, but one loads the CSVs of an archive."""
    for name, hint in {
        "a.txt": "name a folder, or a file whose name ends in .csv, .csv.gz, .csv.zst or .csv.bz2",
        "a.zip": "--archives loads the CSVs of a ZIP archive",
    }.items():
        write_empty(volume, name)
        with pytest.raises(UsageError) as error:
            check_volume(volume / name)
        assert error.value.message == f"the volume {volume / name} is neither a folder nor a CSV"
        assert error.value.hint == hint


def test_a_volume_that_cannot_be_looked_up_is_refused_by_name(volume, unprivileged):
    """A name too long, or a folder above it that is closed, is not an internal error."""
    (volume / "closed").mkdir(mode=0)
    with unprivileged():
        for root in (Path("x" * 300), Path("closed/data")):
            with pytest.raises(UsageError, match=str(root)):
                check_volume(root)


def test_a_volume_that_cannot_be_listed_is_refused_by_name(volume, unprivileged):
    """Before the first request."""
    (volume / "closed").mkdir(mode=0)
    with unprivileged(), pytest.raises(UsageError) as error:
        check_volume(Path("closed"))
    assert error.value.message == "the volume closed can't be listed: Permission denied"
    assert error.value.hint.startswith("give the user that runs asyncload (UID ")
    assert error.value.hint.endswith("; or name another folder")


@pytest.fixture
def exhausted(monkeypatch):
    """Folders can't be listed as often as it says, since too much is open."""
    listed, state = os.scandir, {"times": 0}

    def scandir(path):
        if state["times"]:
            state["times"] -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return state


@pytest.mark.fault("L8")
def test_a_folder_that_can_not_be_opened_now_is_listed_later(volume, exhausted):
    """After waits that grow, during which the heartbeat shows that the scan is alive."""
    write_files(volume, {"a.csv": b"1", "d/b.csv": b"22"})
    exhausted["times"] = 3
    waits, told = [], []
    scanner = Scanner(volume, sleep=waits.append)
    found = [source._replace(mtime_ns=0) for source in scanner.scan(told.append)]
    assert found == [SourceFile("a.csv", 1), SourceFile("d/b.csv", 2)]
    assert waits == sorted(waits)
    assert (len(waits), told) == (3, ["."] * 4 + ["a.csv", "d", "d", "d/b.csv"])


@pytest.mark.fault("L8")
def test_a_folder_that_can_not_be_opened_for_long_fails_with_the_remedy(volume, exhausted):
    """After some seconds."""
    exhausted["times"] = 100
    waits = []
    (failed,) = Scanner(volume, sleep=waits.append).scan()
    assert 3 < sum(waits) < 10
    assert failed.path == "."
    assert failed.error.message == "the path can't be listed: Too many open files"
    assert "ulimit -n" in failed.error.hint


def test_a_file_that_is_listed_twice_is_found_once(volume, monkeypatch):
    """Folders, too: some file systems list an entry twice while its folder changes."""
    write_empty(volume, "a.csv", "b/1.csv", "b/2.csv")
    listed = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: repeating(listed(path)))
    assert list(scan(volume)) == ["a.csv", "b/1.csv", "b/2.csv"]


@contextmanager
def repeating(listing):
    """A listing that yields all of its entries twice."""
    with listing:
        entries = list(listing)
        yield iter(entries + entries)
