"""What a comparison says where the store, the volume or the manifest is not as it was."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from asyncload.aio.buffers import BufferPool
from asyncload.errors import NoSuchUpload, StoreUnavailable
from asyncload.model.values import ObjectKey
from asyncload.operations.clean import find_leftovers
from asyncload.operations.comparison import Comparison, compare_manifest, compare_volume
from asyncload.planning.collecting import add_found
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.reporting.verification import Verification
from asyncload.settings.run import Settings, layout_of
from asyncload.source.readers import Readers
from asyncload.source.scanner import Scanner
from asyncload.source.volume import Volume
from asyncload.store.protocol import Page, RemoteObject
from asyncload.transfer import TransferPolicy
from tests.support.loads import NOW, PREFIX, load_volume, write_files
from tests.support.memory_store import MemoryStore

FOLDER = f"{PREFIX}/D/2022/05/02"


async def compare(store, folder, between=lambda: None):
    """Compare a volume with a store; `between` runs after the plan is made."""
    plan = LoadPlan(layout_of(Settings(volume=folder, bucket="lake"), NOW), put_limit=16 * MIB)
    add_found(plan, Scanner(folder).scan(), lambda event: None)
    between()
    with Volume(folder) as volume, ThreadPoolExecutor(2) as threads:
        readers = Readers(volume, threads)
        result = Verification()
        comparison = Comparison(store, TransferPolicy(), 4, result.observe)
        await compare_volume(plan, comparison, readers, BufferPool(16 * MIB))
    return result, {found.path: (found.kind, found.detail) for found in result.differences}


@pytest.fixture
async def loaded(volume):
    """Three files, and the store they were loaded into."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = MemoryStore()
    await load_volume(store, volume)
    return store


async def test_an_object_that_vanishes_meanwhile_is_missing(loaded, volume):
    """It was listed, and then it was gone."""

    class Vanishing(MemoryStore):
        async def head(self, key):
            return None if key.endswith("0.csv") else await super().head(key)

    store = Vanishing()
    store.objects = loaded.objects
    _, told = await compare(store, volume)
    assert told == {"d/0.csv": ("missing", "the object does not exist")}


async def test_a_file_that_vanishes_meanwhile_is_unreadable(loaded, volume):
    """It can't be compared, and is told as what it is."""
    result, told = await compare(loaded, volume, (volume / "d/0.csv").unlink)
    assert told["d/0.csv"][0] == "unreadable"
    assert result.verified_by == Counter({"CRC64NVME": 2})


async def test_an_object_without_any_checksum_can_not_be_compared(loaded, volume):
    """Equal sizes prove nothing."""

    class Silent(MemoryStore):
        async def head(self, key):
            return RemoteObject((await super().head(key)).size)

    store = Silent()
    store.objects = loaded.objects
    result, told = await compare(store, volume)
    assert not result.matches
    assert told["d/0.csv"] == (
        "unverified",
        "the object can't be compared: the store has no checksum of it",
    )


async def test_a_store_that_is_gone_ends_the_comparison(loaded, volume):
    """Nothing can be said of the rest."""

    class Gone(MemoryStore):
        async def head(self, key):
            raise StoreUnavailable("gone")

    store = Gone()
    store.objects = loaded.objects
    with pytest.raises(StoreUnavailable):
        await compare(store, volume)


async def test_a_long_manifest_is_read_and_compared_in_pieces(volume, monkeypatch):
    """Neither its lines nor its bytes come at once; empty lines are nothing."""
    monkeypatch.setattr("asyncload.operations.comparison._BATCH", 7)
    monkeypatch.setattr("asyncload.reporting.manifest_reading._READ", 100)
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(50)})
    store = MemoryStore()
    report = await load_volume(store, volume, manifest=True)
    key = ObjectKey(report.manifest)
    store.objects[key] = store.objects[key].rstrip(b"\n").replace(b'"files":[\n', b'"files":[\n\n')
    result = Verification()
    comparison = Comparison(store, TransferPolicy(), 4, result.observe)
    await compare_manifest(key, comparison)
    assert result.verified_by == Counter({"CRC64NVME": 50})
    del store.objects[f"{FOLDER}/7.csv"]
    await compare_manifest(key, comparison)
    assert [found.path for found in result.differences] == ["d/7.csv"]


async def test_left_overs_are_those_without_a_new_part():
    """One with a recent part, or that is gone by now, does not count."""
    young = datetime.now(UTC)

    class Lake(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            page = await super().list_parts(key, upload_id, after)
            if key.endswith("gone.csv"):
                raise NoSuchUpload("gone")
            return page

    store = Lake(min_part=1)
    for name in ("old", "busy", "gone", "new"):
        key = ObjectKey(f"{PREFIX}/{name}.csv")
        upload_id = await store.create_multipart(key)
        if name != "new":
            store.uploads[upload_id].initiated = young - timedelta(days=3)
    listed = store.list_parts

    async def list_parts(key, upload_id, after=None):
        page = await listed(key, upload_id, after)
        if key.endswith("busy.csv"):
            from asyncload.store.protocol import StoredPart

            return Page([StoredPart(1, 5, '"e"', None, young)], None)
        return page

    store.list_parts = list_parts
    finding = find_leftovers(store, f"{PREFIX}/", 86_400, young)
    found = [leftover async for leftover in finding]
    assert [leftover.upload.key for leftover in found] == [f"{PREFIX}/old.csv"]
    await asyncio.sleep(0)
