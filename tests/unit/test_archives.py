"""Members of archives: which are loaded, which are refused, and their bytes."""

from __future__ import annotations

import io
import lzma
import os
import random
import stat
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncload.errors import (
    ArchiveUnreadable,
    FileFailed,
    MemberDamaged,
    MemberRefused,
    SourceChanged,
    SourceUnreadable,
)
from asyncload.model.checksums import CRC64NVME
from asyncload.model.values import Archive, Excluded, Failed, ObjectKey, PlannedUpload, SourceFile
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan
from asyncload.source.archives import directory as directories
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.batches import LoadedFile, UnloadedFile
from asyncload.source.equality import find_duplicates
from asyncload.source.scanner import Scanner
from asyncload.source.volume import Volume
from tests.support.archives import (
    BZIP2,
    DEFLATED,
    LZMA,
    PACKING,
    STORED,
    Made,
    deflate,
    make_zip,
    pack_lzma,
    zip_of,
)
from tests.support.loads import write_files

MIB = 1024 * 1024
LOAD = ArchiveRules(load=True)
METHODS = [STORED, DEFLATED, BZIP2, LZMA]


@pytest.fixture
def scan(tmp_path):
    """Scan a volume with these files; returns what was found by path."""

    def scan_files(files, rules=LOAD, **options):
        write_files(tmp_path, files)
        return by_path(Scanner(tmp_path, archives=rules, **options).scan())

    return scan_files


def by_path(items):
    """What was found, without the archives themselves."""
    return {found.path: found for found in items if not isinstance(found, Archive)}


def read(volume, source):
    """The member's bytes, read in one batch."""
    buffer = memoryview(bytearray(max(source.size, 1)))
    upload = PlannedUpload(source, ObjectKey("k"))
    (item,) = Volume(volume).read_batch([upload], buffer)
    if isinstance(item, UnloadedFile):
        raise item.error
    assert isinstance(item, LoadedFile)
    assert item.crc == CRC64NVME.update(bytes(item.body), 0)
    return bytes(item.body)


def refusal(scan, *members, rules=LOAD, **options):
    """Why the first member of an archive is refused."""
    found = scan({"a.zip": make_zip(*members, **options)}, rules)
    path = next(iter(found))
    assert isinstance(found[path], Failed), found
    return found[path].error


@pytest.mark.fault("J1")
def test_members_are_source_files(scan, tmp_path):
    """Read whole, stored or deflated; other members and folders are ignored."""
    files = {"movies.csv": b"id|x\n" * 1000, "eu/a.CSV": b"", "notes.txt": b"n", "d/": b""}
    files["gz/b.csv.gz"] = b"\x1f\x8b"
    found = scan({"Filmes+e+Series.zip": zip_of(files), "x/s.ZIP": zip_of(files, STORED)})
    for archive in ("Filmes+e+Series.zip", "x/s.ZIP"):
        for name in ("movies.csv", "eu/a.CSV", "gz/b.csv.gz"):
            source = found.pop(f"{archive}//{name}")
            assert source.size == len(files[name])
            assert read(tmp_path, source) == files[name]
    assert found == {}


def test_keys_are_those_of_files_beside_the_archive():
    """As if the archive were a folder that is not there."""
    layout = KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2))
    assert layout.key_for("F+S.zip//movies.csv") == "Raw/Local/CSV/Movies/2022/05/02/movies.csv"
    assert layout.key_for("x/F.zip//eu/a.csv") == "Raw/Local/CSV/X/2022/05/02/eu/a.csv"
    assert layout.key_for("F.zip//eu/a.csv") == "Raw/Local/CSV/Eu/2022/05/02/a.csv"
    assert layout.partition_of("x/F.zip//eu/a.csv") == "Raw/Local/CSV/X/2022/05/02/"


@pytest.mark.fault("J1")
def test_without_the_option_an_archive_is_left_out_with_the_number_of_its_csvs(scan):
    """Only if there are any; one that can't be read may hold some."""
    csvs = zip_of({"a.csv": b"1", "d/b.csv.gz": b"2", "n.txt": b"", "__MACOSX/._a.csv": b"m"})
    files = {"a.zip": csvs, "none.zip": zip_of({"n.txt": b""}), "damaged.zip": b"PK", "b.7z": b""}
    assert scan(files, ArchiveRules()) == {
        "a.zip": Excluded("a.zip", "archive", 2),
        "damaged.zip": Excluded("damaged.zip", "archive"),
        "b.7z": Excluded("b.7z", "archive"),
    }


def test_names_and_patterns_count_as_in_a_folder(scan):
    """An archive's own pattern is for all of its members."""
    names = ["a.csv", "old/b.csv", ".c.csv", "d.csv.part", "x/_temporary/0/e.csv", "__MACOSX/f.csv"]
    names += ["__MACOSX/._a.csv", "._a.csv", "old/x/g.csv", "i.csv.gz", "j.csv.xz", "k.tar.gz"]
    files = {"s/a.zip": zip_of(dict.fromkeys(names, b"1"))}
    found = scan(files, exclude=["old"], compressed=False)
    reasons = {
        path.partition("//")[2]: getattr(item, "reason", "loaded") for path, item in found.items()
    }
    assert reasons == {
        "a.csv": "loaded",
        "old/b.csv": "excluded",
        ".c.csv": "hidden",
        "d.csv.part": "temporary",
        "x/_temporary/0/e.csv": "temporary folder",
        "__MACOSX/f.csv": "hidden",
        "__MACOSX/._a.csv": "hidden",
        "._a.csv": "hidden",
        "old/x/g.csv": "excluded",
        "i.csv.gz": "compressed",
        "j.csv.xz": "compressed",
        "k.tar.gz": "archive",
    }
    loaded = {
        pattern: {p for p, f in scan(files, include=[pattern]).items() if isinstance(f, SourceFile)}
        for pattern in ("s/old/*.csv", "a.zip", "s/**", ".c.csv", "**/_temporary/**", "b.zip")
    }
    assert loaded["s/old/*.csv"] == {"s/a.zip//old/b.csv"}
    assert loaded["a.zip"] == loaded["s/**"]
    assert len(loaded["a.zip"]) == 4
    assert loaded[".c.csv"] == {"s/a.zip//.c.csv"}
    assert loaded["**/_temporary/**"] == {"s/a.zip//x/_temporary/0/e.csv"}
    assert loaded["b.zip"] == set()
    excluded = scan(files, exclude=["__MACOSX", "*.zip"])
    assert excluded == {"s/a.zip": Excluded("s/a.zip", "excluded")}
    hidden = scan(files, exclude=["__MACOSX", ".*"])
    assert hidden["s/a.zip//__MACOSX/f.csv"].reason == "excluded"
    assert hidden["s/a.zip//.c.csv"].reason == "hidden"


@pytest.mark.fault("J3", "J4", "J5")
@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Made(b"a.csv", b"1", flags=1), "encrypted"),
        (Made(b"a.csv", b"1", flags=0x2000), "encrypted"),
        (Made(b"a.csv", b"1", method=9), "compressed by Deflate64, which is not supported"),
        (Made(b"a.csv", b"1", method=77), "compressed by method 77"),
        (Made(b"a.csv", b"1", disk=1), "split into several files"),
        (Made(b"b.zip", b"1"), "an archive itself"),
        (Made(b"a.csv", b"1", size=10_000), "1,000 times as large"),
        (Made(b"a.csv", packed=b"", size=5), "1,000 times as large"),
        (Made(b"a.csv", b"1", stored=10**6), "contradicts itself"),
        (Made(b"a.csv", b"1", size=2**63, stored=2**62), "contradicts itself"),
        (Made(b"a.csv", b"1", offset=2**40), "contradicts itself"),
        (Made(b"a.csv", b"1", method=STORED, size=2), "contradicts itself"),
        (Made(b"../a.csv", b"1"), "'..' segment"),
        (Made(b"/a.csv", b"1"), "absolute path"),
        (Made(b"d\\a.csv", b"1"), "a backslash"),
        (Made(b"cora\x87\xc6o.csv", b"1"), "encoding of the member's name is unknown"),
        (Made(b"a\0.csv", b"1"), "contains a NUL"),
    ],
)
def test_a_member_that_is_not_safe_is_refused_alone(scan, tmp_path, member, why):
    """With the reason and a remedy; the others are loaded."""
    found = scan({"a.zip": make_zip(Made(b"good.csv", b"good"), member)})
    good = found.pop("a.zip//good.csv")
    assert read(tmp_path, good) == b"good"
    ((path, failed),) = found.items()
    assert path.startswith("a.zip//")
    assert isinstance(failed.error, MemberRefused)
    assert why in failed.error.message
    assert failed.error.hint


def test_the_names_of_an_archive_can_be_given_an_encoding(scan, tmp_path):
    """For all of its members that are not marked as UTF-8."""
    archive = make_zip(Made("coração.csv".encode("cp850"), b"1"))
    found = scan({"a.zip": archive}, ArchiveRules(load=True, names="cp850"))
    assert read(tmp_path, found["a.zip//coração.csv"]) == b"1"


@pytest.mark.fault("J4")
def test_members_with_one_name_are_all_refused(scan):
    """Which one is meant is not known."""
    error = refusal(scan, Made(b"a.csv", b"1"), Made(b"a.csv", b"2"))
    assert "several members with this name" in error.message


@pytest.mark.fault("J4")
def test_members_that_overlap_are_all_refused(scan):
    """So that one kernel of data can't be a thousand members; a member inside another, too."""
    inner = make_zip(Made(b"x.csv", b"x" * 50))
    outer = Made(b"a.csv", inner, method=STORED)
    whole = Made(b"c.csv", b"c")
    found = scan({"a.zip": make_zip(outer, Made(b"b.csv", b"b", offset=40), whole)})
    assert isinstance(found["a.zip//c.csv"], SourceFile)
    for name in ("a.csv", "b.csv"):
        assert "overlaps" in found[f"a.zip//{name}"].error.message


@pytest.mark.fault("J3")
def test_more_bytes_than_the_limit_fail_the_archive(scan):
    """As a whole; what is excluded does not count."""
    archive = zip_of({"a.csv": b"12345", "b.csv": b"12345", ".c.csv": b"12345"})
    assert len(scan({"a.zip": archive}, ArchiveRules(load=True, limit=10))) == 3
    found = scan({"a.zip": archive}, ArchiveRules(load=True, limit=9))
    (failed,) = found.values()
    assert failed.path == "a.zip"
    assert "have 10 bytes, more than the 9 of --archive-limit" in failed.error.message


def test_a_symbolic_link_in_an_archive_is_left_out(scan, tmp_path):
    """Its bytes are the name of another file."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", b"1")
        link = zipfile.ZipInfo("l.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, b"a.csv")
    found = scan({})
    assert found["a.zip//l.csv"] == Excluded("a.zip//l.csv", "symlink")
    assert isinstance(found["a.zip//a.csv"], SourceFile)


@pytest.mark.fault("J4")
def test_the_last_file_of_a_split_archive_fails(scan):
    """With how to join them; trailing bytes behind an archive do not matter."""
    whole = {"comment": b"x", "disk": 0xFFFF}
    assert isinstance(
        scan({"a.zip": make_zip(Made(b"a.csv", b"1"), **whole)})["a.zip//a.csv"], SourceFile
    )
    trailing = make_zip(Made(b"a.csv", b"1"), disk=0) + b"trailing bytes"
    assert isinstance(scan({"a.zip": trailing})["a.zip//a.csv"], SourceFile)
    error = scan({"a.zip": make_zip(Made(b"a.csv", b"1"), disk=3)})["a.zip"].error
    assert error.message == "the archive is split into several files"
    assert "zip -s 0" in error.hint


@pytest.mark.fault("J12")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        zip_of({"a.csv": b"1" * 100})[:-10],
        zip_of({"a.csv": b"1" * 100})[20:60],
        make_zip(Made(b"\xff.csv", b"1", flags=0x800)),
        make_zip(Made(b"a.csv", b"1", extra=b"\1\0\xff\xff")),
        zip_of({"a.csv": b"1"}).replace(b"PK\1\2", b"PK\1\1"),
    ],
)
def test_an_archive_that_can_not_be_read_fails_by_name(scan, tmp_path, content):
    """Its members are not known."""
    found = scan({"a.zip": content, "b.csv": b"1"})
    assert isinstance(found["a.zip"].error, ArchiveUnreadable)
    assert "the archive can't be read: " in found["a.zip"].error.message
    scanner = Scanner(tmp_path, include=["a.zip", "b.csv"], archives=LOAD)
    assert len(list(scanner.scan())) == 2
    assert scanner.unused_rules == []
    assert isinstance(found["b.csv"], SourceFile)


def test_an_archive_that_can_not_be_opened_fails_by_name(scan, monkeypatch):
    """With the system's reason."""

    def refuse(*_):
        raise SourceUnreadable("the file can't be read: Permission denied", hint="ask")

    monkeypatch.setattr(Volume, "open", refuse)
    error = scan({"a.zip": zip_of({"a.csv": b""})})["a.zip"].error
    assert (error.message, error.hint) == ("the file can't be read: Permission denied", "ask")


@pytest.mark.fault("J3")
def test_the_number_of_members_is_limited_before_they_are_made(scan, monkeypatch):
    """And so is the length of the directory: both are only stated by the archive."""
    archive = zip_of({f"{n}.csv": b"" for n in range(11)})
    monkeypatch.setattr(directories, "MAX_MEMBERS", 11)
    assert len(scan({"a.zip": archive})) == 11
    monkeypatch.setattr(directories, "MAX_MEMBERS", 10)
    assert "more than 10 members" in scan({"a.zip": archive})["a.zip"].error.message
    monkeypatch.setattr(directories, "MAX_MEMBERS", 100)
    monkeypatch.setattr(directories, "MAX_DIRECTORY", 100)
    assert "directory of the archive is over" in scan({"a.zip": archive})["a.zip"].error.message


def test_a_symbolic_link_to_an_archive_is_followed_as_one_to_a_csv(scan, tmp_path):
    """Only on request."""
    write_files(tmp_path, {"d/a.zip": zip_of({"a.csv": b"1"})})
    (tmp_path / "l.zip").symlink_to("d/a.zip")
    assert scan({})["l.zip"] == Excluded("l.zip", "symlink")
    assert read(tmp_path, scan({})["d/a.zip//a.csv"]) == b"1"
    assert isinstance(scan({}, follow_links=True)["l.zip//a.csv"], SourceFile)
    assert scan({}, ArchiveRules())["l.zip"] == Excluded("l.zip", "archive")


def test_an_archive_that_is_too_recent_is_left_out(scan):
    """As a file is: its members are not known to be complete."""
    found = scan({"a.zip": zip_of({"a.csv": b"1"})}, modified_before=0)
    assert found == {"a.zip": Excluded("a.zip", "too recent")}


@pytest.mark.fault("J2")
@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Made(b"a.csv", b"12345", size=4), "more than the 4 bytes"),
        (Made(b"a.csv", b"12345", size=6), "ends after 5 bytes"),
        (Made(b"a.csv", b"12345", crc=7), "its CRC-32 is cbf53a1c, and the archive's directory"),
        (Made(b"a.csv", b"12345", method=STORED, crc=7), "its CRC-32"),
        (Made(b"a.csv", b"", crc=7), "its CRC-32"),
        (Made(b"a.csv", packed=b"\xff" * 9, size=9), "not valid Deflate data"),
        (Made(b"a.csv", packed=deflate(b"1" * 99)[:-1], size=99), "is cut off"),
        (Made(b"a.csv", packed=b"", size=0), "is cut off"),
        (Made(b"a.csv", b"12345", local=b"PK\3\5"), "header does not agree"),
    ],
)
def test_a_damaged_member_fails_when_it_is_read(scan, tmp_path, member, why):
    """Its bytes are never taken for the file's."""
    source = scan({"a.zip": make_zip(member)})["a.zip//a.csv"]
    with pytest.raises(MemberDamaged, match=why) as caught:
        read(tmp_path, source)
    assert caught.value.hint


def test_a_member_that_reaches_into_the_directory_is_damaged(scan, tmp_path):
    """As its local header tells, which has another length than the directory's entry."""
    archive = bytearray(make_zip(Made(b"a.csv", b"12345", method=STORED)))
    archive[28] = 255
    source = scan({"a.zip": bytes(archive)})["a.zip//a.csv"]
    with pytest.raises(MemberDamaged, match="beyond the end"):
        read(tmp_path, source)


@pytest.mark.fault("J3")
def test_a_forged_small_size_does_not_inflate_the_rest(scan, tmp_path):
    """Nor is memory taken for it: 200 MiB are in this archive."""
    packed = deflate(bytes(200 * MIB))
    member = Made(b"a.csv", packed=packed, size=1000)
    source = scan({"a.zip": make_zip(member)})["a.zip//a.csv"]
    tracemalloc.start()
    try:
        with pytest.raises(MemberDamaged, match="more than the 1,000 bytes"):
            read(tmp_path, source)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.fault("J7")
def test_an_archive_that_changed_since_the_scan_fails(scan, tmp_path):
    """Its members may be elsewhere by now."""
    source = scan({"a.zip": zip_of({"a.csv": b"12345"})})["a.zip//a.csv"]
    (tmp_path / "a.zip").write_bytes(zip_of({"a.csv": b"123456789"}))
    with pytest.raises(SourceChanged, match="changed while it was being read"):
        read(tmp_path, source)


def test_an_archive_that_changes_meanwhile_is_the_reason_of_the_damage(scan, tmp_path):
    """And not the bytes that were mixed."""
    content = zip_of({"a.csv": os.urandom(3 * MIB)})
    source = scan({"a.zip": content})["a.zip//a.csv"]
    with Volume(tmp_path).open_source(source) as member:
        member.read_into(memoryview(bytearray(MIB)), 0)
        (tmp_path / "a.zip").write_bytes(bytes(len(content)))
        with pytest.raises(SourceChanged):
            member.read_into(memoryview(bytearray(MIB)), MIB)


@pytest.mark.parametrize("method", METHODS)
def test_parts_can_be_read_in_any_order(scan, tmp_path, method):
    """In order a compressed member is inflated once; else again, and the CRC-32 is right."""
    content = random.Random(1).randbytes(10 * 1000)
    source = scan({"a.zip": zip_of({"a.csv": content}, method)})["a.zip//a.csv"]
    with Volume(tmp_path).open_source(source) as member:
        state = member.state()
        assert state.size == len(content)
        for offset in (0, 1000, 2000, 1000, 5000, 4000, 3000, 6000, 0, 9000, 8000, 7000):
            part = memoryview(bytearray(1000))
            crc = member.read_part(part, offset, state)
            assert bytes(part) == content[offset : offset + 1000]
            assert crc == CRC64NVME.update(bytes(part), 0)
        member.check_in_place()


def test_lzma_without_a_marker_ends_at_its_length(scan, tmp_path):
    """As 7-Zip writes it with `-meos=off`; zipfile and others mark the end."""
    packed = bytes.fromhex("1a0205005d0010000000349901858192eab7df98a59346d1ee342fd30000")
    body = b"id,name\n" + b"1,abc\n" * 40
    found = scan({"a.zip": make_zip(Made(b"a.csv", body, LZMA, packed=packed))})
    assert read(tmp_path, found["a.zip//a.csv"]) == body


@pytest.mark.fault("J3")
@pytest.mark.parametrize(
    ("packed", "error", "message"),
    [
        (b"\t\x14\5\0]", MemberDamaged, "its compressed data is cut off"),
        (b"\t\x14\6\0]\0\0\1\0" + bytes(9), MemberRefused, "an unknown variant of LZMA"),
        (b"\t\x14\5\0\xff\0\0\1\0" + bytes(9), MemberDamaged, "it is not valid LZMA data"),
    ],
)
def test_a_header_of_lzma_is_not_trusted(scan, tmp_path, packed, error, message):
    """Each field is checked before it is used."""
    found = scan({"a.zip": make_zip(Made(b"a.csv", b"12345", LZMA, packed=packed))})
    with pytest.raises(error, match=message):
        read(tmp_path, found["a.zip//a.csv"])


@pytest.mark.fault("J3")
def test_no_more_memory_is_taken_for_a_dictionary_than_a_member_has_bytes(
    scan, tmp_path, monkeypatch
):
    """A forged size is harmless; one that a large member may need is refused."""
    asked, limited = [], lzma.LZMADecompressor

    class Noting:
        """The decompressor, which notes the dictionary of the stream."""

        def __init__(self, *arguments):
            self.inner = limited(*arguments)

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def decompress(self, data, most):
            if not asked:
                asked.append(struct.unpack_from("<I", data, 1)[0])
            return self.inner.decompress(data, most)

    monkeypatch.setattr(lzma, "LZMADecompressor", Noting)
    body = random.Random(1).randbytes(100_000)
    packed = bytearray(pack_lzma(body))
    packed[5:9] = struct.pack("<I", 2**32 - 1)
    found = scan({"a.zip": make_zip(Made(b"a.csv", body, LZMA, flags=2, packed=bytes(packed)))})
    assert read(tmp_path, found["a.zip//a.csv"]) == body
    assert asked == [100_000]
    forged = Made(b"a.csv", b"", LZMA, packed=bytes(packed), size=65 * MIB, crc=0)
    found = scan({"a.zip": make_zip(forged)})
    with pytest.raises(MemberRefused, match=r"a dictionary of 68,157,440 bytes, more than the"):
        read_first(tmp_path, found["a.zip//a.csv"])


def read_first(volume, source):
    """The first byte of a member."""
    buffer = memoryview(bytearray(1))
    with Volume(volume).open_source(source) as member:
        member.read_into(buffer, 0)
    return bytes(buffer)


@pytest.mark.fault("J2")
@pytest.mark.parametrize("method", [BZIP2, LZMA])
def test_streams_that_end_too_early_or_too_late_are_damaged(scan, tmp_path, method):
    """However the directory describes them."""
    body = random.Random(1).randbytes(500)
    packed = PACKING[method](body)
    for made, message in (
        (Made(b"a.csv", body, method, 2, packed=packed[:-30]), "is cut off"),
        (Made(b"a.csv", body, method, 2, packed=packed, size=499), "more than the 499 bytes"),
        (Made(b"a.csv", body, method, 2, packed=packed, size=501), "it ends after 500 bytes"),
    ):
        found = scan({"a.zip": make_zip(made)})
        with pytest.raises(MemberDamaged, match=message):
            read(tmp_path, found["a.zip//a.csv"])


@pytest.fixture(scope="module")
def one_volume(tmp_path_factory):
    """A folder for one archive, which each example of a test replaces."""
    return tmp_path_factory.mktemp("volume")


NAMES = st.sampled_from(["a.csv", "b/c.csv", "é.csv", "n.txt", "../d.csv", "e.csv.gz"])
MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=300), st.sampled_from(METHODS)), max_size=4)


@pytest.mark.fault("J2")
@settings(deadline=None, max_examples=300)
@given(MEMBERS, st.data())
def test_a_member_lands_whole_or_fails_if_any_byte_is_damaged(one_volume, members, data):
    """One byte is changed, or the archive is cut: no crash, no hang, no other bytes."""
    archive = bytearray(
        make_zip(
            *(Made(name.encode(), body, method, flags=0x800) for name, body, method in members)
        )
    )
    at = data.draw(st.integers(0, len(archive) - 1))
    if data.draw(st.booleans()):
        archive[at] ^= data.draw(st.integers(1, 255))
    else:
        del archive[at:]
    (one_volume / "a.zip").write_bytes(archive)
    bodies = [body for _, body, _ in members]
    for found in Scanner(one_volume, archives=LOAD).scan():
        if not isinstance(found, SourceFile):
            continue
        assert found.size <= len(archive) * 1000
        with suppress(FileFailed):
            assert read(one_volume, found) in bodies


@settings(deadline=None)
@given(MEMBERS)
@example([("a.csv", b"1", DEFLATED)])
def test_zipfile_reads_the_same(one_volume, members):
    """Any archive that the standard library wrote, behind a script that unpacks it."""
    names = list(dict.fromkeys(name for name, _, _ in members if ".." not in name))
    bodies = {name: body for name, body, _ in members}
    methods = {name: method for name, _, method in members}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for name in names:
            written.writestr(name, bodies[name], methods[name])
    (one_volume / "a.zip").write_bytes(b"#!/bin/sh\n" + archive.getvalue())
    found = {
        path[7:]: item for path, item in by_path(Scanner(one_volume, archives=LOAD).scan()).items()
    }
    assert found.keys() == {name for name in names if name != "n.txt"}
    for name, source in found.items():
        assert read(one_volume, source) == bodies[name]


def test_a_plan_of_many_members_is_compact_and_complete(scan):
    """Each is yielded as it was found, those of the volume first."""
    found = scan(
        {
            "z.csv": b"1",
            "a.zip": zip_of({f"a{n}.csv": b"%d" % n for n in range(5000)}),
            "b.zip": zip_of({"b.csv": b"2", "large.csv": b"3" * 100}, STORED),
        }
    )
    plan = LoadPlan(KeyLayout("default", "R", "L", "C", date(2022, 5, 2)), put_limit=99)
    for source in found.values():
        plan.add(source)
    planned = [upload.source for upload in plan.uploads()]
    assert [source.path for source in planned[:2]] == ["b.zip//large.csv", "z.csv"]
    places = {source.path: (source.size, source.member) for source in planned}
    assert places == {path: (source.size, source.member) for path, source in found.items()}


def test_equal_bytes_are_found_by_reading(scan, tmp_path):
    """A group counts only as a whole; what can't be read is not equal."""
    body = b"".join(b"%d\n" % n for n in range(300_000)) + b"1"
    files = {"a.csv": body, "a.zip": zip_of({"a.csv": body, "b.csv": body[:-1] + b"2"})}
    damaged = Made(b"d.csv", packed=b"\xff" * 9000, size=len(body))
    found = scan(
        {**files, "d.zip": make_zip(damaged), "empty.csv": b"", "e.zip": zip_of({"e.csv": b""})}
    )
    equal = [found["a.csv"], found["a.zip//a.csv"]]
    empty = [found["empty.csv"], found["e.zip//e.csv"]]
    other = [found["a.csv"], found["a.zip//b.csv"]]
    broken = [found["a.csv"], found["d.zip//d.csv"]]
    groups = [equal, other, broken, [*equal, found["a.zip//b.csv"]], empty]
    groups = [[PlannedUpload(source, ObjectKey("k")) for source in group] for group in groups]
    assert list(find_duplicates(Volume(tmp_path), groups)) == [groups[0], groups[4]]
