"""`watch` of several volumes: as of one, but none of them stops the others."""

from __future__ import annotations

import asyncio
import json

import pytest

from asyncload.errors import SourceStalled, StoreUnavailable, UsageError
from asyncload.model import reserved
from asyncload.operations.watch import WatchOptions, watch_into
from asyncload.operations.watching import arrivals as noticing
from asyncload.operations.watching import sessions
from asyncload.settings.run import Settings
from asyncload.source import settling
from asyncload.source.threads import ReaderThreads
from tests.support.archives import zip_of
from tests.support.loads import PREFIX, write_files
from tests.support.memory_store import MemoryStore
from tests.support.vocabulary import check_manifest
from tests.support.watches import watching

DAY = "2022/05/02"


@pytest.fixture
def volumes(tmp_path):
    """Two folders, each with a file."""
    write_files(tmp_path, {"eu/films/a.csv": b"1", "us/films/b.csv": b"2"})
    return [tmp_path / "eu", tmp_path / "us"]


def objects(store):
    """The objects by their keys from the dataset on, without the date."""
    return {
        key.removeprefix(f"{PREFIX}/").replace(f"/{DAY}", ""): body
        for key, body in store.objects.items()
        if key.startswith(PREFIX)
    }


def watching_all(store, volumes, **options):
    return watching(store, volumes, date="2022-05-02", **options)


async def test_paths_name_the_volume_and_keys_do_not(volumes, monkeypatch):
    """One manifest has the files of all; one without events is scanned, the other is not."""
    eu, us = volumes
    monkeypatch.setattr(noticing, "has_events", lambda folder: folder != us)
    store, heard, changes = MemoryStore(), [], noticing.changes

    def hear(root):
        heard.append(root.folder)
        return changes(root)

    monkeypatch.setattr(noticing, "changes", hear)
    async with watching_all(store, volumes, manifest=True) as watch:
        await watch.until(lambda: len(objects(store)) == 2)
        write_files(eu, {"new/c.csv": b"3"})
        write_files(us, {"new/d.csv": b"4"})
        await watch.until(lambda: len(watch.outcomes) == 4)
    paths = [f"{eu}/films/a.csv", f"{eu}/new/c.csv", f"{us}/films/b.csv", f"{us}/new/d.csv"]
    assert sorted(watch.outcomes) == [(path, "uploaded") for path in paths]
    assert objects(store) == {
        "Films/a.csv": b"1",
        "Films/b.csv": b"2",
        "New/c.csv": b"3",
        "New/d.csv": b"4",
    }
    sources = {info.metadata.get(reserved.SOURCE_PATH) for info in store.infos.values()}
    assert sources >= set(paths)
    manifest = check_manifest(store.objects[watch.result.report.manifest])
    assert sorted(entry["path"] for entry in manifest["files"]) == paths
    assert {name: each.files for name, each in watch.result.report.volumes.items()} == {
        str(eu): 2,
        str(us): 2,
    }
    assert (watch.result.loaded, watch.result.exit_code, heard) == (4, 0, [eu])


class Gated(MemoryStore):
    """A store in which each put waits for its gate."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()
        self.begun = []

    async def put(self, key, *arguments, **options):
        if key.startswith(PREFIX):
            self.begun.append(key.rpartition("/")[2])
            await self.gate.wait()
        return await super().put(key, *arguments, **options)


@pytest.mark.fault("I31")
async def test_a_volume_that_disappears_stops_only_its_own_files(volumes, monkeypatch):
    """It is waited for, and named once; files of the others are in work all the time."""
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.1)
    eu, us = volumes
    store, pools = Gated(), []

    class Threads(ReaderThreads):
        def __init__(self, count):
            pools.append(count)
            super().__init__(count)

    monkeypatch.setattr("asyncload.operations.watching.volume.ReaderThreads", Threads)
    async with watching_all(store, volumes, manifest=True) as watch:
        await watch.until(lambda: set(store.begun) == {"a.csv", "b.csv"})
        us.rename(us.with_name("away"))
        await watch.until(lambda: str(us) in watch.trouble)
        write_files(eu, {"films/c.csv": b"3"})
        await watch.until(lambda: "c.csv" in store.begun)
        store.gate.set()
        await watch.until(lambda: len(objects(store)) == 2)
        assert str(us) in watch.trouble
        us.with_name("away").rename(us)
        await watch.until(lambda: watch.trouble == "")
        await watch.until(lambda: len(objects(store)) == 3)
    assert objects(store) == {"Films/a.csv": b"1", "Films/b.csv": b"2", "Films/c.csv": b"3"}
    assert sorted(store.begun) == ["a.csv", "b.csv", "b.csv", "c.csv"]
    assert watch.warnings == [f"the volume {us} does not exist"]
    assert (watch.result.loaded, watch.result.failing) == (3, 0)
    # Stuck threads are never more than those of one pool for each volume.
    assert len(pools) == 2


async def test_a_volume_that_does_not_respond_is_named(volumes, monkeypatch):
    """Its error names none; and the trouble of the store is another one."""
    us = volumes[1]
    stuck, status_of = [], noticing.status_of

    def examine(path):
        if stuck and path == bytes(us):
            raise SourceStalled("reading has stalled: there was no answer for 30 s")
        return status_of(path)

    monkeypatch.setattr(noticing, "status_of", examine)
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.1)
    store, probe, down = MemoryStore(), sessions.probe_store, []

    async def probing(*arguments, **options):
        if down:
            raise StoreUnavailable("nothing answers")
        return await probe(*arguments, **options)

    monkeypatch.setattr(sessions, "probe_store", probing)
    down.append(1)
    stuck.append(1)
    async with watching_all(store, volumes) as watch:
        await watch.until(lambda: "; " in watch.trouble)
        assert set(watch.trouble.split("; ")) == {
            f"{us}: reading has stalled: there was no answer for 30 s",
            "nothing answers",
        }
        down.clear()
        await watch.until(lambda: objects(store) == {"Films/a.csv": b"1"})
        await watch.until(lambda: watch.trouble.startswith(f"{us}: ") and ";" not in watch.trouble)
        stuck.clear()
        await watch.until(lambda: len(objects(store)) == 2)
        await watch.until(lambda: watch.trouble == "")


async def test_files_of_two_volumes_for_one_key_fail_as_long_as_both_are_there(
    volumes, tmp_path, monkeypatch
):
    """Neither replaces the other, also if they are tried again one by one."""
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(settling, "MAX_RETRY", 0.1)
    monkeypatch.setattr("asyncload.operations.watching.status._HEALTH", 0.02)
    eu, us = volumes
    write_files(us, {"films/a.csv": b"other"})
    health, found, tries = tmp_path / "health", asyncio.Event(), []
    store, probe, find = MemoryStore(), sessions.probe_store, noticing.Arrivals.find_complete

    async def probing(*arguments, **options):
        await found.wait()
        return await probe(*arguments, **options)

    async def finding(self, readers):
        complete = await find(self, readers)
        tries.extend(source.path for source in complete or ())
        return complete

    monkeypatch.setattr(sessions, "probe_store", probing)
    monkeypatch.setattr(noticing.Arrivals, "find_complete", finding)
    both = [f"{eu}/films/a.csv", f"{us}/films/a.csv"]
    more = {"health_file": health}
    async with watching_all(store, volumes, overwrite=True, more=more) as watch:
        await watch.until(
            lambda: health.exists() and json.loads(health.read_text())["in_flight"] == 3
        )
        found.set()
        await watch.until(lambda: min(map(tries.count, both)) > 3 and objects(store))
        assert objects(store) == {"Films/b.csv": b"2"}
        (us / "films/a.csv").unlink()
        await watch.until(lambda: len(objects(store)) == 2)
    assert objects(store) == {"Films/b.csv": b"2", "Films/a.csv": b"1"}
    failed = [path for path, status in watch.outcomes if status == "failed"]
    assert sorted(failed) == both
    assert (watch.result.failing, watch.result.exit_code) == (0, 0)


async def test_archives_of_each_volume_are_loaded_and_moved(volumes, tmp_path):
    """With their paths below their volume; members that fail keep theirs in its place."""
    eu, us = volumes
    write_files(us, {"deep/x.zip": zip_of({"m.csv": b"5"})})
    write_files(eu, {"y.zip": b"PK"})
    (tmp_path / "done").mkdir()
    store, then = MemoryStore(), f"move {tmp_path / 'done'}"
    async with watching_all(store, volumes, archives=True, then=then) as watch:
        await watch.until((tmp_path / "done/deep/x.zip").exists)
        await watch.until((tmp_path / "done/films/a.csv").exists)
        await watch.until(lambda: len(watch.outcomes) == 4)
    outcomes = dict(watch.outcomes)
    assert outcomes[f"{us}/deep/x.zip//m.csv"] == "uploaded"
    assert outcomes[f"{eu}/y.zip"] == "failed"
    assert objects(store)["Deep/m.csv"] == b"5"
    assert (eu / "y.zip").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["eu", "none"], "none does not exist"),
        (["eu", "us/films/b.csv"], "us/films/b.csv is not a folder"),
        (["eu", "eu/films"], "is inside the volume"),
    ],
)
async def test_volumes_that_can_not_be_watched_are_refused(volumes, names, message):
    """At the start, before anything is asked of the store."""
    given = Settings(volume=[volumes[0].parent / name for name in names], bucket="lake")
    store = MemoryStore()
    with pytest.raises(UsageError, match=message):
        await watch_into(store, given, WatchOptions(), stop=asyncio.Event())
    assert not store.calls
