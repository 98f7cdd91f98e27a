"""A list of files to load: which names it holds, and what is made of each."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import FileFailed, SourceUnreadable, UsageError
from asyncload.model.values import Archive, Excluded, Failed, SourceFile
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.file_list import FileList, path_below, read_list
from asyncload.source.scanner import Scanner
from tests.support.archives import Made, make_zip, zip_of
from tests.support.loads import write_files


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"", []),
        (b"\n \n\t\r\n", []),
        (b"a.csv", [b"a.csv"]),
        (b"a.csv\nb c.csv\n", [b"a.csv", b"b c.csv"]),
        (b"a.csv\r\nb.csv\r\n", [b"a.csv", b"b.csv"]),
        (b"\xef\xbb\xbfa.csv\n", [b"a.csv"]),
        (b"# of today\n; and more\n./#a.csv\n", [b"./#a.csv"]),
        (b" a.csv \n", [b" a.csv "]),
    ],
)
def test_the_names_of_a_list_of_lines(content, names):
    """Comments, blank lines and line ends of Windows are not names; spaces belong to a name."""
    assert list(FileList(content, "l").names()) == names


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name)))
def test_between_nul_bytes_every_byte_is_part_of_a_name(names):
    """As `find -print0` writes them, with the last NUL or without."""
    for content in (b"\0".join(names), b"".join(name + b"\0" for name in names)):
        assert list(FileList(content, "l", nul=True).names()) == names


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"a.csv", b"a.csv"),
        (b"./d//a.csv", b"d/a.csv"),
        (b"/lake/in/d/a.csv", b"d/a.csv"),
        (b"/real/a.csv", b"a.csv"),
        (b"/real", b""),
        (b".", b""),
    ],
)
def test_a_name_is_a_path_below_the_volume(name, path):
    """Relative to it, or absolute, as given or without links."""
    assert path_below(name, (b"/lake/in", b"/real")) == path


@pytest.mark.parametrize("name", [b"/lake/input/a.csv", b"/a.csv", b"../a.csv", b"d/../a.csv"])
def test_a_name_that_may_lead_out_of_the_volume_is_not_followed(name):
    """Nor is one beside it with the same beginning."""
    with pytest.raises(SourceUnreadable, match=r"outside of the volume|contains '\.\.'"):
        path_below(name, (b"/lake/in", b"/real"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.csv".encode("utf-16"), "is UTF-16"),
        (b"a.csv\0b.csv\0", "contains NUL bytes"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_a_file_that_is_not_a_list_of_lines_is_refused(tmp_path, content, message):
    """The message names the file."""
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        read_list(path, nul=False)
    assert str(path) in error.value.message


def test_a_process_without_standard_input_has_an_empty_list(monkeypatch):
    """As under a supervisor that closes it."""
    monkeypatch.setattr("sys.stdin", None)
    assert read_list("-", nul=False) == FileList(b"", "standard input")


def judged(volume, *names, **options):
    """What is made of each listed name, by path."""
    listed = FileList("\n".join(map(str, names)).encode("utf-8", "surrogateescape"), "l")
    found = {}
    for item in Scanner(volume, listed=listed, **options).scan():
        assert item.path not in found, "found twice"
        match item:
            case SourceFile():
                found[item.path] = item.size
            case Archive():
                found[item.path] = item.members, item.excluded, item.others
            case Excluded():
                found[item.path] = item.reason
            case Failed():
                assert isinstance(item.error, FileFailed)
                found[item.path] = item.error.message
    return found


def test_listed_files_are_loaded_and_only_these(volume):
    """Each once, in any spelling; hidden and temporary names too, as they were asked for."""
    write_files(
        volume,
        {"a.csv": b"1", "b.csv": b"", "d/.c.csv": b"12", "x.csv.part": b"123", "z.csv.gz": b""},
    )
    names = ("d/.c.csv", "a.csv", "./a.csv", volume / "a.csv", "x.csv.part", "z.csv.gz")
    assert judged(volume, *names) == {
        "d/.c.csv": 2,
        "a.csv": 1,
        "x.csv.part": 3,
        "z.csv.gz": 0,
    }


@pytest.mark.fault("I33")
def test_what_is_listed_and_can_not_be_loaded_fails_by_name(volume):
    """Nothing that was asked for is left out in silence."""
    write_files(volume, dict.fromkeys(("d/a.csv", "notes.txt", "a.csv", "a.csv.xz", "a.zip"), b"1"))
    os.mkfifo(volume / "pipe.csv")
    (volume / "link.csv").symlink_to("a.csv")
    (volume / "folder.csv").symlink_to("d")
    (volume / "lost.csv").symlink_to("nothing")
    gone = "the file does not exist"
    expected = {
        "gone.csv": gone,
        "a.csv/b.csv": gone,
        "d": "the path is a folder",
        ".": "the path is a folder",
        "notes.txt": "the file is not a CSV by its name",
        "a.csv.xz": "the file is not a CSV by its name",
        "a.zip": "the file is not a CSV by its name",
        "pipe.csv": "the file can't be loaded: not a regular file",
        "link.csv": "the file can't be loaded: symlink",
        "folder.csv": "the file can't be loaded: symlink",
        "/etc/passwd": "the path is outside of the volume",
        "n" * 300 + ".csv": "the path can't be listed: File name too long",
    }
    assert judged(volume, *expected) == expected
    assert judged(volume, "link.csv", "folder.csv", "lost.csv", follow_links=True) == {
        "link.csv": 1,
        "folder.csv": "the path leads to a folder",
        "lost.csv": "the file can't be loaded: symlink to nowhere",
    }


def test_a_listed_archive_fails_with_the_option_that_loads_it(volume):
    """Other names fail with the names that are loaded."""
    write_files(volume, {"a.zip": b"1", "a.txt": b"1"})
    found = Scanner(volume, listed=FileList(b"a.zip\na.txt\n", "l")).scan()
    assert {item.path: item.error.hint for item in found} == {
        "a.zip": "--archives loads the CSVs in ZIP archives",
        "a.txt": "only files named *.csv are loaded",
    }


def test_options_still_exclude_listed_files(volume):
    """By pattern, and by age."""
    write_files(volume, dict.fromkeys(("a.csv", "old.csv", "new.csv", "b.csv", "c.csv"), b""))
    os.utime(volume / "old.csv", (1_000, 1_000))
    os.utime(volume / "new.csv", (3_000, 3_000))
    os.utime(volume / "a.csv", (2_000, 2_000))
    options = {"exclude": ["b.csv"], "include": ["[abno]*.csv"]}
    names = ("a.csv", "old.csv", "new.csv", "b.csv", "c.csv")
    assert judged(volume, *names, modified_after=2_000, modified_before=2_500, **options) == {
        "a.csv": 0,
        "old.csv": "too old",
        "new.csv": "too recent",
        "b.csv": "excluded",
        "c.csv": "excluded",
    }


LOADED = ArchiveRules(load=True)
FILMS = {"m.csv": b"1", "d/.s.csv": b"12", "n.txt": b"", "x.csv.xz": b""}


def test_a_listed_member_is_loaded_and_only_this_one(volume):
    """By the path that reports print; each archive is opened once, for all of its members."""
    write_files(volume, {"in/a.zip": zip_of(FILMS), "b.ZIP": zip_of(FILMS), "c.csv": b""})
    names = ("in/a.zip//d/.s.csv", "c.csv", f"{volume}/b.ZIP//m.csv", "./in/a.zip///m.csv")
    names = (*names, f"{volume}/in/a.zip//m.csv")
    assert judged(volume, *names, archives=LOADED) == {
        "in/a.zip": (2, 1, 1),
        "in/a.zip//m.csv": 1,
        "in/a.zip//d/.s.csv": 2,
        "c.csv": 0,
        "b.ZIP": (1, 2, 1),
        "b.ZIP//m.csv": 1,
    }


def test_an_archive_that_is_listed_itself_is_loaded_whole(volume):
    """Also if some of its members are listed, too."""
    write_files(volume, {"a.zip": zip_of(FILMS)})
    for names in (("a.zip", "a.zip//m.csv"), ("a.zip//m.csv", "a.zip")):
        found = judged(volume, *names, archives=LOADED)
        assert found["a.zip//m.csv"] == 1
        assert found["a.zip//d/.s.csv"] == "hidden"


@pytest.mark.fault("I33")
def test_listed_members_that_can_not_be_loaded_fail_by_name(volume):
    """With their reasons: not there, not a CSV, excluded by its kind, refused, no archive."""
    made = make_zip(Made(b"e.csv", b"1", flags=1), Made(b"n.txt"), Made(b"x.csv.xz"))
    write_files(volume, {"a.zip": made, "bad.zip": b"PK", "dir.zip/a.csv": b"1"})
    names = {
        "a.zip//e.csv": "the member is encrypted",
        "a.zip//gone.csv": "the archive has no such member",
        "a.zip//n.txt": "the file is not a CSV by its name",
        "a.zip//x.csv.xz": "the file can't be loaded: compressed",
        "no.zip//a.csv": "the file does not exist",
        "/etc/a.zip//a.csv": "the path is outside of the volume",
    }
    found = judged(volume, *names, "dir.zip//a.csv", "bad.zip//a.csv", archives=LOADED)
    assert found.pop("a.zip") == (0, 2, 1)
    assert found.pop("bad.zip").startswith("the archive can't be read")
    assert found == names | {"dir.zip/a.csv": 1}
    assert judged(volume, "a.zip//e.csv") == {"a.zip//e.csv": "the file is not a CSV by its name"}


def test_options_exclude_listed_members(volume):
    """By patterns, for the archive or its members; by the age of the archive."""
    write_files(volume, {"a.zip": zip_of(FILMS)})
    names = ("a.zip//m.csv", "a.zip//d/.s.csv")

    def found(**options):
        judgements = judged(volume, *names, archives=LOADED, **options)
        return {path: what for path, what in judgements.items() if not isinstance(what, tuple)}

    assert found(exclude=["m.csv"]) == {"a.zip//m.csv": "excluded", "a.zip//d/.s.csv": 2}
    assert found(include=["m.csv"]) == {"a.zip//m.csv": 1, "a.zip//d/.s.csv": "excluded"}
    assert found(include=["a.zip"]) == {"a.zip//m.csv": 1, "a.zip//d/.s.csv": 2}
    assert found(exclude=["a.zip"]) == {"a.zip": "excluded"}
    assert found(modified_before=0.0) == {"a.zip": "too recent"}
