"""Words to streams whose reader may be gone, and bodies in the shape of files."""

from __future__ import annotations

import errno
import io
import os

import pytest

from asyncload.cli.output import Output
from asyncload.s3.body import ViewBody, ViewPayload


class Gone(io.StringIO):
    """A stream that breaks when it is written or flushed."""

    def __init__(self, where, error=None):
        super().__init__()
        self.where = where
        self.error = error or BrokenPipeError()
        self.tries = 0

    def write(self, text):
        self.tries += 1
        if self.where == "write":
            raise self.error
        return super().write(text)

    def flush(self):
        if self.where == "flush":
            raise self.error


@pytest.mark.parametrize("where", ["write", "flush"])
def test_once_nobody_reads_nothing_more_is_written(where):
    """And nothing is raised."""
    stream = Gone(where)
    out = Output(stream)
    out.line("one")
    out.flush()
    out.line("two")
    out.flush()
    assert stream.tries == 1


@pytest.mark.parametrize("where", ["write", "flush"])
def test_once_there_is_no_room_nothing_more_is_written(where, capsys):
    """And standard error hears of it, once; of its own fullness nobody does."""
    out = Output(Gone(where, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    for _ in range(2):
        out.line("one")
        out.flush()
    assert capsys.readouterr().err == (
        "warning: standard output is cut short: No space left on device\n"
    )


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
    await payload.write(Writer())
    assert Writer.sizes == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    with pytest.raises(TypeError):
        payload.decode()
