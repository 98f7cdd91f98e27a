"""The volume from the event loop: calls in reader threads that are always waited for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest

from asyncload.errors import SourceChanged, SourceStalled, SourceUnreadable, TooManyOpenFiles
from asyncload.model.checksums import crc64nvme
from asyncload.model.values import ObjectKey, PlannedUpload, SourceFile
from asyncload.source.batches import LoadedFile
from asyncload.source.offload import Offload
from asyncload.source.readers import DecodingMemory, Readers
from asyncload.source.threads import ReaderThreads
from asyncload.source.volume import Volume
from tests.support.loads import write_files

pytestmark = pytest.mark.usefixtures("no_file_left_open")


class SlowReaders:
    """Readers with one thread, and a way to keep it busy."""

    def __init__(self, volume, executor):
        self.readers = Readers(volume, executor)
        self.volume = volume
        self.executor = executor

    @contextmanager
    def kept_busy(self):
        """Nothing is read until the context is left."""
        free = threading.Event()
        self.executor.submit(free.wait)
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


async def cancel_while_busy(slow, call):
    """Cancel a call that is under way, and check that it is awaited; return its task."""
    with slow.kept_busy():
        task = asyncio.ensure_future(call)
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
    read = await readers.read_batch([planned("a.csv"), planned("b.csv")], memoryview(bytearray(10)))
    assert [bytes(item.body) for item in read.items] == [b"1", b"22"]
    assert (read.others, read.stuck) == ((), False)


async def test_a_large_file_is_read_in_parts(volume, readers):
    """Opened once, with its state; closed at the end."""
    content = os.urandom(100)
    write_files(volume, {"a.csv": content})
    md5, buffer = hashlib.md5(), bytearray(50)
    async with readers.opened(SourceFile("a.csv", 0)) as (file, state):
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
        async with readers.opened(SourceFile("gone.csv", 0)):
            pass
    async with readers.opened(SourceFile("a.csv", 0)) as (file, state):
        (volume / "a.csv").unlink()
        with pytest.raises(SourceChanged):
            await readers.check_in_place(file, state)


async def test_a_blocking_iterator_is_read_in_slices(readers):
    """Fewer only at its end, none after it."""
    scan = readers.scan(lambda tell: iter(range(5)))
    assert [await readers.take(scan, 3) for _ in range(3)] == [[0, 1, 2], [3, 4], []]


async def test_a_cancelled_read_is_waited_for(volume, slow):
    """Its buffer must not find a new user while the thread writes into it."""
    write_files(volume, {"a.csv": b"1234"})
    batch, part = bytearray(4), bytearray(4)
    await cancel_while_busy(slow, slow.readers.read_batch([planned("a.csv")], memoryview(batch)))
    async with slow.readers.opened(SourceFile("a.csv", 0)) as (file, state):
        await cancel_while_busy(slow, slow.readers.read_part(file, memoryview(part), 0, state))
        await cancel_while_busy(slow, slow.readers.check_in_place(file, state))
    assert batch == part == b"1234"


async def test_a_cancelled_slice_is_waited_for(slow):
    """Closing the iterator stops it."""
    scan = slow.readers.scan(lambda tell: iter(range(5)))
    await cancel_while_busy(slow, slow.readers.take(scan, 3))
    assert next(scan.items) == 3


async def test_a_file_opened_for_a_cancelled_caller_is_closed(volume, slow):
    """Its context is never entered."""
    write_files(volume, {"a.csv": b"1234"})

    async def use():
        async with slow.readers.opened(SourceFile("a.csv", 0)):
            pytest.fail("the caller was cancelled")

    await cancel_while_busy(slow, use())


async def test_a_file_is_closed_when_its_user_is_cancelled(volume, readers):
    """As on every other exit; the fixture counts the files left open."""
    write_files(volume, {"a.csv": b"1234"})
    used = asyncio.Event()

    async def use():
        async with readers.opened(SourceFile("a.csv", 0)):
            used.set()
            await asyncio.sleep(60)

    user = asyncio.create_task(use())
    await used.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user


@pytest.mark.parametrize(("busy", "waits"), [(True, 1), (False, 3)])
async def test_only_a_quick_volume_is_waited_for(slow, volume, monkeypatch, busy, waits):
    """If the first batch takes long, the event loop does not wait for the next ones."""
    write_files(volume, {"a.csv": b"1"})
    waited = []

    def wait(futures, timeout):
        waited.append(timeout)
        # A quick reader is given enough time on a busy machine.
        return concurrent.futures.wait(futures, timeout if busy else 10)

    monkeypatch.setattr("asyncload.source.readers.wait", wait)
    with slow.kept_busy() if busy else nullcontext():
        calls = [
            asyncio.ensure_future(slow.readers.read_batch([planned("a.csv")], memoryview(b"")))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    assert all([len((await call).items) == 1 for call in calls])
    assert len(waited) == waits
    assert max(waited) <= 0.002


@pytest.fixture
def stuck_reads(volume, monkeypatch, threads):
    """Reads of the files named in it come back when `go_on` is set."""
    read, go_on, names = os.preadv, threading.Event(), set()

    def preadv(fd, buffers, offset, *flags):
        if any(os.path.samestat(os.fstat(fd), (volume / name).stat()) for name in names):
            go_on.wait(20)
        return read(fd, buffers, offset, *flags)

    monkeypatch.setattr(os, "preadv", preadv)
    yield names, go_on
    go_on.set()


@pytest.fixture
def threads():
    """Two threads, of which one may be stuck. Waits for it at the end."""
    before = set(threading.enumerate())
    with ReaderThreads(2) as threads:
        yield threads
    for thread in set(threading.enumerate()) - before:
        thread.join(10)


@pytest.fixture
def hasty(volume, threads):
    """Readers that give up what does not get on for a moment."""
    with Volume(volume) as opened:
        yield Readers(opened, threads, patience=0.1)


@pytest.mark.fault("L9")
async def test_of_a_batch_only_the_file_that_stalls_fails(volume, stuck_reads, hasty, threads):
    """Those before it are there; those after it are left, for another buffer."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(4)})
    names, go_on = stuck_reads
    names.add("1.csv")
    uploads, buffer = [planned(f"{n}.csv") for n in range(4)], bytearray(4)
    read = await hasty.read_batch(uploads, memoryview(buffer))
    first, stalled = read.items
    assert bytes(first.body) == b"0"
    assert (stalled.upload, type(stalled.error)) == (uploads[1], SourceStalled)
    assert "no answer" in stalled.error.message
    assert "mount" in stalled.error.hint
    assert (read.others, read.stuck) == (uploads[2:], True)
    again = await hasty.read_batch(read.others, memoryview(bytearray(2)))
    assert [bytes(item.body) for item in again.items] == [b"2", b"3"]
    go_on.set()
    while threads.stuck:
        await asyncio.sleep(0.01)
    assert bytes(first.body) == b"0"
    # What was stuck has read its file, and no other one.
    assert buffer == b"01\0\0"
    assert len(read.items) == 2


@pytest.mark.fault("L9")
async def test_a_part_that_stalls_is_given_up_and_its_thread_leaves_the_file_alone(
    volume, stuck_reads, hasty
):
    """Once it comes back it must not read on: by then the file's number may be another's."""
    write_files(volume, {"a.csv": b"1" * 300_000})
    names, go_on = stuck_reads
    names.add("a.csv")
    buffer = bytearray(300_000)
    async with hasty.opened(SourceFile("a.csv", 0)) as (file, state):
        with pytest.raises(SourceStalled):
            await hasty.read_part(file, memoryview(buffer), 0, state)
    go_on.set()
    await asyncio.sleep(0.05)
    assert not buffer[256 * 1024 :].strip(b"\0")


@pytest.mark.fault("L9")
async def test_a_read_that_takes_long_but_gets_on_is_waited_for(volume, threads, monkeypatch):
    """What counts is that something comes, as on a slow network."""
    write_files(volume, {"a.csv": b"1234"})
    read = os.preadv

    def preadv(fd, buffers, offset, *flags):
        time.sleep(0.3)
        return read(fd, [buffers[0][:1]], offset, *flags)

    monkeypatch.setattr(os, "preadv", preadv)
    with Volume(volume) as opened:
        readers = Readers(opened, threads, patience=1)
        read_batch = await readers.read_batch([planned("a.csv")], memoryview(bytearray(4)))
    assert bytes(read_batch.items[0].body) == b"1234"


@pytest.mark.fault("L9")
async def test_a_file_whose_opening_stalls_is_closed_once_it_opens(volume, threads, monkeypatch):
    """No other code would."""
    write_files(volume, {"a.csv": b"1"})
    opened, go_on = os.open, threading.Event()

    def stuck(path, *arguments, **options):
        fd = opened(path, *arguments, **options)
        if path == b"a.csv":
            go_on.wait(20)
        return fd

    monkeypatch.setattr(os, "open", stuck)
    with Volume(volume) as root:
        with pytest.raises(SourceStalled):
            async with Readers(root, threads, patience=0.1).opened(SourceFile("a.csv", 0)):
                pass
        go_on.set()
        while threads.stuck:
            await asyncio.sleep(0.01)


@pytest.mark.fault("L9")
async def test_a_scan_that_stalls_says_where(hasty):
    """The scan can't be continued: the run ends."""
    go_on = threading.Event()

    def scan(tell):
        yield 1
        tell("dead/mount")
        go_on.wait(20)
        yield 2

    found = hasty.scan(scan)
    assert await hasty.take(found, 1) == [1]
    with pytest.raises(SourceStalled, match="can't be scanned, at 'dead/mount': "):
        await hasty.take(found, 1)
    go_on.set()


@pytest.mark.fault("L9")
async def test_a_call_that_waits_for_a_thread_is_not_given_up(volume, stuck_reads, hasty):
    """Time counts from when a thread takes the work up; those that are stuck are replaced."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(6)})
    names, _ = stuck_reads
    names.update({"0.csv", "1.csv"})
    calls = [
        asyncio.ensure_future(hasty.read_batch([planned(f"{n}.csv")], memoryview(bytearray(1))))
        for n in range(6)
    ]
    items = [(await call).items[0] for call in calls]
    assert [isinstance(item, LoadedFile) for item in items] == [False] * 2 + [True] * 4


@pytest.mark.fault("L9")
async def test_with_as_many_stuck_as_there_are_threads_no_more_is_tried(
    volume, stuck_reads, threads
):
    """A dead mount of a million files must not make a million threads; when it is back, all is."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(4)})
    names, go_on = stuck_reads
    names.update({"0.csv", "1.csv", "2.csv"})
    with Volume(volume) as opened:
        readers = Readers(opened, threads, patience=0.1)

        async def read(n):
            return (await readers.read_batch([planned(f"{n}.csv")], memoryview(bytearray(1))))[0]

        for n in (0, 1):
            assert "no answer" in (await read(n))[0].error.message
        assert "still stuck" in (await read(2))[0].error.message
        go_on.set()
        while threads.exhausted:
            await asyncio.sleep(0.01)
        assert bytes((await read(3))[0].body) == b"1"


@pytest.mark.fault("P1")
@pytest.mark.parametrize("own_threads", [True, False])
async def test_a_cancelled_read_that_is_stuck_is_waited_for_a_while_only(
    volume, stuck_reads, threads, monkeypatch, own_threads
):
    """A signal must end the run although the mount is dead."""
    monkeypatch.setattr("asyncload.source.offload._CANCELLED_SECONDS", 0.1)
    write_files(volume, {"a.csv": b"1"})
    names, go_on = stuck_reads
    names.add("a.csv")
    with Volume(volume) as opened, ThreadPoolExecutor(1) as others:
        readers = Readers(opened, threads if own_threads else others, patience=60)
        reading = readers.read_batch([planned("a.csv")], memoryview(bytearray(1)))
        task = asyncio.ensure_future(reading)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()


@pytest.mark.fault("P1")
async def test_a_cancelled_read_whose_turn_never_came_is_never_done(volume, threads):
    """Its buffer may be used for something else by then."""
    busy = threading.Event()
    offload = Offload(threads)
    done = []
    waiting = [asyncio.ensure_future(offload.run(busy.wait, 20)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asyncload.source.offload._CANCELLED_SECONDS", 0.05)
        late = asyncio.ensure_future(offload.run(done.append, 1))
        await asyncio.sleep(0.01)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
    busy.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await offload.run(len, done) == 0


@pytest.fixture
def exhausted(monkeypatch):
    """Opening files fails, with `error`, as often as it says."""
    opened, state = os.open, {"times": 0, "error": errno.EMFILE, "tries": 0}

    def open_(path, *arguments, **options):
        if os.fsdecode(path).endswith(".csv"):
            state["tries"] += 1
            if state["times"] > 0:
                state["times"] -= 1
                raise OSError(state["error"], os.strerror(state["error"]))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_)
    return state


@pytest.mark.fault("L8")
async def test_a_batch_that_makes_progress_is_continued(volume, slow, exhausted, monkeypatch):
    """Each file can be opened at the third try only: none fails, for nothing is stuck."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(10)})
    exhausted["times"] = 2
    counted = Volume._load

    def load(*arguments):
        item = counted(*arguments)
        exhausted["times"] = 2
        return item

    monkeypatch.setattr(Volume, "_load", load)
    readers = Readers(slow.volume, slow.executor, descriptor_wait=0.1)
    uploads = [planned(f"{n}.csv") for n in range(10)]
    read = await readers.read_batch(uploads, memoryview(bytearray(10)))
    assert [bytes(item.body) for item in read.items] == [b"1"] * 10
    assert exhausted["tries"] == 30


@pytest.mark.fault("L8")
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
async def test_opening_is_retried_while_too_many_files_are_open(volume, readers, exhausted, error):
    """Small files, large ones, and the last look at a large one's path."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    exhausted.update(times=3, error=error)
    uploads = [planned("a.csv"), planned("b.csv")]
    read = await readers.read_batch(uploads, memoryview(bytearray(2)))
    assert [bytes(item.body) for item in read.items] == [b"1", b"2"]
    exhausted["times"] = 3
    async with readers.opened(SourceFile("a.csv", 0)) as (file, state):
        exhausted["times"] = 3
        await readers.check_in_place(file, state)
    assert (exhausted["times"], exhausted["tries"]) == (0, 5 + 4 + 4)


@pytest.mark.fault("L8")
async def test_if_nothing_can_be_opened_for_long_files_fail(volume, slow, exhausted):
    """Bounded for all of them together: the second one is not waited for as long again."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    exhausted["times"] = 1000
    readers = Readers(slow.volume, slow.executor, descriptor_wait=0.05)
    uploads = [planned("a.csv"), planned("b.csv")]
    read = await readers.read_batch(uploads, memoryview(bytearray(2)))
    assert [item.upload for item in read.items] == uploads
    assert all("Too many open files" in item.error.message for item in read.items)
    assert all("ulimit -n" in item.error.hint for item in read.items)
    tries = exhausted["tries"]
    assert 2 <= tries < 20
    with pytest.raises(TooManyOpenFiles):
        async with readers.opened(SourceFile("a.csv", 0)):
            pass
    assert exhausted["tries"] == tries + 1
    exhausted["times"] = 0
    async with readers.opened(SourceFile("a.csv", 0)) as (_, state):
        assert state.size == 1


async def test_readers_of_several_volumes_share_the_memory_for_members(slow):
    """It is limited for the process."""
    memory = DecodingMemory.of_process()
    several = [Readers(slow.volume, slow.executor, decoding=memory) for _ in range(2)]
    async with memory.for_large.hold(5), memory.for_small.hold(2):
        assert [each.decoding_memory for each in several] == [7, 7]
    assert slow.readers.decoding_memory == 0
