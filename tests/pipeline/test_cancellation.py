"""A load that is cancelled: before, during and after the first part, nothing stays open."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from asyncload.aio.shielding import Grace
from asyncload.planning.plan import MIB
from tests.support.content import random_bytes
from tests.support.loads import load_volume, write_files
from tests.support.memory_store import MemoryStore

STEPS = ["check_bucket", "put", "head", "create_multipart", "upload_part", "complete_multipart"]


class Gate(MemoryStore):
    """Stops at the `nth` call of a kind until let go."""

    def __init__(self, call, nth=1):
        super().__init__()
        self._call, self._nth = call, nth
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def _answer(self, call, body=b""):
        ordinal = self.calls[call] + 1
        await super()._answer(call, body)
        if (call, ordinal) == (self._call, self._nth):
            self.reached.set()
            await self.open.wait()


class SlowToAnswer(MemoryStore):
    """Opens an upload at once, and answers late: its caller may have been cancelled."""

    def __init__(self):
        super().__init__()
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def create_multipart(self, key, **options):
        upload_id = await super().create_multipart(key, **options)
        self.reached.set()
        await self.open.wait()
        return upload_id


@pytest.fixture
def mixed(volume):
    """A small file and a large one of three parts."""
    write_files(volume, {"s.csv": b"1", "l.csv": random_bytes(20 * MIB)})
    return volume


async def cancel_at_gate(store, volume, **options):
    """Cancel a load when it reaches the gate; no task survives it."""
    before = asyncio.all_tasks()
    task = asyncio.get_running_loop().create_task(load_volume(store, volume, **options))
    await store.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    store.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_at_any_step_nothing_stays_open(mixed, step):
    """No multipart upload, no task, no half object."""
    store = Gate(step)
    await cancel_at_gate(store, mixed)
    assert store.uploads == {}
    assert all(len(body) in (1, 20 * MIB) for body in store.objects.values())


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_cancelled_at_any_part_nothing_stays_open(mixed, nth):
    """Before, during and after the first part."""
    store = Gate("upload_part", nth)
    await cancel_at_gate(store, mixed, concurrency=2)
    assert store.uploads == {}
    assert not any(len(body) > 1 for body in store.objects.values())


async def test_cancelled_while_a_part_waits_for_memory_its_place_is_given_back(mixed, monkeypatch):
    """The file's other parts, and other files, share the places."""
    from asyncload.operations import tools
    from asyncload.transfer import PartWindow

    windows = []

    def make_window(most):
        windows.append(PartWindow(most))
        return windows[0]

    monkeypatch.setattr(tools, "PartWindow", make_window)

    class HoldsMemory(Gate):
        async def _answer(self, call, body=b""):
            await super()._answer(call, body)
            if call == "upload_part":
                await self.open.wait()

    write_files(mixed, {"s.csv": b"", "l.csv": random_bytes(40 * MIB)})
    # Two parts have all the memory there is; the third has a place, and waits.
    store = HoldsMemory("upload_part", 2)
    await cancel_at_gate(store, mixed, memory=16 * MIB, concurrency=8)
    assert store.uploads == {}
    for _ in range(windows[0].size):
        await asyncio.wait_for(windows[0].enter(), 60)


async def test_cancelled_while_the_upload_is_being_opened_it_is_aborted(mixed):
    """The upload id comes after the cancellation, and is not lost."""
    store = SlowToAnswer()
    await cancel_at_gate(store, mixed)
    assert store.calls["abort_multipart"] == 1
    assert store.uploads == {}


async def test_an_abort_that_hangs_does_not_hold_the_end_up(mixed, monkeypatch):
    """After its grace the run ends, and the upload is told to be left open."""
    from asyncload.operations import running
    from asyncload.transfer import TransferPolicy

    short = partial(TransferPolicy, grace=Grace(0.05, minimum=0))
    monkeypatch.setattr(running, "TransferPolicy", short)

    class Hangs(Gate):
        async def abort_multipart(self, key, upload_id):
            await asyncio.Event().wait()

    store = Hangs("upload_part")
    async with asyncio.timeout(30):
        await cancel_at_gate(store, mixed)
    assert list(store.uploads) == ["upload-1"]


async def test_cancelled_during_the_scan_nothing_is_sent(volume, monkeypatch):
    """A long scan can be interrupted."""
    from asyncload.source.readers import Readers

    write_files(volume, {f"{n}.csv": b"1" for n in range(50)})
    scanning = asyncio.Event()
    take = Readers.take

    async def take_and_tell(self, items, count, **options):
        scanning.set()
        await asyncio.sleep(0.01)
        return await take(self, items, 1, **options)

    monkeypatch.setattr(Readers, "take", take_and_tell)
    store = MemoryStore()
    task = asyncio.get_running_loop().create_task(load_volume(store, volume))
    await scanning.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.calls["put"] == 0
