"""The volume from the event loop: hops to reader threads that are always waited for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest

from asyncload.checksums import crc64nvme
from asyncload.errors import SourceChanged, SourceUnreadable
from asyncload.model import ObjectKey, PlannedUpload, SourceFile
from asyncload.readers import Readers
from asyncload.volume import Volume
from tests.support.loads import write_files

pytestmark = pytest.mark.usefixtures("no_file_left_open")


class SlowReaders:
    """Readers with one thread, and a way to keep it busy."""

    def __init__(self, volume, executor):
        self.readers = Readers(volume, executor)
        self._executor = executor

    @contextmanager
    def kept_busy(self):
        """Nothing is read until the context is left."""
        free = threading.Event()
        self._executor.submit(free.wait)
        try:
            yield
        finally:
            free.set()


@pytest.fixture
def slow(volume):
    """Readers of the volume."""
    with Volume(volume) as opened, ThreadPoolExecutor(1) as executor:
        # The thread exists before open files are counted, and so does the loop's own pipe.
        executor.submit(int).result()
        yield SlowReaders(opened, executor)


@pytest.fixture
def readers(slow):
    """Readers of the volume, not kept busy."""
    return slow.readers


def planned(path):
    return PlannedUpload(SourceFile(path, 0), ObjectKey(path))


async def cancel_while_busy(slow, hop):
    """Cancel a hop that is under way, and see that it is waited for; return its task."""
    with slow.kept_busy():
        task = asyncio.ensure_future(hop)
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done(), "the thread may still write into the buffer"
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_batch_is_read_in_a_thread(volume, readers):
    """Each file with its bytes and their CRC64NVME."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"22"})
    items = await readers.read_batch(
        [planned("a.csv"), planned("b.csv")], memoryview(bytearray(10))
    )
    assert [bytes(item.body) for item in items] == [b"1", b"22"]


async def test_a_large_file_is_read_in_parts(volume, readers):
    """Opened once, with its state; closed at the end."""
    content = os.urandom(100)
    write_files(volume, {"a.csv": content})
    md5, buffer = hashlib.md5(), bytearray(50)
    async with readers.opened("a.csv") as (file, state):
        assert state.size == 100
        crc = await readers.read_part(file, memoryview(buffer), 50, state, (md5,))
        await readers.check_in_place(file, state)
    assert buffer == content[50:]
    assert crc == crc64nvme(content[50:])
    assert md5.digest() == hashlib.md5(content[50:]).digest()


async def test_faults_of_a_file_come_through(volume, readers):
    """As the volume raises them."""
    write_files(volume, {"a.csv": b"1234"})
    with pytest.raises(SourceUnreadable):
        async with readers.opened("gone.csv"):
            pass
    async with readers.opened("a.csv") as (file, state):
        (volume / "a.csv").unlink()
        with pytest.raises(SourceChanged):
            await readers.check_in_place(file, state)


async def test_items_are_taken_from_a_blocking_iterator_in_slices(readers):
    """Fewer only at its end, none after it."""
    numbers = iter(range(5))
    assert [await readers.take(numbers, 3) for _ in range(3)] == [[0, 1, 2], [3, 4], []]


async def test_a_cancelled_read_is_waited_for(volume, slow):
    """Its buffer must not find a new user while the thread writes into it."""
    write_files(volume, {"a.csv": b"1234"})
    batch, part = bytearray(4), bytearray(4)
    await cancel_while_busy(slow, slow.readers.read_batch([planned("a.csv")], memoryview(batch)))
    async with slow.readers.opened("a.csv") as (file, state):
        await cancel_while_busy(slow, slow.readers.read_part(file, memoryview(part), 0, state))
        await cancel_while_busy(slow, slow.readers.check_in_place(file, state))
    assert batch == part == b"1234"


async def test_a_cancelled_slice_is_waited_for(slow):
    """Whoever closes the iterator finds it at rest."""
    numbers = iter(range(5))
    await cancel_while_busy(slow, slow.readers.take(numbers, 3))
    assert next(numbers) == 3


async def test_a_file_opened_for_a_cancelled_caller_is_closed(volume, slow):
    """Its context is never entered."""
    write_files(volume, {"a.csv": b"1234"})

    async def use():
        async with slow.readers.opened("a.csv"):
            pytest.fail("the caller was cancelled")

    await cancel_while_busy(slow, use())


async def test_a_file_is_closed_when_its_user_is_cancelled(volume, readers):
    """As on every other exit; the fixture counts the files left open."""
    write_files(volume, {"a.csv": b"1234"})
    used = asyncio.Event()

    async def use():
        async with readers.opened("a.csv"):
            used.set()
            await asyncio.sleep(60)

    user = asyncio.create_task(use())
    await used.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user


@pytest.mark.parametrize(("busy", "waits"), [(True, 1), (False, 3)])
async def test_only_a_quick_volume_is_waited_for(slow, volume, monkeypatch, busy, waits):
    """Where the first batch takes long, the event loop does not wait for the next ones."""
    write_files(volume, {"a.csv": b"1"})
    waited = []

    def wait(futures, timeout):
        waited.append(timeout)
        # Whatever the machine is doing: a quick reader is given the time.
        return concurrent.futures.wait(futures, timeout if busy else 10)

    monkeypatch.setattr("asyncload.readers.wait", wait)
    with slow.kept_busy() if busy else nullcontext():
        hops = [
            asyncio.ensure_future(slow.readers.read_batch([planned("a.csv")], memoryview(b"")))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    assert all([len(await hop) == 1 for hop in hops])
    assert len(waited) == waits
    assert max(waited) <= 0.002
