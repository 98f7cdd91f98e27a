"""Volumes of many partitions of few files: the requests of a run, for any content of the bucket."""

from __future__ import annotations

import asyncio
import shutil
from bisect import bisect_right
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.bucket.key_index import UNKNOWN
from asyncload.bucket.listing import Portions, list_existing
from asyncload.errors import AccessDenied
from asyncload.model.values import SourceFile
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan
from asyncload.store.protocol import ListedObject, Page
from tests.support.loads import PREFIX, load_volume, write_files
from tests.support.memory_store import MemoryStore

DAY = "2022/05/02"
FILES = 2_500
LAYOUT = KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2))


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Many files in one folder: no test changes them."""
    volume = tmp_path_factory.mktemp("flat")
    write_files(volume, {f"export_{n:05}.csv": b"%d\n" % n for n in range(FILES)})
    yield volume
    shutil.rmtree(volume)


class SortedStore(MemoryStore):
    """Lists a zone that has a history, of which the keys are sorted once."""

    def __init__(self, history=()):
        super().__init__()
        self.history = sorted(history)
        self.listed = 0

    async def list_objects(self, prefix, after=None, *, start_after="", max_keys=0):
        page = await super().list_objects(prefix, after, start_after=start_after, max_keys=max_keys)
        start, most = after or start_after, max_keys or 1000
        at = bisect_right(self.history, start)
        earlier = self.history[at : at + most + 1]
        keys = sorted([*earlier, *(item.key for item in page.items)])
        ours = {item.key: item for item in page.items}
        if page.next is not None:
            keys = [key for key in keys if key <= page.items[-1].key]
        items = [ours.get(key) or ListedObject(key, 1, '"e"') for key in keys[:most]]
        self.listed += len(items)
        more = len(keys) > most or page.next is not None
        return Page(items, items[-1].key if more else None)


def days(count):
    return [f"{date(2022, 5, 2) - timedelta(day):%Y/%m/%d}" for day in range(1, count + 1)]


def history(datasets, count):
    return [f"{PREFIX}/{d}/{day}/{d.lower()}.csv" for d in datasets for day in days(count)]


def exports(numbers):
    return [f"Export_{n:05}" for n in numbers]


async def calls_of(store, volume, **options):
    calls, sent = store.calls.copy(), store.body_bytes
    report = await load_volume(store, volume, **options)
    assert report.exit_code == 0
    calls = store.calls - calls
    del calls["check_bucket"]
    return calls, store.body_bytes - sent


async def test_an_empty_zone_costs_one_listing(flat):
    """And one put for each file: no partition is asked about by itself."""
    calls, _ = await calls_of(MemoryStore(), flat)
    assert calls == {"list_objects": 1, "put": FILES}


async def test_a_zone_that_was_loaded_costs_a_page_for_a_thousand_files(flat):
    """No file is asked about, and no byte is sent."""
    store = MemoryStore()
    await calls_of(store, flat)
    calls, sent = await calls_of(store, flat)
    assert (calls, sent) == ({"list_objects": 3}, 0)


async def test_other_datasets_in_between_are_passed(volume):
    """What is planned is sought: a foreign dataset of any size costs a page, and no more."""
    write_files(volume, {f"{name}.csv": b"1" for name in "abcdefgh"})
    foreign = [f"{PREFIX}/Between/{n:05}.csv" for n in range(5_000)]
    store = SortedStore(foreign)
    calls, _ = await calls_of(store, volume)
    assert calls["list_objects"] <= 2
    assert calls["list_objects"] + calls["head"] <= 8


async def test_a_long_history_is_not_listed(flat):
    """400 days of each dataset: pages stop, and the rest is asked for key by key."""
    store = SortedStore(history(exports(range(FILES)), 40))
    calls, _ = await calls_of(store, flat)
    assert calls["put"] == FILES
    assert calls["head"] <= FILES
    assert calls["list_objects"] <= FILES / 100
    assert store.listed <= 2_000
    calls, sent = await calls_of(store, flat)
    assert sent == 0
    assert calls["list_objects"] <= FILES / 100
    assert calls["head"] <= FILES


async def test_a_short_history_is_listed(flat):
    """Three days of each dataset: four keys for each file are cheaper than a HEAD."""
    store = SortedStore(history(exports(range(FILES)), 3))
    calls, _ = await calls_of(store, flat)
    assert calls["list_objects"] <= FILES / 1000 * 4 + 3
    assert calls["head"] <= 3


async def test_a_history_of_some_datasets_costs_heads_for_these_only(flat):
    """It is decided span by span, so pages continue as long as they pay."""
    store = SortedStore(history(exports(range(800)), 40))
    calls, _ = await calls_of(store, flat)
    assert calls["list_objects"] <= FILES / 100
    assert 700 <= calls["head"] <= 1_000


async def test_many_folders_of_few_files_share_pages(volume):
    """300 folders of five files: a listing of each would cost 300 requests."""
    write_files(volume, {f"d{n:03}/{i}.csv": b"1" for n in range(300) for i in range(5)})
    store = MemoryStore()
    calls, _ = await calls_of(store, volume)
    assert calls == {"list_objects": 1, "put": 1_500}
    calls, sent = await calls_of(store, volume)
    assert (calls, sent) == ({"list_objects": 2}, 0)


async def test_folders_with_a_history_are_listed_each(volume):
    """As it pays: one request tells of five files, and lists no other day."""
    write_files(volume, {f"d{n:03}/{i}.csv": b"1" for n in range(200) for i in range(5)})
    earlier = [
        f"{PREFIX}/D{n:03}/{day}/{i}.csv" for n in range(200) for day in days(40) for i in range(5)
    ]

    class Prefixed(SortedStore):
        async def list_objects(self, prefix, after=None, **where):
            if prefix.endswith(f"{DAY}/"):
                return await MemoryStore.list_objects(self, prefix, after, **where)
            return await super().list_objects(prefix, after, **where)

    calls, _ = await calls_of(Prefixed(earlier), volume)
    assert calls["list_objects"] <= 200 + 3
    assert not calls["head"]


async def test_markers_of_a_flat_volume_cost_a_put_each(flat):
    """The listing says that there is none of an earlier run; on a second run, too."""
    store = MemoryStore()
    calls, _ = await calls_of(store, flat, success_marker=True)
    assert calls == {"list_objects": 1, "put": 2 * FILES}
    calls, _ = await calls_of(store, flat, success_marker=True)
    assert calls == {"list_objects": calls["list_objects"], "put": FILES}
    assert calls["list_objects"] <= 2 * FILES / 1000 + 4


async def test_a_marker_that_was_listed_goes_before_its_partition_changes(volume):
    """Of those partitions that change; the others' are replaced at the end."""
    write_files(volume, {f"d{n:03}/{i}.csv": b"1" for n in range(100) for i in range(3)})
    store = MemoryStore()
    await calls_of(store, volume, success_marker=True)
    write_files(volume, {f"d{n:03}/new.csv": b"1" for n in range(10)})
    calls, _ = await calls_of(store, volume, success_marker=True)
    assert (calls["head"], calls["delete"], calls["put"]) == (10, 10, 110)


async def test_if_objects_are_replaced_each_marker_is_looked_up(volume):
    """Another run may have written it meanwhile."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(10)})
    calls, _ = await calls_of(MemoryStore(), volume, success_marker=True, overwrite=True)
    assert (calls["head"], calls["put"]) == (10, 20)


@pytest.mark.parametrize("files", [1, 2])
async def test_a_run_of_few_files_waits_for_no_listing(volume, files):
    """Their keys are asked for while others are read."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(files)})
    calls, _ = await calls_of(MemoryStore(), volume)
    assert calls == {"head": files, "put": files}


async def test_a_million_partitions_keep_the_loop_for_slices_only(monkeypatch):
    """Signals and progress are seen to while partitions are looked through."""
    monkeypatch.setattr("asyncload.bucket.listing._SLICE", 10)
    plan = LoadPlan(LAYOUT, put_limit=100)
    for number in range(1_000):
        plan.add(SourceFile(f"{number}.csv", 1))
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.get_running_loop().create_task(count())
    await list_existing(plan, MemoryStore())
    counting.cancel()
    assert turns >= 1_000 / 10


class Reversed(MemoryStore):
    async def list_objects(self, prefix, after=None, **where):
        page = await super().list_objects(prefix, after, **where)
        return Page(page.items[::-1], page.next)


class FromTheStart(MemoryStore):
    """Ignores where a page is to begin."""

    async def list_objects(self, prefix, after=None, **where):
        return await super().list_objects(prefix, after)


class Unmoving(MemoryStore):
    """Its pages are empty, and say that there is more."""

    async def list_objects(self, prefix, after=None, *, start_after="", max_keys=0):
        if start_after:
            await self._answer("list_objects")
            return Page([], "more")
        return await super().list_objects(prefix, after)


class Denies(MemoryStore):
    async def list_objects(self, prefix, after=None, **where):
        await self._answer("list_objects")
        raise AccessDenied("no")


@pytest.mark.fault("G16")
@pytest.mark.parametrize("kind", [Reversed, FromTheStart, Unmoving, Denies])
async def test_a_store_that_can_not_be_sought_through_is_asked_for_each_key(volume, kind):
    """Another order, another start, no progress or no answer: one page in vain, then HEAD."""
    write_files(volume, {f"{n:03}.csv": b"1" for n in range(300)})
    store = kind()
    store.objects |= {f"{PREFIX}/{n:03}/{DAY}/{n:03}.csv": b"1" for n in range(0, 300, 2)}
    store.objects[f"{PREFIX}/!"] = b"before all of them"
    calls, sent = await calls_of(store, volume)
    assert calls == {"list_objects": 1, "head": calls["head"], "put": 150}
    assert calls["head"] >= 150
    assert sent == 150


@pytest.mark.fault("G16")
@pytest.mark.parametrize("kind", [Reversed, FromTheStart, Unmoving])
async def test_if_seeking_fails_each_folder_is_listed(volume, kind):
    """As far as they are worth it."""
    write_files(volume, {f"d{n}/{i}.csv": b"1" for n in range(20) for i in range(5)})
    store = kind()
    store.objects |= {f"{PREFIX}/D{n}/{DAY}/0.csv": b"1" for n in range(20)}
    store.objects[f"{PREFIX}/!"] = b"before all of them"
    calls, sent = await calls_of(store, volume)
    assert calls == {"list_objects": 21, "put": 80}
    assert sent == 80


class InTrees(MemoryStore):
    """Lists folder by folder, each in the order of its names, as stores on file systems do."""

    order = staticmethod(lambda key: key.split("/"))

    async def list_objects(self, prefix, after=None, *, start_after="", max_keys=0):
        await self._answer("list_objects")
        start, most = after or start_after, max_keys or self.page
        keys = [
            k for k in self.objects if k.startswith(prefix) and self.order(k) > self.order(start)
        ]
        keys.sort(key=self.order)
        items = [ListedObject(key, 1, '"e"') for key in keys[:most]]
        return Page(items, items[-1].key if len(keys) > most else None)


NAMES = st.text(st.sampled_from("ab-/.0é"), min_size=1, max_size=5).filter(
    lambda name: all(part.strip(".") for part in name.split("/"))
)


@pytest.mark.fault("G16")
@settings(suppress_health_check=list(HealthCheck), max_examples=200, deadline=None)
@given(
    planned=st.sets(NAMES, min_size=1, max_size=25),
    there=st.sets(NAMES, max_size=25),
    others=st.sets(NAMES, max_size=25),
    page=st.integers(1, 6),
    kind=st.sampled_from([MemoryStore, InTrees, Reversed, FromTheStart, Unmoving]),
)
async def test_the_state_of_each_key_is_right_for_any_bucket(planned, there, others, page, kind):
    """For any volume and bucket, any page size, and stores that list in one order or the other."""
    plan = LoadPlan(LAYOUT, put_limit=100)
    for name in sorted(planned):
        plan.add(SourceFile(f"{name}.csv", 1))
    store = kind()
    store.page = page
    store.objects |= {LAYOUT.key_for(f"{name}.csv"): b"1" for name in there}
    store.objects |= {f"{PREFIX}/{name}": b"other" for name in others}
    key_index = await list_existing(plan, store)
    for upload in plan.uploads():
        known = key_index.find(upload)
        if known != UNKNOWN:
            state = "existing" if upload.key in store.objects else "free"
            assert known.state == state, (upload.key, known)


# Portions of a volume that is still being scanned


async def list_portions(store, portions):
    """Return what is known of each planned key when its portion is listed, and the requests."""
    listing, known = Portions(store, markers=False), {}
    for number, portion in enumerate(portions):
        plan = LoadPlan(LAYOUT, put_limit=100)
        for path in portion:
            plan.add(SourceFile(path, 1))
        index = await listing.list_existing(plan, more=number < len(portions) - 1)
        for upload in plan.uploads():
            known[upload.source.path] = index.find(upload).state
        # As if they were loaded: the next portion may not list them again.
        store.objects |= dict.fromkeys((upload.key for upload in plan.uploads()), b"1")
    return known, store.calls["list_objects"]


@pytest.mark.parametrize("existing", [0, 3, 2_000])
async def test_a_folder_of_many_portions_is_listed_once(existing):
    """Each of its keys is known from the first listing: none is looked up on its own."""
    paths = [f"d/{n:05}.csv" for n in range(2_000)]
    store = MemoryStore(page=100)
    store.objects |= dict.fromkeys((LAYOUT.key_for(path) for path in paths[:existing]), b"1")
    portions = [paths[at : at + 200] for at in range(0, 2_000, 200)]
    known, requests = await list_portions(store, portions)
    assert known == {p: "existing" if n < existing else "free" for n, p in enumerate(paths)}
    assert requests == max(1, existing // 100)


async def test_portions_of_several_folders_list_each_of_them():
    """One that begins in a portion, one that ends in it, and small ones between them."""
    folders = {"a": 450, "b": 3, "c": 350, "d": 101, "e": 1, "f": 200}
    paths = [f"{name}/{n:03}.csv" for name, count in folders.items() for n in range(count)]
    store = MemoryStore()
    there = set(paths[::7])
    store.objects |= dict.fromkeys(map(LAYOUT.key_for, there), b"1")
    known, requests = await list_portions(
        store, [paths[at : at + 150] for at in range(0, len(paths), 150)]
    )
    expected = {path: "existing" if path in there else "free" for path in paths}
    assert known == expected | {"e/000.csv": "unknown"}
    assert requests <= 2 * len(folders)


async def test_a_partition_of_very_many_others_is_listed_for_each_portion():
    """No portion asks for more pages than it has files; what they say of its keys is used."""
    store = MemoryStore(page=1)
    others = (f"d/a{n:04}.csv" for n in range(1_000))
    store.objects |= dict.fromkeys(map(LAYOUT.key_for, others), b"1")
    paths = [f"d/{n:03}.csv" for n in range(450)]
    known, requests = await list_portions(store, [paths[at : at + 150] for at in (0, 150, 300)])
    assert set(known.values()) <= {"unknown", "existing"}
    assert requests <= 450 + 3
