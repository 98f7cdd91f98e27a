"""Files of a mounted volume: opened beneath it, read whole, in one version."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from pathlib import Path

import pytest

from asyncload.errors import SourceChanged, SourceUnreadable
from asyncload.model.checksums import crc64nvme
from asyncload.model.values import ObjectKey, PlannedUpload, SourceFile
from asyncload.source.batches import Digests, LoadedFile, OutgrownFile, UnloadedFile
from asyncload.source.volume import OpenFile, Volume
from tests.support.loads import write_files

pytestmark = pytest.mark.usefixtures("no_file_left_open")


@pytest.fixture
def opened(volume):
    """The volume, open."""
    with Volume(volume) as opened:
        yield opened


def planned(path, size=0):
    return PlannedUpload(SourceFile(path, size), ObjectKey(f"Raw/{path}"))


def write_old(path, content):
    """Write a file that was last changed long ago, so that any later change shows."""
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))


# Opening


def test_a_file_is_opened_at_any_depth(volume, opened):
    """By its path relative to the volume."""
    write_files(volume, {"a.csv": b"1", "b/c/d.csv": b"22", "b/caf\udce9.csv": b"333"})
    for path, size in {"a.csv": 1, "b/c/d.csv": 2, "b/caf\udce9.csv": 3}.items():
        with opened.open(path) as file:
            assert file.state().size == size


def test_the_volume_may_be_moved_while_it_is_open(volume, opened, tmp_path):
    """Files are opened beneath the folder, wherever that is."""
    write_files(volume, {"a.csv": b"1"})
    volume.rename(tmp_path / "elsewhere")
    assert opened.state_of("a.csv").size == 1


@pytest.mark.parametrize("path", ["link.csv", "folder/a.csv", "deep/folder/a.csv", "loop.csv"])
def test_no_link_is_followed(volume, opened, tmp_path, path):
    """Not as the file, nor as any folder on the way: what lies outside is not read."""
    write_files(tmp_path / "outside", {"a.csv": b"secret"})
    (volume / "deep").mkdir()
    (volume / "link.csv").symlink_to(tmp_path / "outside/a.csv")
    (volume / "loop.csv").symlink_to("loop.csv")
    (volume / "folder").symlink_to(tmp_path / "outside")
    (volume / "deep/folder").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceUnreadable, match=r"^the file can't be read: ") as error:
        opened.open(path)
    assert (
        error.value.hint
        == "symbolic links are followed only with --follow-symlinks, and never in a circle"
    )


@pytest.mark.parametrize("path", ["../outside.csv", "a/../../outside.csv", "/etc/hostname"])
def test_no_path_leads_out_of_the_volume(volume, opened, path):
    """For any owner."""
    (volume / "a").mkdir()
    (volume.parent / "outside.csv").write_bytes(b"secret")
    with pytest.raises(SourceUnreadable):
        opened.open(path).close()


LINKS = {
    "file.csv": "a/real.csv",
    "a/up.csv": "../top.csv",
    "a/deep/up.csv": "../../top.csv",
    "folder": "a/deep",
    "..data": "..2024",
    "map.csv": "..data/map.csv",
    "dots.csv": "./a/.//deep/../real.csv",
    "chain.csv": "file.csv",
}


@pytest.fixture
def linked(volume):
    """A volume with links in it, open so that they are followed."""
    write_files(volume, {"a/real.csv": b"1", "top.csv": b"22", "a/deep/x.csv": b"333"})
    write_files(volume, {"..2024/map.csv": b"4444"})
    for name, target in LINKS.items():
        (volume / name).symlink_to(target)
    with Volume(volume, follow_links=True) as opened:
        yield opened


@pytest.mark.fault("F7")
@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("file.csv", 1),
        ("a/up.csv", 2),
        ("a/deep/up.csv", 2),
        ("folder/up.csv", 2),
        ("folder/x.csv", 3),
        ("map.csv", 4),
        ("dots.csv", 1),
        ("chain.csv", 1),
        ("a/real.csv", 1),
    ],
)
def test_links_that_stay_in_the_volume_are_followed_on_request(linked, path, size):
    """As the file, as a folder on the way, and one by another; `..` is where it was come from."""
    with linked.open(path) as file:
        assert file.state().size == size


@pytest.mark.fault("F7")
def test_an_absolute_link_is_followed_below_the_volume_only(linked, volume, tmp_path):
    """As such links are made where the volume has the same place."""
    (volume / "absolute.csv").symlink_to(volume / "top.csv")
    (volume / "a/absolute").symlink_to(volume)
    (tmp_path / "volume-2").mkdir()
    (tmp_path / "volume-2/b.csv").write_bytes(b"secret")
    (volume / "beside.csv").symlink_to(tmp_path / "volume-2/b.csv")
    for path in ("absolute.csv", "a/absolute/top.csv"):
        with linked.open(path) as file:
            assert file.state().size == 2
    with pytest.raises(
        SourceUnreadable, match="a symbolic link in the file's path leads out of the volume"
    ):
        linked.open("beside.csv")


@pytest.mark.fault("F7")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("../outside.csv", "a symbolic link in the file's path leads out of the volume"),
        ("a/../../outside.csv", "a symbolic link in the file's path leads out of the volume"),
        ("/etc/hostname", "a symbolic link in the file's path leads out of the volume"),
        ("link.csv", "the file can't be read: "),
        ("nowhere.csv", "the file can't be read: No such file or directory"),
        ("top.csv/x", "the file can't be read: Not a directory"),
    ],
)
def test_a_link_that_leads_nowhere_good_fails_its_file(linked, volume, target, message):
    """Out of the volume, in a circle, or to nothing."""
    (volume.parent / "outside.csv").write_bytes(b"secret")
    (volume / "link.csv").symlink_to(target)
    with pytest.raises(SourceUnreadable, match=f"^{message}"):
        linked.open("link.csv")


def test_other_entries_under_a_files_name_do_not_hang(volume, opened, monkeypatch):
    """A FIFO without a writer, a socket, a folder: each is refused."""
    os.mkfifo(volume / "fifo.csv")
    (volume / "folder.csv").mkdir()
    # The path of a socket must be short.
    monkeypatch.chdir(volume)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.csv")
    for path in ("fifo.csv", "folder.csv"):
        with pytest.raises(SourceUnreadable) as error:
            opened.open(path)
        assert error.value.message == "the file is no longer a regular file"
        assert error.value.hint == "check which program replaced it"
    with pytest.raises(SourceUnreadable, match=r"^the file can't be read: "):
        opened.open("socket.csv")


@pytest.mark.parametrize("path", ["gone.csv", "gone/a.csv", "a/gone/b.csv"])
def test_a_file_that_is_gone_is_unreadable(volume, opened, path):
    """The hint is to run again."""
    (volume / "a").mkdir()
    with pytest.raises(SourceUnreadable) as error:
        opened.open(path)
    assert error.value.message == "the file can't be read: No such file or directory"
    assert error.value.hint == "the file existed when the volume was scanned; run again"


def test_a_file_that_may_not_be_read_is_unreadable(volume, unprivileged):
    """The hint names the permission."""
    write_files(volume, {"locked.csv": b"1"})
    (volume / "locked.csv").chmod(0)
    with unprivileged(), Volume(Path()) as opened, pytest.raises(SourceUnreadable) as error:
        opened.open("locked.csv")
    assert error.value.message == "the file can't be read: Permission denied"
    assert error.value.hint.startswith("give the user that runs asyncload (UID ")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_failing_medium_is_reported():
    """The system's own word for it is passed on."""
    # The first page of a process can't be read.
    with (
        Volume(Path("/proc/self")) as opened,
        opened.open("mem") as file,
        pytest.raises(SourceUnreadable) as error,
    ):
        file.read_into(memoryview(bytearray(1)), 0)
    assert error.value.message == "the file can't be read: Input/output error"
    assert error.value.hint == "the medium or the mount is failing"


@pytest.mark.parametrize("name", ["nowhere", "a.csv"])
def test_a_volume_is_a_folder_that_can_be_opened(volume, name):
    """A missing folder or a file is none."""
    write_files(volume, {"a.csv": b"1"})
    with pytest.raises(SourceUnreadable):
        Volume(volume / name)


def test_an_open_file_that_the_system_no_longer_knows_is_unreadable(volume, opened):
    """As where a mount has gone: each question fails with the system's words."""
    write_files(volume, {"a.csv": b"1"})
    with opened.open("a.csv") as file:
        lost = OpenFile(opened, "a.csv", 10**6)
        for ask in (lost.state, lambda: lost.check_end(1)):
            with pytest.raises(SourceUnreadable, match="Bad file descriptor"):
                ask()
        file.check_end(1)


# Small files, in batches


def test_a_batch_is_read_into_one_buffer(volume, opened):
    """Each file whole, with its CRC64NVME, one after the other."""
    files = {"a.csv": b"id|titulo\n", "empty.csv": b"", "x/b.csv": os.urandom(1000)}
    write_files(volume, files)
    buffer = bytearray(2000)
    items = opened.read_batch([planned(path) for path in files], memoryview(buffer))
    assert [item.upload.source.path for item in items] == list(files)
    assert [bytes(item.body) for item in items] == list(files.values())
    assert [item.crc for item in items] == [crc64nvme(body) for body in files.values()]
    assert buffer == b"".join(files.values()).ljust(2000, b"\0")


def test_a_file_that_is_listed_with_its_size_is_not_hashed_for_a_signature(volume, opened):
    """Its MD5 shows that it need not be sent; at another size it has to be."""
    write_files(volume, {"same.csv": b"1234", "other.csv": b"1"})
    same, other = opened.read_batch(
        [planned("same.csv"), planned("other.csv")],
        memoryview(bytearray(10)),
        Digests(digest="sha256", md5_at={"same.csv": 4, "other.csv": 2}),
    )
    assert (same.digest, same.md5) == (None, hashlib.md5(b"1234").digest())
    assert (other.digest, other.md5) == (hashlib.sha256(b"1").hexdigest(), None)


def test_a_file_is_read_as_it_is_now(volume, opened):
    """One that shrank or grew since the scan is read in its version of now, where it fits."""
    write_files(volume, {"grown.csv": b"1234", "shrunk.csv": b"1"})
    items = opened.read_batch(
        [planned("grown.csv", 2), planned("shrunk.csv", 2)], memoryview(bytearray(100))
    )
    assert [bytes(item.body) for item in items] == [b"1234", b"1"]


def test_a_file_that_outgrew_its_room_is_handed_back_with_its_size(volume, opened):
    """It is not cut short; the others are still read."""
    write_files(volume, {"a.csv": b"123", "outgrown.csv": b"123456", "c.csv": b"45"})
    uploads = [planned(path) for path in ("a.csv", "outgrown.csv", "c.csv")]
    first, outgrown, last = opened.read_batch(uploads, memoryview(bytearray(5)))
    assert (bytes(first.body), bytes(last.body)) == (b"123", b"45")
    assert outgrown == OutgrownFile(uploads[1], 6)


def test_a_file_of_a_batch_that_cannot_be_read_fails_alone(volume, opened):
    """It is handed back with the reason."""
    write_files(volume, {"a.csv": b"1", "c.csv": b"3"})
    os.mkfifo(volume / "fifo.csv")
    items = opened.read_batch(
        [planned(path) for path in ("a.csv", "gone.csv", "fifo.csv", "c.csv")],
        memoryview(bytearray(10)),
    )
    kinds = [type(item) for item in items]
    assert kinds == [LoadedFile, UnloadedFile, UnloadedFile, LoadedFile]
    assert items[1].error.message == "the file can't be read: No such file or directory"
    assert bytes(items[3].body) == b"3"


class WrittenWhileRead(Volume):
    """A volume whose files something else appends to right after each read."""

    def open(self, path):
        file = super().open(path)
        return _WrittenWhileRead(self, path, file.fd)


class _WrittenWhileRead(OpenFile):
    def read_into(self, buffer, offset, *beat):
        super().read_into(buffer, offset, *beat)
        with Path(f"/proc/self/fd/{self.fd}").open("ab") as writer:
            writer.write(b"more")


def test_a_file_that_is_written_to_while_it_is_read_is_not_loaded(volume):
    """Its bytes might be of two versions."""
    write_files(volume, {"busy.csv": b"1234"})
    with WrittenWhileRead(volume) as opened:
        (item,) = opened.read_batch([planned("busy.csv", 4)], memoryview(bytearray(100)))
    assert isinstance(item.error, SourceChanged)
    assert item.error.message.startswith(
        "the file changed while it was being read (size 4 -> 8, mtime"
    )
    assert item.error.hint == "load a volume that nothing writes to, or run again"


# Large files, in parts


def test_parts_make_the_file(volume, opened):
    """Each with its CRC64NVME; a running digest sees them all."""
    content = os.urandom(2500)
    write_files(volume, {"large.csv": content})
    md5 = hashlib.md5()
    with opened.open("large.csv") as file:
        state = file.state()
        for start in range(0, 2500, 1000):
            buffer = bytearray(min(1000, 2500 - start))
            crc = file.read_part(memoryview(buffer), start, state, (md5,))
            assert buffer == content[start : start + 1000]
            assert crc == crc64nvme(buffer)
        buffer = bytearray(10)
        assert file.read_part(memoryview(buffer), 2490, state) == crc64nvme(content[2490:])
    assert md5.digest() == hashlib.md5(content).digest()


def _truncate(path):
    os.truncate(path, 1)


def _append(path):
    with path.open("ab") as writer:
        writer.write(b"more")


def _rewrite(path):
    path.write_bytes(b"4321")


def _rewrite_and_hide(path):
    """Put the old time back, as `cp --preserve` does; the system's own time can't be."""
    before = path.stat().st_ctime_ns
    path.write_bytes(b"4321")
    os.utime(path, ns=(0, 0))
    while path.stat().st_ctime_ns == before:
        os.utime(path, ns=(0, 0))


def _replace(path):
    write_old(path.with_name("new"), b"1234")
    path.with_name("new").rename(path)


def _replace_by_link(path):
    path.rename(path.with_name("moved.csv"))
    path.symlink_to("moved.csv")


def _delete(path):
    path.unlink()


def _move_folder(path):
    path.parent.rename(path.parent.with_name("moved"))


def _replace_folder(path):
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    _move_folder(path)
    path.parent.with_name("copy").rename(path.parent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_truncate, "the file ended at byte 1 while it was being read"),
        (_append, "the file changed while it was being read (size 4 -> 8, mtime_ns 0 -> "),
        (_rewrite, "the file changed while it was being read (mtime_ns 0 -> "),
        (_rewrite_and_hide, "the file changed while it was being read (ctime_ns "),
    ],
)
def test_a_part_of_a_file_that_changed_is_not_used(volume, opened, change, message):
    """Its bytes would be mixed with those of another version."""
    write_old(volume / "a.csv", b"1234")
    with opened.open("a.csv") as file:
        state = file.state()
        change(volume / "a.csv")
        with pytest.raises(SourceChanged) as error:
            file.read_part(memoryview(bytearray(4)), 0, state)
    assert error.value.message.startswith(message)
    assert error.value.hint == "load a volume that nothing writes to, or run again"


@pytest.mark.parametrize(
    "change",
    [
        _truncate,
        _append,
        _rewrite,
        _rewrite_and_hide,
        _replace,
        _replace_by_link,
        _delete,
        _move_folder,
        _replace_folder,
    ],
)
def test_a_file_that_is_no_longer_in_place_is_not_completed(volume, opened, change):
    """Changed, replaced by another one or a link, moved or deleted while it was uploaded."""
    (volume / "x").mkdir()
    write_old(volume / "x/a.csv", b"1234")
    with opened.open("x/a.csv") as file:
        state = file.state()
        file.check_in_place(state)
        change(volume / "x/a.csv")
        with pytest.raises(SourceChanged):
            file.check_in_place(state)


def test_a_file_that_was_moved_away_is_reported(volume, opened):
    """The message says what happened to it, the hint what to do."""
    (volume / "x").mkdir()
    write_files(volume, {"x/a.csv": b"1234"})
    with opened.open("x/a.csv") as file:
        state = file.state()
        _move_folder(volume / "x/a.csv")
        with pytest.raises(SourceChanged) as error:
            file.check_in_place(state)
    assert error.value.message == (
        "the file was removed or renamed while it was being uploaded: the file can't be read: No "
        "such file or directory"
    )
    assert error.value.hint == "run again"
