"""Files are loaded before the scan has ended, if that takes long and can do no harm."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from asyncload.bucket import listing
from asyncload.errors import AccessDenied, KeyCollision, SourceStalled
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import FileFinished, LoadStarted, LoadStartedEarly, Scanned, Warned
from asyncload.operations.early import Patience, _look
from asyncload.operations.load import load_into
from asyncload.planning import growing
from asyncload.planning.plan import PUT_LIMIT
from asyncload.settings.run import Settings
from asyncload.source.folders import names_at_top
from tests.support.loads import AT_ONCE, NOW, PREFIX, Recorder, write_files
from tests.support.memory_store import MemoryStore

AT_ONCE_EARLY = Patience(scan=0.0, portion=0.01, slice=0.0)
DAY = "2022/05/02"


class Held:
    """Listings of a folder that wait for `release`."""

    def __init__(self, folder):
        self.folder = os.fsencode(folder)
        self.reached, self.released = threading.Event(), threading.Event()
        self.in_time = True

    def wait(self, path):
        if path == self.folder:
            self.reached.set()
            self.in_time = self.released.wait(20)


@pytest.fixture
def held(tmp_path, monkeypatch):
    """The folder `z` of the volume, whose listing waits until it is released."""
    gate, listed = Held(tmp_path / "z"), os.scandir

    def scandir(path):
        gate.wait(path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    yield gate
    gate.released.set()


class Releasing(MemoryStore):
    """A store that releases a folder after so many files were put."""

    def __init__(self, gate, after):
        super().__init__()
        self._gate, self._after = gate, after

    async def put(self, key, body, *arguments, **options):
        result = await super().put(key, body, *arguments, **options)
        if len(self.objects) == self._after:
            self._gate.released.set()
        return result


async def load_early(store, volume, recorder=None, **options):
    settings = Settings(volume=volume, bucket="lake", **{"manifest": False} | options)
    return await load_into(
        store, settings, observer=recorder, now=NOW, retries=AT_ONCE, patience=AT_ONCE_EARLY
    )


FILES = {"top.csv": b"1", "a/1.csv": b"22", "a/2.csv": b"333", "z/9.csv": b"4444"}


async def test_files_are_sent_while_a_folder_is_not_yet_listed(tmp_path, held):
    """All that was found before it; in the end all is as if it had been scanned first."""
    write_files(tmp_path, FILES)
    store, recorder = Releasing(held, after=3), Recorder()
    report = await load_early(store, tmp_path, recorder, success_marker=True)
    assert held.in_time, "nothing was sent before the scan had ended"
    markers = {f"{PREFIX}/{name}/{DAY}/{SUCCESS_MARKER}": b"" for name in ("Top", "A", "Z")}
    assert store.objects == markers | {
        f"{PREFIX}/Top/{DAY}/top.csv": b"1",
        f"{PREFIX}/A/{DAY}/1.csv": b"22",
        f"{PREFIX}/A/{DAY}/2.csv": b"333",
        f"{PREFIX}/Z/{DAY}/9.csv": b"4444",
    }
    assert (report.files, report.size, report.counts["uploaded"]) == (4, 10, 4)
    assert recorder.statuses == dict.fromkeys(FILES, "uploaded")


async def test_events_tell_what_was_found_so_far(tmp_path, held):
    """The start that is early, and then the one that knows all."""
    write_files(tmp_path, FILES)
    recorder = Recorder()
    await load_early(Releasing(held, after=3), tmp_path, recorder)
    kinds = (LoadStarted, LoadStartedEarly)
    started = [event for event in recorder.events if isinstance(event, kinds)]
    *early, last = started
    assert all(isinstance(event, LoadStartedEarly) for event in early)
    assert 0 < early[0].files < 4
    assert last == LoadStarted(4, 10)
    before = recorder.events[: recorder.events.index(last)]
    assert sum(isinstance(event, FileFinished) for event in before) >= 3
    scanned = [event.files for event in recorder.events if isinstance(event, Scanned)]
    assert scanned == sorted(scanned)


async def test_patterns_that_match_nothing_are_known_after_the_scan(tmp_path, held):
    """As of any other run."""
    write_files(tmp_path, FILES)
    recorder = Recorder()
    store = Releasing(held, after=3)
    await load_early(store, tmp_path, recorder, include=["*.csv", "9.csv", "8.csv"])
    warnings = [event.message for event in recorder.events if isinstance(event, Warned)]
    assert warnings == ["--include '8.csv' matched no file"]


async def test_a_second_run_sends_nothing_again(tmp_path, held):
    """Portions are compared with the bucket as whole plans are."""
    write_files(tmp_path, FILES)
    store = Releasing(held, after=3)
    await load_early(store, tmp_path)
    sent = store.body_bytes
    report = await load_early(store, tmp_path)
    assert (report.counts["unchanged"], store.body_bytes) == (4, sent)


async def test_a_slow_scan_is_waited_for(tmp_path, held):
    """All that was found is loaded; the rest when it is found."""
    write_files(tmp_path, FILES)
    loop, loaded = asyncio.get_running_loop(), []

    def observe(event):
        if isinstance(event, FileFinished):
            loaded.append(event.outcome.path)
            if len(loaded) == 3:
                loop.call_later(0.1, held.released.set)

    await load_early(MemoryStore(), tmp_path, observe)
    assert held.in_time
    assert loaded[3:] == ["z/9.csv"]


async def test_after_a_scan_that_stalls_the_next_run_loads_the_rest(tmp_path, stalling):
    """The run ends with the error, and nothing that it sent is sent twice."""
    write_files(tmp_path, FILES)
    stalling.add(tmp_path / "z")
    store = MemoryStore()
    with pytest.raises(SourceStalled, match="z"):
        await load_early(store, tmp_path)
    stalling.clear()
    await load_early(store, tmp_path)
    assert len(store.objects) == store.calls["put"] == 4


async def test_all_may_be_sent_before_the_scan_ends(tmp_path, held):
    """The last folder is empty."""
    write_files(tmp_path, {"top.csv": b"1"})
    (tmp_path / "z").mkdir()
    report = await load_early(Releasing(held, after=1), tmp_path, success_marker=True)
    assert held.in_time
    assert (report.files, report.counts["uploaded"]) == (1, 1)


class Waiting(MemoryStore):
    """A store that can wait until so many files were `found`, and observes that."""

    def __init__(self, files):
        super().__init__()
        self.found = asyncio.Event()
        self._files = files

    def observe(self, event):
        if isinstance(event, Scanned) and event.files >= self._files:
            self.found.set()


class Denying(Waiting):
    """A store that denies listings, and puts nothing before the files were found."""

    async def list_objects(self, prefix, after=None, **options):
        raise AccessDenied("listing is denied")

    async def put(self, key, body, *arguments, **options):
        await self.found.wait()
        return await super().put(key, body, *arguments, **options)


async def test_portions_that_cost_more_requests_wait_for_a_fast_scan(tmp_path, held, monkeypatch):
    """Each of their keys has to be looked up: a listing for the whole volume may spare that."""
    monkeypatch.setattr(listing, "MANY", 0)
    monkeypatch.setattr(growing, "PORTION_FILES", 1)
    write_files(tmp_path, FILES)
    store, loop, portions = Denying(3), asyncio.get_running_loop(), []

    def observe(event):
        store.observe(event)
        if isinstance(event, FileFinished):
            loop.call_later(0.1, held.released.set)
        portions.extend([event] * isinstance(event, LoadStartedEarly))

    report = await load_early(store, tmp_path, observe)
    assert (report.counts["uploaded"], len(portions)) == (4, 1)


class Asked(Waiting):
    """A store that is asked what it enforces, and answers once the files were found."""

    def __init__(self, gate, files):
        super().__init__(files)
        self.foreign_endpoint = "http://store.example"
        self._gate = gate

    async def read(self, *arguments):
        self._gate.released.set()
        await self.found.wait()
        return await super().read(*arguments)


async def test_files_that_are_found_while_the_store_is_asked_count(tmp_path, held):
    """Even if the scan ends before the first file of the first portion is sent."""
    write_files(tmp_path, FILES)
    store, started = Asked(held, files=4), []

    def observe(event):
        store.observe(event)
        started.extend([event] * isinstance(event, LoadStarted | LoadStartedEarly))

    report = await load_early(store, tmp_path, observe, manifest=True)
    assert (report.files, report.size, report.exit_code) == (4, 10, 0)
    assert started == [LoadStartedEarly(4, 10), LoadStarted(4, 10)]


async def test_open_uploads_are_listed_once(tmp_path, held, monkeypatch):
    """However many portions have large files."""
    monkeypatch.setattr(growing, "PORTION_FILES", 1)
    write_files(tmp_path, FILES)
    for path in ("top.csv", "a/1.csv"):
        os.truncate(tmp_path / path, PUT_LIMIT + 1)
    store = Releasing(held, after=3)
    assert (await load_early(store, tmp_path)).counts["uploaded"] == 4
    assert held.in_time
    assert (store.calls["complete_multipart"], store.calls["list_uploads"]) == (2, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"archives": True},
        {"datasets": [("*.csv", "All")]},
        {"then": "delete"},
        {"layout": "{layer}/{path}"},
        {"shard": "1/1"},
        {"date": "mtime"},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_some_options_need_the_whole_scan(tmp_path, held, options):
    """What may be sent, or be in the way of the scan, is known only then."""
    write_files(tmp_path, FILES)
    store = MemoryStore()
    if "shard" in options:
        options = options | {"run": "test", "manifest": True}
    loading = asyncio.create_task(load_early(store, tmp_path, **options))
    await asyncio.to_thread(held.reached.wait, 20)
    await asyncio.sleep(0.1)
    assert not any(key.endswith(".csv") for key in store.objects)
    held.released.set()
    assert (await loading).counts["uploaded"] == 4


async def test_names_that_may_collide_need_the_whole_scan(tmp_path, held):
    """Nothing was sent when a collision is found."""
    write_files(tmp_path, {**FILES, "Z.csv": b"5", "z/Z.csv": b"6"})
    held.released.set()
    store = MemoryStore()
    with pytest.raises(KeyCollision, match="so nothing was uploaded"):
        await load_early(store, tmp_path)
    assert store.objects == {}


async def test_a_backslash_that_is_found_later_is_asked_about(tmp_path, held):
    """The first portion had none, so whether the store keeps it was not yet known."""
    write_files(tmp_path, {"top.csv": b"1", "z/back\\slash.csv": b"2"})
    store = Releasing(held, after=1)
    store.foreign_endpoint = "http://store.example"
    report = await load_early(store, tmp_path)
    assert report.counts["uploaded"] == 2
    assert f"{PREFIX}/Z/{DAY}/back\\slash.csv" in store.objects


def test_names_that_can_not_be_listed_may_collide(tmp_path):
    """The scan tells of the folder's error."""
    beats = []
    assert list(_look(tmp_path / "missing", beats.append)) == [True]
    assert set(beats) == {"."}


async def test_links_named_as_csvs_may_lead_to_folders(tmp_path, held):
    """So their files may collide with those of a folder of that name."""
    write_files(tmp_path, {**FILES, "D.csv/1.csv": b"5", "z/1.csv": b"6"})
    (tmp_path / "d.csv").symlink_to("z")
    held.released.set()
    store = MemoryStore()
    with pytest.raises(KeyCollision, match="so nothing was uploaded"):
        await load_early(store, tmp_path, follow_symlinks=True)
    assert store.objects == {}


def test_links_at_the_top_count_as_folders(tmp_path):
    """Those named as CSVs also as files: what they lead to is not looked at."""
    write_files(tmp_path, {"a/1.csv": b"1", "b.csv": b"2"})
    (tmp_path / "c").symlink_to("a")
    (tmp_path / "d.csv").symlink_to("b.csv")
    assert sorted(names_at_top(tmp_path, lambda: None, folders=True)) == ["a", "c", "d.csv"]
    assert sorted(names_at_top(tmp_path, lambda: None, folders=False)) == ["b.csv", "d.csv"]
