"""`watch --archives`: an archive is complete as a file is, and done once all of its CSVs are."""

from __future__ import annotations

import os

import pytest

from asyncload.errors import ServerError
from asyncload.model.values import Excluded, LoadStarted
from asyncload.operations.watching.archives import WatchedArchives
from asyncload.source import settling
from asyncload.source.scanner import Scanner
from tests.support.archives import Made, make_zip, zip_of
from tests.support.loads import AT_ONCE, PREFIX, write_files
from tests.support.memory_store import MemoryStore
from tests.support.watches import watching

FILMS = {
    "movies.csv": b"1",
    "eu/series.csv": b"2",
    "readme.txt": b"?",
    "__MACOSX/._movies.csv": b"?",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries without waits."""
    monkeypatch.setattr(settling, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(settling, "MAX_RETRY", 0.1)
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: AT_ONCE)


def names(store):
    """The objects by the last words of their keys."""
    return {
        key.rpartition("/")[2]: body
        for key, body in store.objects.items()
        if key.startswith(PREFIX)
    }


@pytest.mark.fault("J14")
@pytest.mark.parametrize("poll", [False, True])
async def test_an_archive_is_loaded_once_it_is_quiet(volume, tmp_path, poll):
    """As its contents, under the day on which it appeared; then it is moved, after them all."""
    write_files(volume, {"x.csv": b"3", "d/there.zip": zip_of({"a.csv": b"4"})})
    (tmp_path / "done").mkdir()
    write_files(tmp_path, {"f.zip": zip_of(FILMS)})
    os.utime(tmp_path / "f.zip", (1_000_000, 1_000_000))
    store, then = MemoryStore(), f"move {tmp_path / 'done'}"
    async with watching(store, volume, poll=poll, archives=True, then=then) as watch:
        await watch.until(lambda: len(store.objects) == 2)
        (tmp_path / "f.zip").rename(volume / "F.ZIP")
        await watch.until((tmp_path / "done/F.ZIP").exists)
        await watch.until((tmp_path / "done/d/there.zip").exists)
    assert names(store) == {"x.csv": b"3", "a.csv": b"4", "movies.csv": b"1", "series.csv": b"2"}
    assert not any("1970" in key for key in store.objects)
    assert sorted(watch.outcomes) == [
        (path, "uploaded")
        for path in ("F.ZIP//eu/series.csv", "F.ZIP//movies.csv", "d/there.zip//a.csv", "x.csv")
    ]
    assert (watch.result.loaded, watch.result.exit_code) == (4, 0)
    assert watch.result.report.sources == {"moved": 3}


async def test_without_the_option_archives_are_ignored(volume):
    """Whether they can be read or not."""
    write_files(volume, {"a.zip": zip_of(FILMS), "b.zip": b"PK", "x.csv": b"1"})
    store = MemoryStore()
    async with watching(store, volume) as watch:
        await watch.until(lambda: watch.outcomes)
        write_files(volume, {"c.zip": zip_of(FILMS), "y.csv": b"2"})
        await watch.until(lambda: len(watch.outcomes) == 2)
    assert names(store) == {"x.csv": b"1", "y.csv": b"2"}


async def test_an_archive_is_not_loaded_again(volume):
    """Neither by the same watch nor by the next one."""
    write_files(volume, {"a.zip": zip_of({"a.csv": b"1"})})
    store = MemoryStore()
    for status in ("uploaded", "unchanged"):
        async with watching(store, volume, archives=True, poll=True) as watch:
            await watch.until(lambda: ("a.zip//a.csv", status) in watch.outcomes)  # noqa: B023  # called at once
            write_files(volume, {f"{status}.csv": b"1"})
            await watch.until(lambda: f"{status}.csv" in dict(watch.outcomes))  # noqa: B023  # called at once
        assert [path for path, _ in watch.outcomes].count("a.zip//a.csv") == 1
    assert store.calls["put"] == 3


@pytest.mark.fault("J14")
async def test_members_that_failed_are_tried_again_alone(volume):
    """Each failure is told once; the archive stays until all of it is in the bucket."""
    good, bad = Made(b"a.csv", b"1"), [Made(b"b.csv", b"2", crc=1), Made(b"c.csv", b"3", flags=1)]
    write_files(volume, {"a.zip": make_zip(good, *bad)})
    store, begun = MemoryStore(), []

    def count(event):
        begun.extend([event] * isinstance(event, LoadStarted))

    options = {"archives": True, "then": "delete", "skip_existing": True}
    async with watching(store, volume, on_event=count, **options) as watch:
        await watch.until(lambda: len(begun) > 3)
        assert sorted(watch.outcomes) == [
            ("a.zip//a.csv", "uploaded"),
            ("a.zip//b.csv", "failed"),
            ("a.zip//c.csv", "failed"),
        ]
        assert (volume / "a.zip").exists()
        assert store.calls["put"] == 1
        write_files(volume, {"a.zip": zip_of({"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"})})
        await watch.until(lambda: not (volume / "a.zip").exists())
        await watch.until(lambda: len(watch.outcomes) == 6)
    assert names(store) == {"a.csv": b"1", "b.csv": b"2", "c.csv": b"3"}
    assert (watch.result.failing, watch.result.exit_code) == (0, 0)


async def test_an_archive_of_which_a_member_was_skipped_stays(volume):
    """Also if that was in an earlier attempt than its last one."""
    names_of = {"a.csv": b"1", "b.csv": b"2"}
    write_files(volume, {"a.zip": make_zip(*(Made(n.encode(), b) for n, b in names_of.items()))})
    store = Refusing("b.csv")
    # Not listed as an object of the same size.
    day = "2022/05/02"
    store.objects[f"{PREFIX}/A/{day}/a.csv"] = b"another"
    options = {"archives": True, "then": "delete", "skip_existing": True, "date": "2022-05-02"}
    async with watching(store, volume, **options) as watch:
        await watch.until(lambda: len(watch.outcomes) == 2)
        store.refused = ""
        await watch.until(lambda: len(watch.outcomes) == 3)
    assert watch.outcomes[-1] == ("a.zip//b.csv", "uploaded")
    assert (volume / "a.zip").exists()
    assert watch.result.report.sources == {"kept": 1}


class Refusing(MemoryStore):
    """Has no room for the objects of one name."""

    def __init__(self, refused):
        super().__init__()
        self.refused = refused

    async def put(self, key, *arguments, **options):
        if self.refused and key.endswith(self.refused):
            raise ServerError("no room", status=507)
        return await super().put(key, *arguments, **options)


async def test_an_archive_that_is_still_written_is_loaded_when_it_is_complete(volume):
    """What could not be read is told, and the rest of it changes that."""
    content = zip_of(FILMS)
    write_files(volume, {"a.zip": content[:20]})
    store = MemoryStore()
    async with watching(store, volume, archives=True) as watch:
        await watch.until(lambda: watch.outcomes)
        write_files(volume, {"a.zip": content})
        await watch.until(lambda: len(watch.outcomes) == 3)
    assert watch.outcomes[0] == ("a.zip", "failed")
    assert names(store) == {"movies.csv": b"1", "series.csv": b"2"}
    assert watch.result.exit_code == 0


@pytest.mark.parametrize("whole", [True, False])
async def test_an_archive_that_changes_before_it_is_read_settles_again(volume, monkeypatch, whole):
    """It was complete in another version, and does not count as failed."""
    content = zip_of({"old.csv": b"1"})
    write_files(volume, {"a.zip": content if whole else content[:20]})
    expand, rewritten = Scanner.expand, []

    def rewrite(self, path, beat):
        if rewritten or not whole:
            yield from expand(self, path, beat)
        if not rewritten:
            rewritten.append(path)
            write_files(volume, {"a.zip": zip_of({"new.csv": b"22"})})
            if whole:
                yield from expand(self, path, beat)

    monkeypatch.setattr(Scanner, "expand", rewrite)
    store = MemoryStore()
    async with watching(store, volume, archives=True) as watch:
        await watch.until(lambda: watch.outcomes)
    assert watch.outcomes == [("a.zip//new.csv", "uploaded")]
    assert (names(store), watch.result.failing) == ({"new.csv": b"22"}, 0)


async def test_an_archive_that_is_removed_before_its_members_are_read_is_no_failure(volume):
    """It is forgotten."""
    write_files(volume, {"a.zip": zip_of(FILMS)})

    def remove(event):
        if isinstance(event, LoadStarted):
            (volume / "a.zip").unlink(missing_ok=True)

    store = MemoryStore()
    async with watching(store, volume, archives=True, poll=True, on_event=remove) as watch:
        await watch.until(lambda: not (volume / "a.zip").exists())
        write_files(volume, {"x.csv": b"1"})
        await watch.until(lambda: watch.outcomes)
    assert (watch.outcomes, watch.result.exit_code) == ([("x.csv", "uploaded")], 0)


async def test_members_for_one_key_fail_unless_they_are_equal(volume):
    """The others are loaded."""
    members = {"f/a.csv": b"1", "F/a.csv": b"2", "f/b.csv": b"3", "F/b.csv": b"3", "c.csv": b"4"}
    write_files(volume, {"a.zip": zip_of(members)})
    store = MemoryStore()
    async with watching(store, volume, archives=True) as watch:
        await watch.until(lambda: len(watch.outcomes) == 4)
    statuses = dict(watch.outcomes)
    assert statuses.pop("a.zip//c.csv") == "uploaded"
    assert [statuses[f"a.zip//{folder}/a.csv"] for folder in "fF"] == ["failed"] * 2
    assert names(store) == {"b.csv": b"3", "c.csv": b"4"}
    assert [event.reason for event in watch.events if isinstance(event, Excluded)]
    assert watch.result.failing == 1


async def test_what_is_known_of_a_failing_archive_goes_with_it(volume, monkeypatch):
    """Also if only a scan notices that it is gone."""
    write_files(volume, {"a.zip": make_zip(Made(b"a.csv", b"1", crc=2))})
    kept = []
    begin = WatchedArchives.__init__

    def keep(self, *arguments, **options):
        begin(self, *arguments, **options)
        kept.append(self)

    monkeypatch.setattr(WatchedArchives, "__init__", keep)
    monkeypatch.setattr(settling, "FIRST_RETRY", 60.0)
    monkeypatch.setattr(settling, "MAX_RETRY", 60.0)
    async with watching(MemoryStore(), volume, archives=True, poll=True) as watch:
        await watch.until(lambda: watch.outcomes)
        assert "a.zip" in kept[0]._earlier
        (volume / "a.zip").unlink()
        await watch.until(lambda: not kept[0]._earlier)
