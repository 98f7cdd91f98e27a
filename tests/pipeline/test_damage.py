"""Bytes that the store finds damaged: the file is read again, for the memory may be at fault."""

from __future__ import annotations

import pytest

from asyncload.errors import BodyDamaged
from tests.support.content import random_bytes
from tests.support.loads import UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("small_parts")

SIZES = {"small": 5, "large": 17 * UNIT}
DAMAGED = BodyDamaged("damaged", code="BadDigest", status=400)


class BadMemory(MemoryStore):
    """Finds the first bodies for each place damaged: their bytes in memory have changed.

    `meanwhile` is called each time.
    """

    def __init__(self, times=1, meanwhile=lambda: None):
        super().__init__()
        self._times = times
        self._meanwhile = meanwhile
        self.found = {}

    def judge(self, place, body):
        if self.found.setdefault(place, 0) < self._times:
            self.found[place] += 1
            if isinstance(body, memoryview):
                body[:1] = bytes([body[0] ^ 255])
            self._meanwhile()
            raise DAMAGED

    async def put(self, key, body, *arguments, **options):
        self.judge(key, body)
        return await super().put(key, body, *arguments, **options)

    async def upload_part(self, key, upload_id, number, body, *arguments, **options):
        self.judge((key, number), body)
        return await super().upload_part(key, upload_id, number, body, *arguments, **options)


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def content(request, volume):
    """What a file of the volume holds, a small or a large one."""
    content = random_bytes(request.param)
    write_files(volume, {"a.csv": content})
    return content


async def load(store, volume, **options):
    recorder = Recorder()
    await load_volume(store, volume, recorder, **options)
    return recorder


@pytest.mark.fault("S12")
@pytest.mark.parametrize("checksum", ["auto", "md5"])
@pytest.mark.parametrize("times", [1, 2])
async def test_damage_in_memory_is_healed_from_the_disk(volume, content, times, checksum):
    """Sent as it was, it would fail again and again."""
    store = BadMemory(times)
    recorder = await load(store, volume, checksum=checksum)
    assert recorder.statuses == {"a.csv": "uploaded"}
    assert list(store.objects.values()) == [content]


@pytest.mark.fault("S12")
async def test_damage_that_stays_fails_the_file(volume, content):
    """After it was read twice more."""
    store = BadMemory(times=100)
    recorder = await load(store, volume)
    assert recorder.outcomes["a.csv"].error is DAMAGED
    assert max(store.found.values()) == 3
    assert (store.objects, store.uploads) == ({}, {})


@pytest.mark.fault("S12")
@pytest.mark.parametrize("size", [4, 6, None])
async def test_two_versions_of_a_small_file_are_not_mixed(volume, size):
    """It lands as it is now, or fails where it is gone or has outgrown its place."""
    path = volume / "a.csv"
    path.write_bytes(b"12345")
    change = path.unlink if size is None else lambda: path.write_bytes(b"x" * size)
    store = BadMemory(meanwhile=change)
    outcome = (await load(store, volume)).outcomes["a.csv"]
    if size == 4:
        assert (outcome.size, list(store.objects.values())) == (4, [b"xxxx"])
        return
    assert store.objects == {}
    assert type(outcome.error).__name__ == ("SourceChanged" if size else "SourceUnreadable")
    assert not size or "grew to 6 bytes" in outcome.error.message


@pytest.mark.fault("S12")
async def test_a_manifest_is_sent_again_as_it_was(volume):
    """It is on no disk."""
    write_files(volume, {"a.csv": b"1"})
    store = BadMemory(times=2)
    await load(store, volume, manifest=True)
    assert len(store.objects) == 2
    assert set(store.found.values()) == {2}
