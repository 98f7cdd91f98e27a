"""Reads that never come back: the memory that they hold is not waited for, nor used again."""

from __future__ import annotations

import pytest

from asyncload.aio.buffers import BufferPool
from asyncload.planning.plan import MIB
from tests.support.loads import Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore


@pytest.fixture
def pools(monkeypatch):
    """The pools of buffers that loads make."""
    made = []

    def make(capacity, **options):
        made.append(BufferPool(capacity, **options))
        return made[-1]

    monkeypatch.setattr("asyncload.operations.tools.BufferPool", make)
    return made


SIZES = {"small": 5, "large": 17 * MIB}


@pytest.mark.fault("L9")
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("there", [False, True], ids=["sent", "compared"])
async def test_more_stalls_than_memory_hold_nothing_up(volume, stalling, pools, size, there):
    """Each takes its buffers with it, and leaves their allowance to the next file."""
    names = [f"{n}.csv" for n in range(5)]
    write_files(volume, {name: name.encode() * (size // 5) for name in names})
    store = MemoryStore()
    if there:
        await load_volume(store, volume)
    stalling.update(volume / name for name in names[:4])
    recorder = Recorder()
    await load_volume(store, volume, recorder, memory=16 * MIB, concurrency=1)
    last = "unchanged" if there else "uploaded"
    assert recorder.statuses == dict.fromkeys(names[:4], "failed") | {names[4]: last}
    assert {type(recorder.outcomes[name].error).__name__ for name in names[:4]} == {"SourceStalled"}
    assert store.uploads == {}
    assert pools[-1].in_use == 0
