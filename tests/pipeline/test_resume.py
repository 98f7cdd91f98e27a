"""A run that was killed is gone on with: its parts are kept where they are the file's."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from asyncload.checksums import checksum_of
from asyncload.errors import AccessDenied, NoSuchUpload, RequestRejected, UploadBroken
from asyncload.model import ObjectKey, PartKept, Unchanged, UploadSwept
from asyncload.plan import MIB
from asyncload.store import Page, StoredPart
from tests.support.loads import PREFIX, Recorder, load_volume
from tests.support.memory_store import MemoryStore

KEY = ObjectKey(f"{PREFIX}/L/2022/05/02/l.csv")
PART = 8 * MIB
PARTS = 10


@pytest.fixture
def large(volume):
    """A file of ten parts."""
    path = volume / "l.csv"
    path.write_bytes(os.urandom((PARTS - 1) * PART + 1000))
    return path


async def leave_open(store, content, numbers, *, part=PART, age=timedelta(), algorithm="CRC64NVME"):
    """Leave an upload behind that has these parts of `content`, as a killed run does."""
    upload_id = await store.create_multipart(KEY, algorithm=algorithm)
    for number in numbers:
        body = content[(number - 1) * part : number * part]
        await store.upload_part(KEY, upload_id, number, body, checksum_of(body, algorithm))
    store.uploads[upload_id].initiated = datetime.now(UTC) - age
    store.calls.clear()
    store.body_bytes = 0
    return upload_id


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **options)
    return report, recorder


async def test_only_the_missing_parts_are_sent(large, volume):
    """Killed at 90 %: at most 15 % of the bytes go again, and the object is the file."""
    store = MemoryStore()
    await leave_open(store, large.read_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 10])
    report, recorder = await load(store, volume)
    assert store.body_bytes == PART
    assert report.kept == large.stat().st_size - PART
    assert sum(e.size for e in recorder.events if isinstance(e, PartKept)) == report.kept
    assert store.objects == {KEY: large.read_bytes()}
    assert store.uploads == {}
    assert store.calls["create_multipart"] == 0


async def test_an_upload_without_parts_is_gone_on_with_as_well(large, volume):
    """A new one would only leave it behind."""
    store = MemoryStore()
    await leave_open(store, large.read_bytes(), [])
    await load(store, volume)
    assert store.calls["create_multipart"] == 0
    assert store.uploads == {}


async def test_an_upload_that_was_begun_otherwise_is_not_gone_on_with(large, volume):
    """With another checksum, say: the store refuses its parts, and the file begins anew."""
    store = MemoryStore()
    await leave_open(store, large.read_bytes(), [1])
    _, recorder = await load(store, volume, checksum="crc32")
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert store.objects == {KEY: large.read_bytes()}
    assert store.uploads == {}


async def test_a_listing_of_parts_may_have_several_pages(large, volume):
    """All of them count; so do those of uploads."""
    store = MemoryStore(page=2)
    for _ in range(2):
        await leave_open(store, b"", [], age=timedelta(minutes=1))
    await leave_open(store, large.read_bytes(), range(1, PARTS + 1))
    await load(store, volume)
    assert store.body_bytes == 0
    assert len(store.uploads) == 2
    assert store.objects == {KEY: large.read_bytes()}


async def test_a_part_whose_crc_the_store_tells_is_compared_by_it(large, volume):
    """Its ETag may then be anything."""

    class Tells(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            page = await super().list_parts(key, upload_id, after)
            bodies = self.uploads[upload_id].parts
            return Page(
                [
                    StoredPart(
                        part.number,
                        part.size,
                        part.etag,
                        checksum_of(bodies[part.number], "CRC64NVME"),
                        part.modified,
                    )
                    for part in page.items
                ],
                page.next,
            )

    store = Tells()
    await leave_open(store, large.read_bytes(), range(1, PARTS))
    await load(store, volume)
    assert store.body_bytes == 1000
    assert store.objects == {KEY: large.read_bytes()}


async def test_a_part_that_can_not_be_compared_is_sent_again(large, volume):
    """Never kept by its size alone."""

    class Opaque(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            page = await super().list_parts(key, upload_id, after)
            items = [StoredPart(p.number, p.size, '"?"', None, p.modified) for p in page.items]
            return Page(items, page.next)

    store = Opaque()
    await leave_open(store, large.read_bytes(), [1, 2])
    report, _ = await load(store, volume)
    assert store.body_bytes == large.stat().st_size
    assert report.kept == 0
    assert store.objects == {KEY: large.read_bytes()}


async def test_where_the_file_changed_the_old_upload_is_aborted(large, volume):
    """Whether a part was another one already, or only turns out to be when it is read."""
    store = MemoryStore()
    old = large.read_bytes()
    changed = old[:PART] + bytes([old[PART] ^ 1]) + old[PART + 1 :]
    large.write_bytes(changed)
    upload_id = await leave_open(store, old, [1, 2, 3])
    report, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert upload_id not in store.uploads
    assert store.objects == {KEY: changed}
    assert store.uploads == {}
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("checksum", "algorithm"), [("auto", "CRC64NVME"), ("crc32", "CRC32"), ("md5", "MD5")]
)
@pytest.mark.parametrize("part", [5 * MIB, 9 * MIB])
async def test_an_upload_in_parts_of_another_size_is_gone_on_with_in_these(
    large, volume, part, checksum, algorithm
):
    """A run that had other memory cut the file otherwise; the rest of it is cut as it did."""
    store = MemoryStore()
    await leave_open(store, large.read_bytes(), [1, 3], part=part, algorithm=algorithm)
    report, _ = await load(store, volume, checksum=checksum)
    assert report.kept == 2 * part
    assert store.body_bytes == large.stat().st_size - 2 * part
    assert store.objects == {KEY: large.read_bytes()}
    assert store.uploads == {}


@pytest.mark.parametrize(
    "parts",
    [
        {1: 5 * MIB, 2: 9 * MIB},
        {1: 4 * MIB, 2: 4 * MIB},
        {1: 65 * MIB},
        {20: 5 * MIB},
        {1: 0},
    ],
    ids=["two-sizes", "too-small", "over-the-memory", "behind-the-end", "empty"],
)
async def test_parts_that_can_not_be_the_files_are_not_kept(large, volume, parts):
    """That upload is aborted, and told of."""
    store = MemoryStore()
    upload_id = await leave_open(store, b"", [])
    for number, size in parts.items():
        body = bytes(size)
        await store.upload_part(KEY, upload_id, number, body, checksum_of(body, "CRC64NVME"))
    report, recorder = await load(store, volume, memory=64 * MIB)
    assert UploadSwept(KEY, upload_id) in recorder.events
    assert report.swept == 1
    assert store.objects == {KEY: large.read_bytes()}
    assert store.uploads == {}


async def test_a_last_part_alone_does_not_say_how_the_file_was_cut(volume):
    """Where it could be any part of a smaller size, its bytes tell that it is not."""
    content = os.urandom(2 * 9 * MIB + 6 * MIB)
    (volume / "l.csv").write_bytes(content)
    store = MemoryStore()
    upload_id = await leave_open(store, content, [3], part=9 * MIB)
    report, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert report.kept == 0
    assert upload_id not in store.uploads
    assert store.objects == {KEY: content}
    assert store.uploads == {}


async def test_of_several_uploads_the_latest_is_gone_on_with(large, volume):
    """One that nobody has added to for an hour is aborted; a younger one may be a live run's."""
    store = MemoryStore()
    content = large.read_bytes()
    expired = await leave_open(store, content, [1], age=timedelta(hours=2))
    younger = await leave_open(store, content, [1, 2], age=timedelta(minutes=50))
    empty = await leave_open(store, content, [], age=timedelta(minutes=1))
    latest = await leave_open(store, content, [1, 2, 3])
    report, recorder = await load(store, volume)
    assert UploadSwept(KEY, expired) in recorder.events
    assert set(store.uploads) == {younger, empty}
    assert report.kept == 3 * PART
    assert latest not in store.uploads


async def test_a_key_that_has_its_object_is_swept_as_well(large, volume):
    """Of what is older than an hour; uploads of other keys are nobody's business here."""
    store = MemoryStore()
    content = large.read_bytes()
    await load(store, volume)
    expired = await leave_open(store, content, [1], age=timedelta(hours=2))
    young = await leave_open(store, content, [1])
    foreign = await store.create_multipart(ObjectKey(f"{PREFIX}/Other/x.csv"))
    store.uploads[foreign].initiated = datetime.now(UTC) - timedelta(days=9)
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "unchanged"}
    assert UploadSwept(KEY, expired) in recorder.events
    assert set(store.uploads) == {young, foreign}


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_where_uploads_may_not_be_listed_none_is_gone_on_with(large, volume, error):
    """The file goes whole."""

    class Denies(MemoryStore):
        async def list_uploads(self, prefix, after=None):
            raise error("no")

    store = Denies()
    await leave_open(store, large.read_bytes(), [1])
    await load(store, volume)
    assert store.objects == {KEY: large.read_bytes()}
    assert len(store.uploads) == 1


@pytest.mark.parametrize("error", [AccessDenied, NoSuchUpload])
@pytest.mark.parametrize("landed", [True, False])
async def test_where_parts_may_not_be_listed_the_upload_is_left_alone(large, volume, error, landed):
    """It may be gone by now, or not ours to see."""

    class Denies(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            raise error("no")

    store = Denies()
    if landed:
        await load(store, volume)
    await leave_open(store, large.read_bytes(), [1], age=timedelta(days=1))
    _, recorder = await load(store, volume)
    assert recorder.statuses["l.csv"] in ("uploaded", "unchanged")
    assert store.objects == {KEY: large.read_bytes()}
    assert len(store.uploads) == 1


@pytest.mark.parametrize("error", [NoSuchUpload, UploadBroken])
@pytest.mark.parametrize("step", ["upload_part", "complete_multipart"])
async def test_an_upload_that_the_store_lost_is_begun_anew_once(large, volume, error, step):
    """All its parts go again; a second loss fails the file."""

    class Loses(MemoryStore):
        losses = 1

        async def _answer(self, call, body=b""):
            await super()._answer(call, body)
            if call == step and self.losses:
                self.losses -= 1
                self.uploads.clear()
                raise error("gone", code="NoSuchUpload", status=404)

    store = Loses()
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert store.objects == {KEY: large.read_bytes()}
    assert store.calls["create_multipart"] == 2
    store = Loses()
    store.losses = 1000
    _, recorder = await load(store, volume)
    assert isinstance(recorder.outcomes["l.csv"].error, error)
    assert store.calls["create_multipart"] == 2
    assert (store.objects, store.uploads) == ({}, {})


@pytest.mark.parametrize("skip", [True, False])
async def test_an_upload_that_is_gone_because_other_bytes_landed_is_no_success(large, volume, skip):
    """Its key is taken by somebody else's."""

    class Overtaken(MemoryStore):
        async def complete_multipart(self, key, *arguments, create_only):
            self.objects[key] = b"theirs"
            self.uploads.clear()
            raise NoSuchUpload("gone", code="NoSuchUpload", status=404)

    _, recorder = await load(Overtaken(), volume, skip_existing=skip)
    assert recorder.statuses == {"l.csv": "skipped" if skip else "failed"}


async def test_two_runs_may_go_on_with_the_same_upload(large, volume):
    """Each sends what it finds missing; one completes it, and both are right."""
    store = MemoryStore()
    await leave_open(store, large.read_bytes(), [1, 2, 3])
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(load(store, volume)) for _ in range(2)]
    statuses = [task.result()[1].statuses["l.csv"] for task in runs]
    assert set(statuses) <= {"uploaded", "unchanged"}
    assert store.objects == {KEY: large.read_bytes()}
    assert store.uploads == {}


@pytest.mark.parametrize("size", [1, 17 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("times", [1, 2])
async def test_damage_that_the_store_reports_is_sent_once_more(volume, size, times):
    """The object that we made is ours to replace; a second time the file fails."""
    (volume / "l.csv").write_bytes(os.urandom(size))

    class Damages(MemoryStore):
        left = times

        def damage(self, key, receipt):
            from asyncload.model import Checksum
            from asyncload.store import Receipt

            if not self.left:
                return receipt
            self.left -= 1
            self.objects[key] = b"damaged"
            return Receipt(receipt.etag, Checksum("CRC64NVME", "AAAAAAAAAAE="))

        async def put(self, key, *arguments, **options):
            return self.damage(key, await super().put(key, *arguments, **options))

        async def complete_multipart(self, key, *arguments, **options):
            receipt = await super().complete_multipart(key, *arguments, **options)
            return self.damage(key, receipt)

    store = Damages()
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded" if times == 1 else "failed"}
    if times == 1:
        assert store.objects == {KEY: (volume / "l.csv").read_bytes()}
        assert isinstance((await load(store, volume))[1].outcomes["l.csv"], Unchanged)
