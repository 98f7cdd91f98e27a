"""`--then`: source files are deleted or moved, each only in the version that was verified."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from asyncload.errors import UsageError
from asyncload.model.checksums import MD5_OF_PARTS, by_algorithm
from asyncload.model.values import Checksum, FileFinished
from asyncload.reporting.text import summary_lines
from asyncload.source.disposal import Disposal
from asyncload.source.volume import Volume
from asyncload.store.protocol import RemoteObject
from tests.support.content import random_bytes
from tests.support.loads import PREFIX, UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("small_parts")

FOLDER = f"{PREFIX}/D/2022/05/02"


def below(folder):
    """The files of a folder and their content, by path."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def load(store, volume, **options):
    """Load, and return the report, and what was done with each source, by path."""
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **options)
    finished = [event for event in recorder.events if isinstance(event, FileFinished)]
    return report, {event.outcome.path: event.source for event in finished}


@pytest.mark.parametrize("size", [3, 17 * UNIT])
async def test_verified_files_are_deleted(volume, size):
    """Sent or unchanged, small or large; their folders stay, and so does all else."""
    files = {"d/a.csv": random_bytes(size), "d/b.csv": b"2", "d/notes.txt": b"3"}
    write_files(volume, files)
    store = MemoryStore()
    await load_volume(store, volume, include="b.csv")
    report, sources = await load(store, volume, then="delete")
    assert {path: source.status for path, source in sources.items()} == {
        "d/a.csv": "deleted",
        "d/b.csv": "deleted",
    }
    assert (report.counts["unchanged"], report.sources, report.exit_code) == (1, {"deleted": 2}, 0)
    assert below(volume) == {"d/notes.txt": b"3"}
    assert store.objects[f"{FOLDER}/a.csv"] == files["d/a.csv"]


async def test_verified_files_are_moved_with_their_paths(volume, tmp_path):
    """They are the same files there; a second run has nothing to load."""
    write_files(volume, {"a.csv": b"1", "d/e/b.csv": b"2"})
    inode = (volume / "d/e/b.csv").stat().st_ino
    (tmp_path / "done/d").mkdir(parents=True)
    report, _ = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    assert (report.sources, report.exit_code) == ({"moved": 2}, 0)
    assert below(volume) == {}
    assert below(tmp_path / "done") == {"a.csv": b"1", "d/e/b.csv": b"2"}
    assert (tmp_path / "done/d/e/b.csv").stat().st_ino == inode


async def test_many_kept_files_are_counted(volume, tmp_path):
    """The first twenty are named."""
    names = [f"d/{n:02}.csv" for n in range(22)]
    write_files(volume, dict.fromkeys(names, b"new"))
    write_files(tmp_path, {f"done/{name}": b"old" for name in names})
    report, _ = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    lines = list(summary_lines(report, 1.0))
    assert sum(line.startswith("source kept: d/") for line in lines) == 20
    assert "and 2 more source files kept; see --json or the manifest" in lines


@pytest.mark.fault("I32")
@pytest.mark.parametrize("links", [True, False])
async def test_a_file_at_the_target_is_never_overwritten(volume, tmp_path, monkeypatch, links):
    """The source stays, is named, and the run ends with 3; also where nothing can be linked."""
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    write_files(volume, {"d/a.csv": b"new", "d/b.csv": b"2"})
    write_files(tmp_path, {"done/d/a.csv": b"old"})
    report, sources = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    assert (sources["d/a.csv"].status, sources["d/b.csv"].status) == ("kept", "moved")
    assert report.kept_sources == [("d/a.csv", "the target folder already has a file of this name")]
    assert report.exit_code == 3
    assert below(tmp_path / "done") == {"d/a.csv": b"old", "d/b.csv": b"2"}
    assert below(volume) == {"d/a.csv": b"new"}


def refusing(number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return refuse


async def test_a_move_that_was_killed_in_between_is_completed(volume, tmp_path):
    """Both names of the file are there: the next run removes that in the volume."""
    write_files(volume, {"a.csv": b"1"})
    (tmp_path / "done").mkdir()
    (tmp_path / "done/a.csv").hardlink_to(volume / "a.csv")
    report, _ = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    assert (report.sources, report.exit_code) == ({"moved": 1}, 0)
    assert (below(volume), below(tmp_path / "done")) == ({}, {"a.csv": b"1"})


async def test_a_failed_rename_leaves_no_empty_file_behind(volume, tmp_path, monkeypatch):
    """Nor loses the source."""
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    monkeypatch.setattr(os, "rename", refusing(errno.EXDEV))
    write_files(volume, {"a.csv": b"1"})
    (tmp_path / "done").mkdir()
    report, sources = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    assert sources["a.csv"].reason == (f"the file could not be moved: {os.strerror(errno.EXDEV)}")
    assert (report.exit_code, below(tmp_path / "done")) == (3, {})
    assert below(volume) == {"a.csv": b"1"}


class Changing(MemoryStore):
    """The source changes as soon as its object is stored."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    async def put(self, key, *arguments, **options):
        result = await super().put(key, *arguments, **options)
        self.change()
        return result

    async def complete_multipart(self, *arguments, **options):
        result = await super().complete_multipart(*arguments, **options)
        self.change()
        return result


def rewrite(path):
    path.write_bytes(b"9" * path.stat().st_size)


def replace(path):
    """Another file with the same content and times."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def link(path):
    path.rename(path.with_name("other"))
    path.symlink_to("other")


@pytest.mark.fault("I32")
@pytest.mark.parametrize(
    ("size", "change"), [(3, rewrite), (3, replace), (3, link), (17 * UNIT, rewrite)]
)
@pytest.mark.parametrize("then", ["delete", "move"])
async def test_a_file_that_changed_since_is_kept(volume, tmp_path, size, change, then):
    """Its present content was not verified."""
    write_files(volume, {"d/a.csv": random_bytes(size)})
    (tmp_path / "done").mkdir()
    store = Changing(lambda: change(volume / "d/a.csv"))
    action = then if then == "delete" else f"move {tmp_path / 'done'}"
    report, sources = await load(store, volume, then=action)
    assert sources["d/a.csv"] == ("kept", "the file changed after it was loaded", False)
    assert (volume / "d/a.csv").stat().st_size == size
    assert (below(tmp_path / "done"), report.exit_code) == ({}, 0)


async def test_a_file_that_is_gone_is_not_called_kept(volume, tmp_path):
    """And no path is followed that the load would not follow: a file below a link stays."""
    write_files(volume, {"d/a.csv": b"1"})
    store = Changing((volume / "d/a.csv").unlink)
    report, sources = await load(store, volume, then="delete")
    assert sources["d/a.csv"] == ("gone", "the file was already removed or renamed", False)
    assert (report.exit_code, report.sources, report.kept_sources) == (0, {"gone": 1}, [])
    line = "already removed or renamed by another program: 1 source file"
    assert line in summary_lines(report, 1.0)

    def divert():
        (volume / "d").rename(tmp_path / "e")
        (volume / "d").symlink_to(tmp_path / "e")

    write_files(volume, {"d/a.csv": b"2"})
    report, sources = await load(Changing(divert), volume, then="delete")
    assert (sources["d/a.csv"].status, report.exit_code) == ("kept", 3)
    assert (tmp_path / "e/a.csv").read_bytes() == b"2"


async def test_a_file_that_another_run_has_moved_counts_as_moved(volume, tmp_path):
    """Only the version that was loaded: another file of that name in the target is not it."""
    (tmp_path / "done/d").mkdir(parents=True)
    write_files(volume, {"d/a.csv": b"1"})
    moved = tmp_path / "done/d/a.csv"
    store = Changing(lambda: (volume / "d/a.csv").rename(moved))
    report, sources = await load(store, volume, then=f"move {tmp_path / 'done'}")
    assert sources["d/a.csv"] == ("moved", "", False)
    assert (report.exit_code, moved.read_bytes()) == (0, b"1")
    moved.write_bytes(b"another")
    write_files(volume, {"d/a.csv": b"1"})
    store = Changing((volume / "d/a.csv").unlink)
    _, sources = await load(store, volume, then=f"move {tmp_path / 'done'}")
    assert sources["d/a.csv"].status == "gone"
    moved.unlink()
    write_files(volume, {"d/a.csv": b"1"})
    store = Changing((volume / "d/a.csv").unlink)
    _, sources = await load(store, volume, then=f"move {tmp_path / 'done'}")
    assert sources["d/a.csv"].status == "gone"


async def test_failed_and_skipped_files_stay(volume):
    """Their objects are not theirs."""
    write_files(volume, {"d/a.csv": b"1"})
    store = MemoryStore()
    store.objects[f"{FOLDER}/a.csv"] = b"other"
    for options in ({}, {"skip_existing": True}):
        _, sources = await load(store, volume, then="delete", **options)
        assert sources == {"d/a.csv": None}
    assert below(volume) == {"d/a.csv": b"1"}


async def test_an_md5_of_parts_is_not_enough_for_an_existing_object(volume):
    """It is kept and reported, and does not count as a failure."""

    body = b"1"
    digest = hashlib.md5(hashlib.md5(body).digest()).hexdigest()

    class InParts(MemoryStore):
        async def head(self, key):
            await super().head(key)
            return RemoteObject(1, by_algorithm(Checksum(MD5_OF_PARTS, f"{digest}-1")))

    write_files(volume, {"d/a.csv": body})
    store = InParts()
    store.objects[f"{FOLDER}/a.csv"] = b"?"
    report, sources = await load(store, volume, then="delete")
    assert report.counts == {"unchanged": 1}
    assert sources["d/a.csv"].status == "kept"
    assert "only an MD5 of its parts" in sources["d/a.csv"].reason
    assert (below(volume), report.exit_code) == ({"d/a.csv": body}, 0)


async def test_a_file_whose_version_is_unknown_stays(volume, monkeypatch):
    """As one that is a part of another file."""
    read = Volume.read_batch

    def read_batch(self, *arguments, **options):
        items = read(self, *arguments, **options)
        items[:] = [item._replace(version=None) for item in items]
        return items

    monkeypatch.setattr(Volume, "read_batch", read_batch)
    write_files(volume, {"d/a.csv": b"1"})
    _, sources = await load(MemoryStore(), volume, then="delete")
    assert sources["d/a.csv"] == ("kept", "it is not a file of its own", False)


async def test_a_disposal_that_hangs_is_given_up(volume, stalling, monkeypatch):
    """As a read would be: the run ends, and says that the file stays."""
    write_files(volume, {"d/a.csv": b"1"})
    released = threading.Event()
    monkeypatch.setattr(os, "unlink", lambda *_, **__: released.wait(30))
    report, sources = await load(MemoryStore(), volume, then="delete")
    released.set()
    assert (sources["d/a.csv"].status, report.exit_code) == ("kept", 3)
    assert "reading has stalled" in sources["d/a.csv"].reason


def test_a_target_that_can_not_be_used_is_refused(volume, tmp_path, monkeypatch):
    """Inside the volume, missing, a file, on another file system, or not writable."""
    write_files(volume, {"done/a.csv": b"1"})
    (tmp_path / "link").symlink_to(volume / "done")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: "locked" not in os.fspath(path))
    for target, message in (
        (volume, f"is inside {volume}, the folder of the volume"),
        (volume / "done", f"is inside {volume}, the folder of the volume"),
        (tmp_path / "link", f"is inside {volume}, the folder of the volume"),
        (tmp_path / "nowhere", "can't be used: No such file or directory"),
        (tmp_path / "file", "can't be used: Not a directory"),
        (Path("/proc"), "is on another file system"),
        (tmp_path / "locked", "can't be used: Permission denied"),
    ):
        with pytest.raises(UsageError, match=message):
            Disposal(volume, target)
    Disposal(volume, tmp_path)


def test_a_volume_that_is_read_only_is_refused(volume, monkeypatch):
    """Before anything is sent, as with a mount that ends in `:ro`."""
    status = os.statvfs(volume)

    class ReadOnly:
        f_flag = status.f_flag | os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    with pytest.raises(UsageError, match="is read-only"):
        Disposal(volume, None)
