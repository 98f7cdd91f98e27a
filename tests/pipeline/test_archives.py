"""Members of archives, loaded as files are: by put and in parts, resumed, proved, refused."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncload.aio.buffers import BufferPool
from asyncload.errors import (
    ArchiveUnreadable,
    BodyDamaged,
    KeyCollision,
    MemberDamaged,
    SourceChanged,
    StoreUnavailable,
)
from asyncload.model.checksums import MD5_OF_PARTS, by_algorithm
from asyncload.model.values import (
    Checksum,
    Disposed,
    Excluded,
    FileFinished,
    PartitionUnmarked,
    StaleUploadAborted,
)
from asyncload.operations import tools
from asyncload.operations.load import load_into
from asyncload.planning.plan import MIB
from asyncload.settings.run import Settings
from asyncload.source import equality, readers
from asyncload.source.archives import members as archive_members
from asyncload.source.archives.inflating import Inflating
from asyncload.source.volume import Volume
from asyncload.store.protocol import RemoteObject
from tests.support.archives import BZIP2, DEFLATED, LZMA, STORED, Made, make_zip, zip_of
from tests.support.loads import AT_ONCE, NOW, PREFIX, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

PART = 8 * MIB
DAY = "2022/05/02"
METHODS = pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])


def random_csv(size, seed=1):
    """Bytes that no shifted, cut or mixed copy equals, and that deflate as well as a CSV does."""
    source = random.Random(seed)
    rows = (source.randbytes(500).hex().encode().ljust(4000, b"|") for _ in range(0, size, 4000))
    return b"".join(rows)[:size]


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, archives=True, **options)
    return report, recorder


def data(store):
    """The objects without manifests and records, by the end of their keys."""
    prefix = f"{PREFIX}/"
    return {k.removeprefix(prefix): b for k, b in store.objects.items() if k.startswith(prefix)}


@pytest.mark.fault("J1")
@METHODS
async def test_members_land_as_if_the_archive_were_not_there(volume, method):
    """The small by put, the large in parts, each whole, with where it comes from."""
    small, large = b"id|name\n" * 100, random_csv(2 * PART + 1000)
    files = {"movies.csv": small, "Séries.csv": b"", "eu/l.csv": large}
    write_files(volume, {"x.csv": b"1", "d/Filmes+e+Series.zip": zip_of(files, method)})
    store = MemoryStore()
    report, recorder = await load(store, volume)
    assert data(store) == {
        f"X/{DAY}/x.csv": b"1",
        f"D/{DAY}/movies.csv": small,
        f"D/{DAY}/Séries.csv": b"",
        f"D/{DAY}/eu/l.csv": large,
    }
    assert (report.files, report.landed, report.exit_code) == (4, 4, 0)
    assert recorder.statuses == dict.fromkeys(
        ["x.csv", *(f"d/Filmes+e+Series.zip//{name}" for name in files)], "uploaded"
    )
    info = store.infos[f"{PREFIX}/D/{DAY}/eu/l.csv"]
    assert info.metadata["source-path"] == "d/Filmes%2Be%2BSeries.zip//eu/l.csv"
    seconds = (volume / "d/Filmes+e+Series.zip").stat().st_mtime_ns / 1e9
    assert float(info.metadata["mtime"]) == pytest.approx(seconds)
    store.body_bytes = 0
    report, _ = await load(store, volume)
    assert report.counts == {"unchanged": 4}
    assert store.body_bytes == 0


async def test_without_the_option_they_stay_where_they_are(volume):
    """And what would load them is told."""
    write_files(volume, {"x.csv": b"1", "a.zip": zip_of({"a.csv": b"1"})})
    store, recorder = MemoryStore(), Recorder()
    report = await load_volume(store, volume, recorder)
    assert data(store) == {f"X/{DAY}/x.csv": b"1"}
    assert Excluded("a.zip", "archive", 1) in recorder.events
    assert "--archives" in report.warnings[0].hint


@pytest.mark.fault("J2")
@METHODS
async def test_a_damaged_member_leaves_no_object(volume, method):
    """Also a large one, of which all parts were sent: it is never completed."""
    large = random_csv(2 * PART + 1000)
    damaged = [
        Made(b"s.csv", b"12345", method, crc=1),
        Made(b"l.csv", large, method, crc=2),
        Made(b"good.csv", b"good", method),
    ]
    write_files(volume, {"a.zip": make_zip(*damaged)})
    store = MemoryStore()
    report, recorder = await load(store, volume)
    assert data(store) == {f"Good/{DAY}/good.csv": b"good"}
    assert store.uploads == {}
    assert report.exit_code == 3
    for name in ("s.csv", "l.csv"):
        error = recorder.outcomes[f"a.zip//{name}"].error
        assert isinstance(error, MemberDamaged)
        assert "its CRC-32 is" in error.message


class Store(MemoryStore):
    """Finds bodies damaged the first time, and calls `meanwhile` before each."""

    def __init__(self, *, damages=False, meanwhile=lambda: None):
        super().__init__()
        self.damages = damages
        self.meanwhile = meanwhile
        self.seen = set()

    def judge(self, place, body):
        self.meanwhile()
        if self.damages and place not in self.seen:
            self.seen.add(place)
            body[:1] = bytes([body[0] ^ 255])
            raise BodyDamaged("damaged", code="BadDigest", status=400)

    async def put(self, key, body, *arguments, **options):
        if isinstance(body, memoryview):
            self.judge(key, body)
        return await super().put(key, body, *arguments, **options)

    async def upload_part(self, key, upload_id, number, body, *arguments, **options):
        self.judge((key, number), body)
        return await super().upload_part(key, upload_id, number, body, *arguments, **options)


@pytest.mark.fault("J9")
@METHODS
@pytest.mark.parametrize("size", [1000, 3 * PART])
async def test_bytes_damaged_in_memory_are_inflated_again(volume, method, size):
    """While the parts behind them are sent."""
    content = random_csv(size)
    write_files(volume, {"a.zip": zip_of({"a.csv": content}, method)})
    store = Store(damages=True)
    report, _ = await load(store, volume)
    assert report.counts == {"uploaded": 1}
    assert data(store) == {f"A/{DAY}/a.csv": content}


async def test_a_member_is_inflated_once(volume, monkeypatch):
    """However many parts it has, and although several are sent at the same time."""
    made = []

    class Counted(Inflating):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(archive_members, "Inflating", Counted)
    content = random_csv(6 * PART)
    write_files(volume, {"a.zip": zip_of({"a.csv": content, "b.csv": b"2"})})
    store = MemoryStore()
    await load(store, volume)
    assert sorted(stream.position for stream in made) == [1, 6 * PART]


@pytest.mark.fault("J11")
async def test_more_members_than_threads_are_read_at_once(volume):
    """No thread waits for a member's turn: two read six members of three parts."""
    files = {f"{n}.csv": random_csv(2 * PART + n, n) for n in range(6)}
    write_files(volume, {"a.zip": zip_of(files)})
    store = MemoryStore()
    settings = Settings(volume=volume, bucket="lake", manifest=False, archives=True)
    with ThreadPoolExecutor(2) as threads:
        report = await load_into(store, settings, now=NOW, retries=AT_ONCE, executor=threads)
    assert report.counts == {"uploaded": 6}
    assert sorted(data(store).values()) == sorted(files.values())


class Dying(MemoryStore):
    """Is gone for good after so many parts, so that the upload stays open."""

    def __init__(self, parts):
        super().__init__()
        self.left = parts

    async def upload_part(self, *arguments, **options):
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailable("gone")
        return await super().upload_part(*arguments, **options)

    async def abort_multipart(self, *arguments):
        raise StoreUnavailable("gone")


@pytest.mark.fault("J8")
@METHODS
async def test_a_member_is_resumed_by_sending_what_is_missing(volume, method):
    """Killed at 70 %: it is inflated again, and at most 35 % of its bytes are sent again."""
    content = random_csv(10 * PART)
    write_files(volume, {"a.zip": zip_of({"a.csv": content}, method)})
    dying = Dying(7)
    report, _ = await load(dying, volume, manifest=True)
    assert report.counts == {"failed": 1}
    (upload,) = dying.uploads.values()
    assert len(upload.parts) == 7
    store = MemoryStore()
    store.objects, store.uploads, store.infos = dying.objects, dying.uploads, dying.infos
    report, recorder = await load(store, volume, manifest=True)
    assert report.counts == {"uploaded": 1}
    assert data(store) == {f"A/{DAY}/a.csv": content}
    assert store.part_bytes == 3 * PART <= 0.35 * len(content)
    assert report.kept == 7 * PART
    assert not any(isinstance(event, StaleUploadAborted) for event in recorder.events)


@pytest.mark.fault("J8")
async def test_other_compressions_are_resumed_as_well(volume):
    """Beside small members."""
    large = random_csv(2 * PART + 1000)
    files = {f"{n}.csv": b"%d\n" % n for n in range(20)} | {"l.csv": large}
    write_files(volume, {"a.zip": zip_of(files, BZIP2)})
    dying = Dying(1)
    await load(dying, volume, manifest=True, include=["l.csv"])
    store = MemoryStore()
    store.objects, store.uploads, store.infos = dying.objects, dying.uploads, dying.infos
    report, _ = await load(store, volume, manifest=True)
    assert report.counts == {"uploaded": 21}
    assert {key.rpartition("/")[2]: body for key, body in data(store).items()} == files
    assert (report.kept, store.part_bytes) == (PART, PART + 1000)


@pytest.mark.fault("J3")
async def test_dictionaries_share_a_bounded_memory(volume, monkeypatch):
    """Of members at once: each waits for its turn, and takes it from the buffers' memory."""
    held, opened = [], Volume.open_source

    def noting(self, source):
        held.append(pools[0]())
        return opened(self, source)

    pools = []

    def pool(capacity, *, reserved):
        pools.append(reserved)
        return BufferPool(capacity, reserved=reserved)

    monkeypatch.setattr(Volume, "open_source", noting)
    monkeypatch.setattr(tools, "BufferPool", pool)
    monkeypatch.setattr(readers, "DECODING_MEMORY", 4 * 7000)
    write_files(
        volume,
        {f"{n}.zip": zip_of({f"{n}.csv": random_csv(5000 + n, n)}, LZMA) for n in range(90)},
    )
    # So many connections take no memory.
    report, _ = await load(MemoryStore(), volume, concurrency=32)
    assert report.counts == {"uploaded": 90}
    assert 5000 <= min(held) <= max(held) < 7000
    assert pools[0]() == 0


@pytest.mark.fault("J7")
@pytest.mark.parametrize("size", [1000, 3 * PART])
async def test_an_archive_that_changes_is_a_changed_file(volume, size):
    """No object of mixed bytes; another archive's members are not concerned."""
    archive = volume / "a.zip"
    write_files(volume, {"a.zip": zip_of({"a.csv": random_csv(size)})})
    write_files(volume, {"b.zip": zip_of({"b.csv": b"2"})})
    store = Store(meanwhile=lambda: os.utime(archive))
    # By the time the parts are sent: a small one is in memory then, whole.
    report, recorder = await load(store, volume)
    if size > PART:
        assert isinstance(recorder.outcomes["a.zip//a.csv"].error, SourceChanged)
        assert (data(store), store.uploads) == ({f"B/{DAY}/b.csv": b"2"}, {})
    else:
        assert report.counts == {"uploaded": 2}


@pytest.mark.fault("J10")
async def test_a_file_and_a_member_with_the_same_bytes_are_sent_once(volume):
    """The file is sent, and the member counted; two members likewise."""
    body = b"id\n1\n"
    first, second = zip_of({"a.csv": body, "b.csv": body}), zip_of({"b.csv": body}, STORED)
    write_files(volume, {"a.csv": body, "1.zip": first, "2.zip": second})
    store = MemoryStore()
    report, recorder = await load(store, volume)
    assert recorder.statuses == {"a.csv": "uploaded", "1.zip//b.csv": "uploaded"}
    excluded = [event for event in recorder.events if isinstance(event, Excluded)]
    assert sorted(excluded) == [
        Excluded("1.zip//a.csv", "duplicate"),
        Excluded("2.zip//b.csv", "duplicate"),
    ]
    assert (report.files, report.size) == (2, 2 * len(body))
    assert report.excluded == {"duplicate": 2}
    assert data(store) == {f"A/{DAY}/a.csv": body, f"B/{DAY}/b.csv": body}


async def test_a_large_file_and_member_with_the_same_bytes_are_sent_once(volume):
    """As the small are."""
    body = random_csv(2 * PART + 1)
    write_files(volume, {"a.csv": body, "a.zip": zip_of({"a.csv": body})})
    store = MemoryStore()
    report, _ = await load(store, volume, success_marker=True)
    assert report.counts == {"uploaded": 1}
    assert store.calls["create_multipart"] == 1
    assert data(store) == {f"A/{DAY}/a.csv": body, f"A/{DAY}/_SUCCESS": b""}


@pytest.mark.fault("J10")
@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"a.csv": b"1", "a.zip": zip_of({"a.csv": b"2"})}, "a.csv, a.zip//a.csv"),
        ({"a.csv": b"1", "a.zip": zip_of({"a.csv": b"12"})}, "a.csv, a.zip//a.csv"),
        (
            {"1.zip": zip_of({"a.csv": b"1"}), "2.zip": zip_of({"a.csv": b"2"})},
            "1.zip//a.csv, 2.zip//a.csv",
        ),
        (
            {"A/1.csv": b"1", "a/1.csv": b"1", "a/a.zip": zip_of({"1.csv": b"1"})},
            "A/1.csv, a/1.csv, a/a.zip//1.csv",
        ),
        (
            {"a.csv": b"1", "a.zip": make_zip(Made(b"a.csv", b"2", crc=zlib.crc32(b"1")))},
            "a.csv, a.zip//a.csv",
        ),
    ],
)
async def test_other_bytes_for_one_key_stop_the_run(volume, files, named):
    """Before anything is sent, with all of them named."""
    write_files(volume, files)
    store = MemoryStore()
    with pytest.raises(KeyCollision) as caught:
        await load(store, volume)
    assert caught.value.lines[1].endswith(f"  <-  {named}")
    assert store.body_bytes == 0


async def test_files_of_one_crc_are_compared_by_their_bytes(volume, monkeypatch):
    """The CRC-32 only says which are worth it."""
    compared = []

    def find(volume, groups, beat):
        compared.extend(groups)
        return iter(())

    monkeypatch.setattr(equality, "find_duplicates", find)
    same = {"1.zip": zip_of({"a.csv": b"1"}), "2.zip": zip_of({"a.csv": b"1"})}
    other = {"3.zip": zip_of({"b.csv": b"1"}), "4.zip": zip_of({"b.csv": b"2"})}
    write_files(volume, same | other)
    with pytest.raises(KeyCollision):
        await load(MemoryStore(), volume)
    ((first, second),) = compared
    assert (first.source.path, second.source.path) == ("1.zip//a.csv", "2.zip//a.csv")


@pytest.mark.fault("J12")
async def test_no_partition_is_marked_that_a_refused_member_belongs_to(volume):
    """Nor any that an unreadable archive may have members for."""
    encrypted = make_zip(Made(b"d/a.csv", b"1", flags=1), Made(b"e/b.csv", b"2"))
    write_files(volume, {"x.csv": b"1", "a.zip": encrypted, "s/c.csv": b"3", "s/b.zip": b"PK"})
    store = MemoryStore()
    report, recorder = await load(store, volume, success_marker=True)
    assert isinstance(recorder.outcomes["s/b.zip"].error, ArchiveUnreadable)
    marked = {key for key in data(store) if key.endswith("_SUCCESS")}
    assert marked == {f"X/{DAY}/_SUCCESS", f"E/{DAY}/_SUCCESS"}
    unmarked = [event for event in recorder.events if isinstance(event, PartitionUnmarked)]
    assert unmarked == report.unmarked
    (left,) = unmarked
    assert left.partition == f"{PREFIX}/S/{DAY}/"


async def test_no_partition_is_marked_beside_an_unreadable_archive_at_the_top(volume):
    """Its members may belong to any."""
    write_files(volume, {"x.csv": b"1", "b.zip": b"PK"})
    store = MemoryStore()
    report, _ = await load(store, volume, success_marker=True)
    assert data(store) == {f"X/{DAY}/x.csv": b"1"}
    assert "archive b.zip can't be read" in report.unmarked[0].reason


async def test_a_partition_of_one_file_and_its_duplicate_is_marked(volume):
    """It is counted once."""
    write_files(volume, {"a.csv": b"1", "a.zip": zip_of({"a.csv": b"1"})})
    store = MemoryStore()
    await load(store, volume, success_marker=True)
    assert data(store) == {f"A/{DAY}/a.csv": b"1", f"A/{DAY}/_SUCCESS": b""}


def sources(recorder):
    """What was done with source files, by the outcome that says so."""
    finished = [event for event in recorder.events if isinstance(event, FileFinished)]
    return {event.outcome.path: event.source for event in finished if event.source}


@pytest.mark.fault("J13")
@pytest.mark.parametrize("then", ["delete", "move"])
async def test_an_archive_is_cleared_after_its_last_member(volume, tmp_path, then):
    """By its last outcome, which says so; before, it is there for all others."""
    (tmp_path / "done").mkdir()
    files = {"s.csv": b"1", "t.csv": b"2", "l.csv": random_csv(2 * PART + 1)}
    write_files(volume, {"x.csv": b"1", "d/a.zip": zip_of(files | {"__MACOSX/._s.csv": b"?"})})
    store = MemoryStore()
    action = then if then == "delete" else f"move {tmp_path / 'done'}"
    report, recorder = await load(store, volume, then=action)
    done = Disposed("deleted" if then == "delete" else "moved")
    assert (report.counts, report.sources) == ({"uploaded": 4}, {done.status: 2})
    (last,) = sources(recorder).keys() - {"x.csv"}
    assert last == [path for path in recorder.outcomes if path.startswith("d/a.zip//")][-1]
    assert not [path for path in volume.rglob("*") if path.is_file()]
    assert (tmp_path / "done/d/a.zip").exists() == (then == "move")


@pytest.mark.fault("J13")
@pytest.mark.parametrize(
    ("members", "options", "reason"),
    [
        ([Made(b"b.csv", b"2", crc=1)], {}, None),
        ([Made(b"b.csv", b"2", flags=1)], {}, "1 other CSV, not loaded by this run"),
        ([Made(b"b.csv", b"2"), Made(b"c.csv", b"3")], {"include": ["a.csv"]}, "2 other CSVs"),
        ([Made(b"b.txt", b"2"), Made(b"d/", b"", STORED)], {}, "also holds 1 other file"),
        ([Made(b"z.zip", b"2")], {"exclude": ["z.zip"]}, "1 other CSV"),
    ],
    ids=["damaged", "refused", "not included", "not a CSV", "nested"],
)
async def test_an_archive_stays_if_not_all_of_it_was_loaded(volume, members, options, reason):
    """The last member says why; a failed member says it itself."""
    write_files(volume, {"a.zip": make_zip(Made(b"a.csv", b"1"), *members)})
    report, recorder = await load(MemoryStore(), volume, then="delete", **options)
    assert (volume / "a.zip").exists()
    assert report.counts["uploaded"] == 1
    if reason is None:
        assert (sources(recorder), report.exit_code) == ({}, 3)
    else:
        assert reason in sources(recorder)["a.zip//a.csv"].reason
        assert report.kept_sources == [("a.zip", sources(recorder)["a.zip//a.csv"].reason)]


async def test_an_archive_with_other_files_may_be_moved(volume, tmp_path):
    """They go with it; nothing is lost."""
    (tmp_path / "done").mkdir()
    write_files(volume, {"a.zip": zip_of({"a.csv": b"1", "readme.txt": b"2"})})
    report, _ = await load(MemoryStore(), volume, then=f"move {tmp_path / 'done'}")
    assert (report.sources, (tmp_path / "done/a.zip").exists()) == ({"moved": 1}, True)


@pytest.mark.fault("J13")
async def test_an_archive_stays_if_a_member_is_known_only_by_an_md5_of_parts(volume):
    """As a file would; it is said once."""
    bodies = {"d/a.csv": b"1", "d/b.csv": b"2"}

    class InParts(MemoryStore):
        async def head(self, key):
            body = bodies[f"d/{key[-5:]}"]
            digest = hashlib.md5(hashlib.md5(body).digest()).hexdigest()
            return RemoteObject(1, by_algorithm(Checksum(MD5_OF_PARTS, f"{digest}-1")))

    write_files(volume, {"a.zip": zip_of(bodies)})
    store = InParts()
    store.objects = {f"{PREFIX}/D/{DAY}/{name}.csv": b"?" for name in "ab"}
    report, _ = await load(store, volume, then="delete")
    assert (report.counts, report.sources) == ({"unchanged": 2}, {"kept": 1})
    assert (volume / "a.zip").exists()


async def test_an_archive_that_changed_since_is_kept(volume):
    """Its present content was not verified."""
    write_files(volume, {"a.zip": zip_of({"a.csv": b"1"})})
    store = Store(meanwhile=lambda: os.utime(volume / "a.zip", (1, 1)))
    report, recorder = await load(store, volume, then="delete")
    assert report.counts == {"uploaded": 1}
    assert sources(recorder)["a.zip//a.csv"].reason == "the file changed after it was loaded"


@pytest.mark.fault("J13")
async def test_an_archive_with_a_duplicate_is_cleared_by_the_next_run(volume):
    """Then the member is compared by itself."""
    write_files(volume, {"a.csv": b"1", "a.zip": zip_of({"a.csv": b"1"})})
    store = MemoryStore()
    report, _ = await load(store, volume, then="delete")
    assert (report.sources, [path.name for path in volume.iterdir()]) == ({"deleted": 1}, ["a.zip"])
    report, _ = await load(store, volume, then="delete")
    assert (report.counts, report.sources) == ({"unchanged": 1}, {"deleted": 1})
    assert not list(volume.iterdir())
