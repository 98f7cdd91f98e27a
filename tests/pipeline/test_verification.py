"""What a comparison says where the store, the volume or the manifest is not as it was."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from asyncload.aio.buffers import BufferPool
from asyncload.errors import NoSuchUpload, StoreUnavailable
from asyncload.model.values import Lock, ObjectKey
from asyncload.operations.clean import find_leftovers
from asyncload.operations.comparison import Comparison, compare_manifest, compare_volume
from asyncload.operations.lock_check import wanted_lock
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


async def compare(store, folder, between=lambda: None, lock=None):
    """Compare a volume with a store; `between` runs after the plan is made."""
    plan = LoadPlan(layout_of(Settings(volume=folder, bucket="lake"), NOW), put_limit=16 * MIB)
    add_found(plan, Scanner(folder).scan(), lambda event: None)
    between()
    with Volume(folder) as volume, ThreadPoolExecutor(2) as threads:
        readers = Readers(volume, threads)
        result = Verification()
        comparison = Comparison(store, TransferPolicy(), 4, result.observe, lock)
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


LOCKED = {"lock_mode": "governance", "lock_until": "90d"}
"""On 2022-05-02, until the end of 2022-07-31."""
NO_LOCK = "the store names no lock: there is none, or s3:GetObjectRetention is not permitted"


async def against_record(store, options=None, **changed):
    """Compare a store with the manifest in it; `changed` are settings in the manifest."""
    (key,) = (key for key in store.objects if key.startswith("_asyncload/2"))
    head, lines, rest = store.objects[key].partition(b',"files":[')
    run = json.loads(head + b"}")
    run["run"]["settings"] |= changed
    store.objects[key] = json.dumps(run)[:-1].encode() + lines + rest
    settings = Settings(volume="/", bucket="lake", **(options or {}))
    result = Verification()
    comparison = Comparison(store, TransferPolicy(), 4, result.observe, wanted_lock(settings))
    await compare_manifest(ObjectKey(key), comparison)
    warned = [warning.message for warning in result.warnings]
    return result, {found.path: (found.kind, found.detail) for found in result.differences}, warned


@pytest.fixture
async def locked(volume):
    """Three files whose objects were locked for 90 days on 2022-05-02, and the store."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = MemoryStore()
    store.locks = True
    await load_volume(store, volume, manifest=True, **LOCKED)
    return store


def relock(store, name, lock):
    key = f"{FOLDER}/{name}"
    store.infos[key] = store.infos[key]._replace(lock=lock)


async def test_objects_are_locked_as_the_record_of_their_run_says(locked):
    """Those that are not, are for a shorter time, or in a weaker mode are named; not others."""
    result, told, _ = await against_record(locked)
    assert (told, result.locked, result.exit_code) == ({}, 3, 0)
    until = datetime(2022, 8, 1, tzinfo=UTC)
    relock(locked, "0.csv", None)
    relock(locked, "1.csv", Lock("GOVERNANCE", until - timedelta(seconds=1)))
    relock(locked, "2.csv", Lock("COMPLIANCE", until + timedelta(days=1)))
    result, told, _ = await against_record(locked)
    wanted = "locked until 2022-08-01T00:00:00Z (governance)"
    assert told == {
        "d/0.csv": ("unlocked", f"the object should be {wanted}, but {NO_LOCK}"),
        "d/1.csv": (
            "weak lock",
            "the object is locked until 2022-07-31T23:59:59Z (governance), and should be " + wanted,
        ),
    }
    # Their bytes match.
    assert (result.verified, result.locked, result.exit_code) == (3, 1, 3)
    relock(locked, "2.csv", Lock("GOVERNANCE", until + timedelta(days=1)))
    _, told, _ = await against_record(locked, lock_mode="COMPLIANCE")
    assert told["d/2.csv"][0] == "weak lock"
    _, told, _ = await against_record(locked, lock_mode=None, lock_until=None)
    assert told == {}


async def test_a_lock_that_options_name_comes_before_that_of_the_record(locked):
    """Its end is a time, or a duration from the run that wrote the object, not from now."""
    later = {"lock_mode": "governance", "lock_until": "2022-08-02"}
    result, told, _ = await against_record(locked, later)
    assert ({kind for kind, _ in told.values()}, result.locked) == ({"weak lock"}, 0)
    result, told, _ = await against_record(locked, LOCKED, lock_mode=None, lock_until=None)
    assert (told, result.locked) == ({}, 3)
    # In New York its last day ends later.
    _, told, _ = await against_record(locked, LOCKED | {"timezone": "America/New_York"})
    assert len(told) == 3


async def test_of_an_object_of_unknown_age_a_duration_is_not_compared(locked):
    """Its lock may have any end, but there must be one."""
    for name in range(3):
        key = f"{FOLDER}/{name}.csv"
        locked.infos[key] = locked.infos[key]._replace(metadata={})
    relock(locked, "0.csv", Lock("GOVERNANCE", datetime(2022, 5, 3, tzinfo=UTC)))
    relock(locked, "1.csv", None)
    result, told, _ = await against_record(locked)
    assert told["d/1.csv"][1].startswith("the object should be locked (governance), but the store")
    assert (set(told), result.locked) == ({"d/1.csv"}, 2)


@pytest.mark.parametrize(
    "changed",
    [{"lock_until": "one day"}, {"lock_mode": "strict"}, {"timezone": "Mars/Here"}],
    ids=lambda changed: next(iter(changed)),
)
async def test_a_lock_that_is_not_known_is_not_compared(locked, changed):
    """A warning says so; files are."""
    result, told, warned = await against_record(locked, **changed)
    assert (told, result.verified, result.locked) == ({}, 3, 0)
    assert len(warned) == 1
    assert warned[0].startswith("locks were not compared: the record of the run has one that is")


async def test_locks_are_compared_with_those_of_the_options_for_a_volume(locked, volume):
    """An object of a file that can't be read has one, too; of a missing one there is none."""
    relock(locked, "0.csv", None)
    del locked.objects[f"{FOLDER}/1.csv"]
    lock = wanted_lock(Settings(volume=volume, bucket="lake", **LOCKED))
    result, told = await compare(locked, volume, (volume / "d/2.csv").unlink, lock)
    assert {path: kind for path, (kind, _) in told.items()} == {
        "d/0.csv": "unlocked",
        "d/1.csv": "missing",
        "d/2.csv": "unreadable",
    }
    assert (result.verified, result.locked) == (1, 0)


async def test_a_file_that_failed_in_the_run_has_no_lock_of_it(volume):
    """The object is that of another program."""
    write_files(volume, {"d/0.csv": b"1"})
    store = MemoryStore()
    store.locks = True
    store.objects[f"{FOLDER}/0.csv"] = b"2"
    await load_volume(store, volume, manifest=True, **LOCKED)
    _, told, _ = await against_record(store)
    assert told["d/0.csv"][0] == "unverified"
