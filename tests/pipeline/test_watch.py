"""`watch` loads each CSV once it is complete, through changes and outages."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from datetime import UTC, datetime

import pytest

from asyncload.errors import ObserverFailed, Refused, StoreUnavailable, UsageError
from asyncload.model.values import LoadStarted, WatchProgress
from asyncload.operations.watch import WatchOptions, watch_into
from asyncload.operations.watching import arrivals as noticing
from asyncload.operations.watching import sessions
from asyncload.settings.run import Settings
from asyncload.source import arrivals, settling
from asyncload.source.scanner import Scanner
from tests.support.content import random_bytes
from tests.support.loads import AT_ONCE, PREFIX, UNIT, write_files
from tests.support.memory_store import MemoryStore
from tests.support.vocabulary import check_manifest
from tests.support.watches import set_clock, watching


def day_of(path):
    return datetime.fromtimestamp(path.stat().st_ctime, UTC).strftime("%Y/%m/%d")


def objects(store):
    """The objects by their keys without the date."""
    found = {}
    for key, body in store.objects.items():
        if key.startswith(PREFIX):
            dataset, _, _, _, path = key.removeprefix(f"{PREFIX}/").split("/", 4)
            found[f"{dataset}/{path}"] = body
    return found


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("poll", [False, True])
async def test_what_is_there_and_what_comes_is_loaded_once(volume, poll):
    """New, renamed, moved in with its folder, in new folders, small and large; others are not."""
    large = random_bytes(17 * UNIT)
    write_files(volume, {"d/there.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume, poll=poll) as watch:
        await watch.until(lambda: len(store.objects) == 1)
        write_files(
            volume, {"d/new.csv": b"2", "e/f/deep.csv": b"3", "d/.hidden.csv": b"", "x.txt": b""}
        )
        write_files(volume, {"d/large.csv.part": large, "_temporary/t.csv": b""})
        (volume / "d/large.csv.part").rename(volume / "d/large.csv")
        write_files(volume.parent, {"outside/o.csv": b"4"})
        (volume.parent / "outside").rename(volume / "inside")
        await watch.until(lambda: len(store.objects) == 5)
    assert objects(store) == {
        "D/there.csv": b"1",
        "D/new.csv": b"2",
        "D/large.csv": large,
        "E/f/deep.csv": b"3",
        "Inside/o.csv": b"4",
    }
    assert sorted(watch.outcomes) == [
        (path, "uploaded")
        for path in ("d/large.csv", "d/new.csv", "d/there.csv", "e/f/deep.csv", "inside/o.csv")
    ]
    assert (watch.result.loaded, watch.result.exit_code, watch.result.finished) == (5, 0, True)
    assert f"{PREFIX}/D/{day_of(volume / 'd/there.csv')}/there.csv" in store.objects


@pytest.mark.parametrize("poll", [False, True])
async def test_a_new_version_is_loaded_when_it_is_complete(volume, poll):
    """With `--overwrite`; a replacement of the same size and times is one, too."""
    write_files(volume, {"d/a.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume, poll=poll, overwrite=True) as watch:
        await watch.until(lambda: objects(store) == {"D/a.csv": b"1"})
        status = (volume / "d/a.csv").stat()
        write_files(volume, {"d/other": b"2"})
        os.utime(volume / "d/other", ns=(status.st_atime_ns, status.st_mtime_ns))
        (volume / "d/other").rename(volume / "d/a.csv")
        await watch.until(lambda: objects(store) == {"D/a.csv": b"2"})
        (volume / "d/a.csv").unlink()
        write_files(volume, {"d/b.csv": b"3"})
        await watch.until(lambda: objects(store) == {"D/a.csv": b"2", "D/b.csv": b"3"})
    assert watch.outcomes == [("d/a.csv", "uploaded")] * 2 + [("d/b.csv", "uploaded")]


async def test_a_second_watch_sends_nothing_that_is_there(volume):
    """A file belongs to the day on which it appeared."""
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(5)})
    store = MemoryStore()
    for status in ("uploaded", "unchanged"):
        sent = store.body_bytes
        async with watching(store, volume) as watch:
            await watch.until(lambda: len(watch.outcomes) == 5)  # called at once
        assert {status for _, status in watch.outcomes} == {status}
    assert store.body_bytes == sent


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT])
async def test_a_file_that_changes_before_it_is_read_is_not_loaded_as_it_is(volume, size):
    """It was complete in another version: it settles again, and does not count as failed."""
    write_files(volume, {"d/a.csv": bytes(size)})
    store, begun = MemoryStore(), []

    def rewrite(event):
        if isinstance(event, LoadStarted):
            begun.append(event)
            if len(begun) == 1:
                write_files(volume, {"d/a.csv": b"2" * size})

    async with watching(store, volume, on_event=rewrite) as watch:
        await watch.until(lambda: watch.outcomes)
    assert objects(store) == {"D/a.csv": b"2" * size}
    assert watch.outcomes == [("d/a.csv", "uploaded")]
    assert (len(begun), watch.result.failing) == (2, 0)


async def test_a_newer_version_is_loaded_while_the_batch_of_the_older_one_ends(volume):
    """Each batch concludes its own files, not those of a later one."""
    gates = {body: asyncio.Event() for body in (b"slow", b"new")}
    begun = set()

    class Gated(MemoryStore):
        async def put(self, key, body, *arguments, **options):
            begun.add(bytes(body))
            if (gate := gates.get(bytes(body))) is not None:
                await gate.wait()
            return await super().put(key, body, *arguments, **options)

    write_files(volume, {"d/a.csv": b"old", "d/b.csv": b"slow"})
    store = Gated()
    async with watching(store, volume, overwrite=True) as watch:
        await watch.until(lambda: b"slow" in begun and watch.outcomes)
        write_files(volume, {"d/a.csv": b"new"})
        await watch.until(lambda: b"new" in begun)
        gates[b"slow"].set()
        await watch.until(lambda: len(watch.outcomes) == 2)
        await asyncio.sleep(0.05)
        gates[b"new"].set()
        await watch.until(lambda: len(watch.outcomes) == 3)
    assert objects(store) == {"D/a.csv": b"new", "D/b.csv": b"slow"}
    assert [path for path, _ in watch.outcomes] == ["d/a.csv", "d/b.csv", "d/a.csv"]


async def test_a_file_that_vanishes_while_it_is_scanned_is_no_trouble(volume, monkeypatch):
    """Between the listing of its folder and the look at it."""
    write_files(volume, {"d/a.csv": b"1", "d/b.csv": b"2"})
    examine, removed = Scanner._judge_file, []

    def vanish(self, path, status):
        if path == "d/a.csv" and not removed:
            removed.append(path)
            (volume / path).unlink()
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return examine(self, path, status)

    monkeypatch.setattr(Scanner, "_judge_file", vanish)
    store = MemoryStore()
    async with watching(store, volume) as watch:
        await watch.until(lambda: watch.outcomes)
    assert (objects(store), watch.warnings) == ({"D/b.csv": b"2"}, [])


async def test_a_file_that_is_removed_before_it_is_read_is_no_failure(volume):
    """It is forgotten."""
    write_files(volume, {"d/a.csv": b"1", "d/b.csv": b"2"})
    store = MemoryStore()

    def remove(event):
        if isinstance(event, LoadStarted):
            (volume / "d/a.csv").unlink(missing_ok=True)

    async with watching(store, volume, on_event=remove) as watch:
        await watch.until(lambda: watch.outcomes)
    assert objects(store) == {"D/b.csv": b"2"}
    assert (watch.outcomes, watch.result.exit_code) == ([("d/b.csv", "uploaded")], 0)


async def test_a_failed_file_is_tried_again_and_reported_once(volume, monkeypatch):
    """As long as the error is the same; what fails at the end decides the exit code."""
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(settling, "MAX_RETRY", 0.1)
    write_files(volume, {"d/a.csv": b"1", "bad\nname.csv": b"2"})
    store = MemoryStore()
    key = f"{PREFIX}/D/{day_of(volume / 'd/a.csv')}/a.csv"
    store.objects[key] = b"other"
    async with watching(store, volume) as watch:
        await watch.until(lambda: store.calls["head"] + store.calls["list"] > 12)
        assert sorted(watch.outcomes) == [("bad\nname.csv", "failed"), ("d/a.csv", "failed")]
        del store.objects[key]
        await watch.until(lambda: ("d/a.csv", "uploaded") in watch.outcomes)
    assert (watch.result.failing, watch.result.exit_code) == (1, 3)


async def test_files_for_one_key_fail_and_the_others_are_loaded(volume):
    """Both are named; none is guessed to be the right one."""
    write_files(volume, {"films/a.csv": b"1", "Films/a.csv": b"2", "films/b.csv": b"3"})
    store = MemoryStore()
    async with watching(store, volume, settle=0.5) as watch:
        await watch.until(lambda: len(watch.outcomes) == 3)
    assert sorted(watch.outcomes) == [
        ("Films/a.csv", "failed"),
        ("films/a.csv", "failed"),
        ("films/b.csv", "uploaded"),
    ]
    assert objects(store) == {"Films/b.csv": b"3"}


class Down(MemoryStore):
    """A store that does not answer while `down`."""

    down = False

    async def put(self, *arguments, **options):
        if self.down:
            raise StoreUnavailable("nothing answers at the endpoint")
        return await super().put(*arguments, **options)

    async def head(self, key):
        if self.down:
            raise StoreUnavailable("nothing answers at the endpoint")
        return await super().head(key)


@pytest.fixture
def quick(monkeypatch):
    """Retries without waits, and soon again after trouble."""
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.1)
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: AT_ONCE)


@pytest.mark.fault("I31")
async def test_an_outage_of_the_store_is_waited_for(volume, quick):
    """It is said once, and no file fails because of it."""
    write_files(volume, {"d/a.csv": b"1"})
    store, begun = Down(), []
    store.down = True

    def count(event):
        begun.extend([event] * isinstance(event, LoadStarted))

    async with watching(store, volume, on_event=count) as watch:
        await watch.until(lambda: "nothing answers" in watch.trouble)
        tries = begun.copy()
        await watch.until(lambda: len(begun) > len(tries) + 1)
        store.down = False
        await watch.until(lambda: store.objects)
        await watch.until(lambda: watch.trouble == "")
    assert (watch.outcomes, watch.result.exit_code) == ([("d/a.csv", "uploaded")], 0)
    assert len([text for text in watch.warnings if "nothing answers" in text]) == 1


async def test_an_outage_while_a_session_begins_is_waited_for(volume, quick, monkeypatch):
    """As for the probes before the first file, which are made with each manifest."""

    write_files(volume, {"d/a.csv": b"1"})
    store, tries = MemoryStore(), []
    probe = sessions.probe_store

    async def probing(*arguments, **options):
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailable("no answer to the probe")
        return await probe(*arguments, **options)

    monkeypatch.setattr(sessions, "probe_store", probing)
    async with watching(store, volume) as watch:
        await watch.until(lambda: store.objects)
    assert watch.outcomes == [("d/a.csv", "uploaded")]
    assert len(tries) == 3


@pytest.mark.fault("I31")
@pytest.mark.parametrize("poll", [False, True])
async def test_a_folder_that_disappears_and_comes_back_is_watched_again(volume, poll):
    """Also if another one takes its place; what was loaded is not sent again."""
    write_files(volume, {"d/a.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume, poll=poll) as watch:
        await watch.until(lambda: len(store.objects) == 1)
        volume.rename(volume.with_name("away"))
        await watch.until(lambda: "does not exist" in watch.trouble or "removed" in watch.trouble)
        volume.with_name("away").rename(volume)
        await watch.until(lambda: watch.trouble == "")
        write_files(volume, {"d/b.csv": b"2"})
        await watch.until(lambda: len(store.objects) == 2)
        volume.rename(volume.with_name("old"))
        write_files(volume, {"d/c.csv": b"3"})
        await watch.until(lambda: len(store.objects) == 3)
    assert {status for _, status in watch.outcomes} == {"uploaded"}


async def test_a_folder_that_can_not_be_listed_is_named_once(volume, monkeypatch):
    """And what is known of its files is kept."""
    write_files(volume, {"d/a.csv": b"1", "locked/b.csv": b"2"})
    scandir, tries = os.scandir, []

    def refusing(path):
        if os.fspath(path).endswith(b"locked"):
            tries.append(path)
            raise OSError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    store = MemoryStore()
    async with watching(store, volume, poll=True) as watch:
        await watch.until(lambda: len(tries) > 4)
    assert len([text for text in watch.warnings if text.startswith("locked: ")]) == 1
    assert objects(store) == {"D/a.csv": b"1"}


async def test_verified_files_are_moved_away(volume, tmp_path):
    """As by a run; a name that comes again is another file."""
    (tmp_path / "done").mkdir()
    write_files(volume, {"d/a.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume, then=f"move {tmp_path / 'done'}", overwrite=True) as watch:
        await watch.until((tmp_path / "done/d/a.csv").exists)
        (tmp_path / "done/d/a.csv").unlink()
        write_files(volume, {"d/a.csv": b"2"})
        await watch.until((tmp_path / "done/d/a.csv").exists)
    assert watch.outcomes == [("d/a.csv", "uploaded")] * 2
    assert watch.result.report.sources == {"moved": 2}
    assert objects(store) == {"D/a.csv": b"2"}


async def test_a_manifest_is_written_as_often_as_asked(volume):
    """Each records the files of its time; without files there is none."""
    write_files(volume, {"d/0.csv": b"0"})
    store = MemoryStore()
    more = {"manifest_every": 0.3}
    async with watching(store, volume, manifest=True, more=more) as watch:
        for number in (1, 2):
            await watch.until(lambda: len(manifests(store)) == number)  # noqa: B023  # at once
            write_files(volume, {f"d/{number}.csv": b"%d" % number})
        await watch.until(lambda: len(watch.outcomes) == 3)
    entries = [check_manifest(text)["files"] for text in manifests(store)]
    paths = sorted(entry["path"] for files in entries for entry in files)
    assert paths == ["d/0.csv", "d/1.csv", "d/2.csv"]
    assert all(files for files in entries)


def manifests(store):
    return [
        body
        for key, body in store.objects.items()
        if key.startswith("_asyncload/2") and body.startswith(b'{"run":')
    ]


async def test_a_day_has_one_manifest(volume, monkeypatch):
    """It ends at midnight in the time zone, without waiting for the next file."""
    write_files(volume, {"d/a.csv": b"1"})
    store, now = MemoryStore(), [datetime(2022, 5, 2, 2, 59, tzinfo=UTC)]
    set_clock(monkeypatch, lambda: now[0])
    async with watching(store, volume, manifest=True, timezone="America/Sao_Paulo") as watch:
        await watch.until(lambda: len(watch.outcomes) == 1)
        assert not manifests(store)
        now[0] = datetime(2022, 5, 2, 3, 0, tzinfo=UTC)
        await watch.until(lambda: manifests(store))
    assert len(manifests(store)) == 1


async def test_each_file_is_locked_for_as_long_as_was_asked_for(volume, monkeypatch):
    """A new day has a new session, however seldom a manifest is written."""
    write_files(volume, {"d/a.csv": b"1"})
    store, now = MemoryStore(), [datetime(2022, 5, 2, 23, 59, tzinfo=UTC)]
    store.locks = True
    set_clock(monkeypatch, lambda: now[0])
    asked = {"lock_mode": "governance", "lock_until": "1d", "more": {"manifest_every": 864_000}}
    async with watching(store, volume, **asked) as watch:
        await watch.until(lambda: len(watch.outcomes) == 1)
        now[0] = datetime(2022, 5, 3, 0, 1, tzinfo=UTC)
        write_files(volume, {"d/b.csv": b"2"})
        await watch.until(lambda: len(watch.outcomes) == 2)
    ends = {key[-5:]: info.lock.until.day for key, info in store.infos.items()}
    assert ends == {"a.csv": 4, "b.csv": 5}


async def test_a_watch_ends_when_nothing_can_be_locked_any_more(volume, monkeypatch):
    """Its files would be loaded without the lock; at its start it is a usage error."""
    store, now = MemoryStore(), [datetime(2022, 5, 2, 12, tzinfo=UTC)]
    store.locks = True
    set_clock(monkeypatch, lambda: now[0])
    asked = {"lock_mode": "governance", "lock_until": "2022-05-03"}

    async def watch_on():
        async with watching(store, volume, **asked) as watch:
            await watch.until(lambda: store.calls["has_object_lock"])
            now[0] = datetime(2022, 5, 3, tzinfo=UTC)
            write_files(volume, {"d/a.csv": b"1"})
            await watch.task

    for error in (Refused, UsageError):
        with pytest.raises(error, match="is not in the future"):
            await watch_on()
    assert objects(store) == {}


async def test_files_in_work_are_completed_after_a_stop(volume):
    """Within the grace; no others are begun."""
    write_files(volume, {"d/a.csv": b"1"})
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def put(self, *arguments, **options):
            begun.set()
            await go_on.wait()
            return await super().put(*arguments, **options)

    store = Slow()
    async with watching(store, volume) as watch:
        await begun.wait()
        watch.stop.set()
        write_files(volume, {"d/b.csv": b"2"})
        await asyncio.sleep(0.05)
        go_on.set()
    assert (objects(store), watch.result.finished) == ({"D/a.csv": b"1"}, True)
    go_on.clear()
    async with watching(store, volume, grace=0.1) as watch:
        begun.clear()
        await begun.wait()
    assert (objects(store), watch.result.finished) == ({"D/a.csv": b"1"}, False)


async def test_the_health_file_shows_that_the_program_works(volume, tmp_path, monkeypatch):
    """With its state; a file that can't be written ends nothing."""
    monkeypatch.setattr("asyncload.operations.watching.status._HEALTH", 0.02)
    monkeypatch.setattr("asyncload.operations.watching.status._PROGRESS", 0.1)
    write_files(volume, {"d/a.csv": b"1"})
    health = tmp_path / "health"
    async with watching(MemoryStore(), volume, more={"health_file": health}) as watch:
        await watch.until(lambda: health.exists() and json.loads(health.read_text())["loaded"] == 1)
        progress = WatchProgress(1, 0, 0, 0, "")
        await watch.until(lambda: progress in watch.events)
        health.unlink()
        health.mkdir()
        await asyncio.sleep(0.1)
    assert watch.result.exit_code == 0


async def test_without_room_for_events_the_volume_is_scanned(volume, monkeypatch):
    """With a warning that names the limit."""

    async def refused(_):
        raise OSError(errno.ENOSPC, "OS file watch limit reached")
        yield

    monkeypatch.setattr(noticing, "changes", refused)
    store = MemoryStore()
    async with watching(store, volume) as watch:
        await watch.until(lambda: watch.warnings)
        write_files(volume, {"d/a.csv": b"1"})
        await watch.until(lambda: store.objects)
    assert "OS file watch limit reached" in watch.warnings[0]


async def test_a_file_system_without_events_is_scanned(volume, monkeypatch):
    """Without being asked to: no event would come."""
    monkeypatch.setattr(noticing, "has_events", lambda _: False)
    monkeypatch.setattr(noticing, "changes", None)
    store = MemoryStore()
    async with watching(store, volume) as watch:
        write_files(volume, {"d/a.csv": b"1"})
        await watch.until(lambda: store.objects)


@pytest.mark.fault("I31")
async def test_events_that_were_lost_are_made_up_for(volume, monkeypatch):
    """As when the system's queue overflows: a scan finds the files."""

    async def silent(_):
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(noticing, "changes", silent)
    monkeypatch.setattr(noticing, "_RESCAN", 0.2)
    store = MemoryStore()
    async with watching(store, volume) as watch:
        await asyncio.sleep(0.3)
        write_files(volume, {"d/a.csv": b"1"})
        await watch.until(lambda: store.objects)
    assert watch.outcomes == [("d/a.csv", "uploaded")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"date": "yesterday"}, "--date yesterday can't be used by watch"),
        ({"success_marker": True}, "watch takes neither"),
        ({"follow_symlinks": True}, "watch takes neither"),
        ({"max_age": 60}, "watch takes neither"),
    ],
)
async def test_settings_of_a_run_that_ends_are_refused(volume, settings, message):
    """Before the store is asked."""
    given = Settings(volume=volume, bucket="lake", **settings)
    store = MemoryStore()
    with pytest.raises(UsageError, match=message):
        await watch_into(store, given, WatchOptions(), stop=asyncio.Event())
    assert not store.calls


async def test_a_settle_time_of_nothing_is_refused(volume):
    """A file that is still being written would be loaded."""
    given, options = Settings(volume=volume, bucket="lake"), WatchOptions(settle=0)
    with pytest.raises(UsageError, match="--settle must be longer than 0"):
        await watch_into(MemoryStore(), given, options, stop=asyncio.Event())


async def test_no_batch_is_begun_after_a_stop(volume, monkeypatch):
    """Also if its files were complete, and waited for their turn."""
    monkeypatch.setattr(noticing, "BATCH", 1)
    monkeypatch.setattr("asyncload.operations.watching.volume._BATCHES", 1)
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def put(self, *arguments, **options):
            begun.set()
            await go_on.wait()
            return await super().put(*arguments, **options)

    write_files(volume, {"d/a.csv": b"1", "d/b.csv": b"2", "d/c.csv": b"3"})
    store = Slow()
    async with watching(store, volume) as watch:
        await begun.wait()
        await asyncio.sleep(0.3)
        watch.stop.set()
        go_on.set()
    assert (len(objects(store)), watch.result.finished) == (1, True)


async def test_a_volume_that_does_not_exist_at_the_start_is_refused(tmp_path):
    """It is more likely to be mistyped than late."""
    given = Settings(volume=tmp_path / "nowhere", bucket="lake")
    with pytest.raises(UsageError, match="does not exist"):
        await watch_into(MemoryStore(), given, WatchOptions(), stop=asyncio.Event())


async def test_a_single_file_can_not_be_watched(volume):
    """A run loads it."""
    write_files(volume, {"a.csv": b"1"})
    given = Settings(volume=volume / "a.csv", bucket="lake")
    with pytest.raises(UsageError, match="is not a folder"):
        await watch_into(MemoryStore(), given, WatchOptions(poll=True), stop=asyncio.Event())


async def test_the_library_for_events_is_named_if_it_is_missing(volume, monkeypatch):
    """And the way without it."""
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    given = Settings(volume=volume, bucket="lake")
    with pytest.raises(UsageError, match="needs the package watchfiles") as error:
        await watch_into(MemoryStore(), given, WatchOptions(), stop=asyncio.Event())
    assert "--poll" in error.value.hint
    assert arrivals.has_events(volume)


async def test_a_date_may_be_given_for_all_files(volume):
    """As for the last files of an export that is over."""
    write_files(volume, {"d/a.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume, date="2022-05-02") as watch:
        await watch.until(lambda: watch.outcomes)
    assert list(store.objects) == [f"{PREFIX}/D/2022/05/02/a.csv"]


async def test_a_file_that_is_gone_when_it_is_due_is_forgotten(volume, monkeypatch):
    """Without an event of its end, as on a file system that reports none."""

    async def silent(_):
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(noticing, "changes", silent)
    write_files(volume, {"d/a.csv": b"1", "d/b.csv": b"2"})
    store, seen = MemoryStore(), settling.Settling.seen

    def remove(self, path, *arguments, **options):
        seen(self, path, *arguments, **options)
        (volume / "d/a.csv").unlink(missing_ok=True)

    monkeypatch.setattr(settling.Settling, "seen", remove)
    async with watching(store, volume) as watch:
        await watch.until(lambda: watch.outcomes)
    assert (watch.outcomes, watch.result.failing) == ([("d/b.csv", "uploaded")], 0)


async def test_an_observer_that_fails_ends_the_watch(volume):
    """With its error, as in a run."""
    write_files(volume, {"d/a.csv": b"1"})

    def failing(_):
        raise ValueError("no")

    given = Settings(volume=volume, bucket="lake", manifest=False)
    options, stop = WatchOptions(settle=0.1), asyncio.Event()
    with pytest.raises(ObserverFailed):
        await watch_into(MemoryStore(), given, options, stop=stop, observer=failing)


async def test_a_timeout_inside_is_not_taken_for_a_stop(volume, monkeypatch):
    """It is a bug, and raised."""

    async def failing(*_):
        raise TimeoutError("of another kind")

    monkeypatch.setattr(sessions, "preflight", failing)
    given = Settings(volume=volume, bucket="lake")
    with pytest.raises(TimeoutError, match="of another kind"):
        await watch_into(MemoryStore(), given, WatchOptions(), stop=asyncio.Event())
