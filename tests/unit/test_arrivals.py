"""What is heard of a volume, by which file system, and what lies at a path."""

from __future__ import annotations

import os

import pytest

from asyncload.model.values import Excluded, SourceFile
from asyncload.source import arrivals
from asyncload.source.arrivals import file_system_of, has_events, look_at
from asyncload.source.scanner import Scanner
from tests.support.loads import write_files

MOUNTS = b"""\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /mnt/exports rw shared:7 - nfs4 server:/exports rw,vers=4.2
31 30 0:41 / /mnt/exports/fast rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/with\\040space rw - fuse.sshfs host:/ rw
33 22 0:43 / /mnt/exports rw - cifs //server/exports rw
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"/srv/data", "ext4"),
        (b"/mnt/exports", "cifs"),
        (b"/mnt/exports/d", "cifs"),
        (b"/mnt/exports2", "ext4"),
        (b"/mnt/exports/fast/d", "tmpfs"),
        (b"/mnt/with space/d", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path, kind):
    """Of several at one place it is the last; names that begin alike are others."""
    assert file_system_of(path, MOUNTS) == kind
    assert file_system_of(path, b"") == ""


@pytest.mark.parametrize(
    ("kind", "events"),
    [("ext4", True), ("overlay", True), ("nfs4", False), ("cifs", False), ("fuse.s3fs", False)],
)
def test_network_file_systems_have_no_events(tmp_path, monkeypatch, kind, events):
    """What other machines do is not reported; without knowledge, events are expected."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - {kind} /dev/sda1 rw\n")
    monkeypatch.setattr(arrivals, "_MOUNTS", mounts)
    assert has_events(tmp_path) is events
    mounts.unlink()
    assert has_events(tmp_path) is True


def test_a_path_is_judged_as_a_scan_would(volume):
    """By its folders, too."""
    write_files(
        volume,
        dict.fromkeys(
            ("a.csv", "d/b.csv", ".h/c.csv", "d/.c.csv", "d/x.csv.part", "t.txt", "d/e.zip"), b"1"
        ),
    )
    (volume / "link.csv").symlink_to("a.csv")
    (volume / "links").symlink_to("d")
    (volume / "folder.csv").mkdir()
    scanner = Scanner(volume, identify=True, exclude=["d/excluded*"])
    for found in scanner.scan():
        # A scan counts an excluded folder as one entry, and opens archives.
        assert scanner.examine(found.path) == found or found.path in (".h", "d/e.zip")
    for path in (".h/c.csv", "d", "folder.csv", "nowhere/a.csv", "a.csv/b.csv", "t.txt"):
        assert scanner.examine(path) is None
    assert isinstance(scanner.examine("link.csv"), Excluded)
    following = Scanner(volume, identify=True, follow_links=True)
    assert following.examine("link.csv").size == 1
    assert following.examine("links") is None


def test_what_lies_at_paths_is_told_apart(volume, monkeypatch):
    """Files, others, and whether a folder is among them; some can't be examined."""
    write_files(volume, {"d/a.csv": b"1", "x.txt": b""})
    scanner = Scanner(volume, identify=True)
    seen = look_at(scanner, ["d/a.csv", "x.txt", "gone.csv"])
    assert [file.path for file in seen.files] == ["d/a.csv"]
    assert (seen.others, seen.folders) == (["x.txt", "gone.csv"], False)
    assert look_at(scanner, ["d"]).folders
    assert seen.files[0].version.inode == (volume / "d/a.csv").stat().st_ino

    def refuse(path, **_):
        raise PermissionError

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert look_at(scanner, ["d/a.csv"]) == ([], ["d/a.csv"], False)
    assert isinstance(seen.files[0], SourceFile)
