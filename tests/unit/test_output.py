"""Words to streams whose reader may be gone, and bodies in the shape of files."""

from __future__ import annotations

import io
import os
import threading

import pytest

from asyncload.cli import streams
from asyncload.cli.streams import GuardedFile
from asyncload.s3.client.body import ViewBody, ViewPayload


@pytest.fixture
def full():
    """A descriptor on a full disk."""
    fd = os.open("/dev/full", os.O_WRONLY)
    yield fd
    os.close(fd)


def test_what_can_not_be_written_is_dropped_and_the_first_reason_kept(full):
    """Nothing is raised, at writing, flushing or closing."""
    file = GuardedFile(full, "the log")
    with io.BufferedWriter(file) as writer:
        writer.write(b"one")
        writer.flush()
        writer.write(b"two")
    assert file.lost == "No space left on device"
    assert not file.isatty()
    assert file.fileno() == full


def test_an_error_without_a_text_of_the_system_is_reported_in_its_own():
    """For any content."""
    reading, writing = os.pipe()
    file = GuardedFile(writing, "the log")
    file._give_up(OSError("strange"))
    for fd in (reading, writing):
        os.close(fd)
    assert file.lost == "strange"


def test_a_file_on_a_disk_gets_all_of_a_large_write(tmp_path):
    """In as many pieces as the system takes."""
    with (tmp_path / "log").open("wb") as log:
        assert GuardedFile(log.fileno(), "the log").write(bytes(100_000)) == 100_000
    assert (tmp_path / "log").stat().st_size == 100_000


def test_a_write_waits_again_for_room_that_another_process_took(monkeypatch):
    """Between the look at a descriptor that does not block, and the write."""
    write, taken = os.write, []

    def write_later(fd, data):
        if not taken:
            taken.append(fd)
            raise BlockingIOError
        return write(fd, data)

    reading, writing = os.pipe()
    monkeypatch.setattr(os, "write", write_later)
    file = GuardedFile(writing, "the log")
    file.write(b"one")
    assert (os.read(reading, 10), taken, file.lost) == (b"one", [writing], "")
    for fd in (reading, writing):
        os.close(fd)


def test_a_reader_that_does_not_read_is_waited_for_until_the_end_is_asked_for(monkeypatch):
    """For a moment more, then what is left is dropped."""
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "_HURRIED_SECONDS", 0.05)
    reading, writing = os.pipe()
    file = GuardedFile(writing, "the log")
    threading.Timer(0.05, file.hurry).start()
    threading.Timer(0.06, file.hurry).start()
    file.write(bytes(1_000_000))
    for fd in (reading, writing):
        os.close(fd)
    assert file.lost == "the reader does not read"


def test_a_view_is_a_file_to_botocore():
    """It is measured, read in pieces, and read again."""
    body = ViewBody(memoryview(b"0123456789"))
    assert (len(body), body.seek(0, io.SEEK_END), body.tell()) == (10, 10, 10)
    assert (body.seek(2), bytes(body.read(3)), bytes(body.read())) == (2, b"234", b"56789")
    assert bytes(body.read(1)) == b""
    assert body.seek(-2, io.SEEK_CUR) == 8


async def test_a_body_is_written_in_large_slices_and_shown_as_no_text():
    """A whole view, a MiB at a time."""
    view = memoryview(bytes(2_500_000))

    class Writer:
        sizes = []

        async def write(self, chunk):
            self.sizes.append(len(chunk))

    payload = ViewPayload(view)
    assert payload.size == 2_500_000
    await payload.write(Writer())
    assert Writer.sizes == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    assert payload.is_sent()
    with pytest.raises(TypeError):
        payload.decode()


async def test_a_body_that_was_never_begun_is_not_sent_and_has_nothing_to_abort():
    """As where the connection broke before its first byte."""
    payload = ViewPayload(memoryview(b"123"))
    assert not payload.is_sent()
    payload.abort()
