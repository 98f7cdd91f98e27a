"""A killed run's uploads: resumed where they provably are ours, else left to their lease."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from asyncload.errors import (
    AccessDenied,
    EndpointRefused,
    NoSuchUpload,
    RequestRejected,
    ServerError,
    UploadBroken,
)
from asyncload.model.checksums import checksum_of
from asyncload.model.values import (
    Lock,
    ObjectKey,
    PartKept,
    PlannedUpload,
    SourceFile,
    StaleUploadAborted,
    Unchanged,
    Warned,
)
from asyncload.planning.plan import MIB, PartLayout
from asyncload.store.protocol import Page, StoredPart
from asyncload.transfer import Provenance
from asyncload.transfer.upload_records import (
    MAX_RECORD,
    UploadRecord,
    decode_record,
    fingerprint,
    record_key,
)
from tests.support.content import random_bytes
from tests.support.loads import PREFIX, UNIT, Recorder, load_volume
from tests.support.memory_store import MemoryStore

KEY = ObjectKey(f"{PREFIX}/L/2022/05/02/l.csv")
PART = 8 * UNIT
LEASE = timedelta(hours=1)


pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
def large(volume):
    """A file of three parts."""
    path = volume / "l.csv"
    path.write_bytes(random_bytes(2 * PART + 1000))
    return path


@pytest.fixture
def ten_parts(volume):
    """A file of ten."""
    path = volume / "l.csv"
    path.write_bytes(random_bytes(9 * PART + 1000))
    return path


async def leave_open(
    store,
    file,
    numbers,
    *,
    content=None,
    part=PART,
    age=timedelta(),
    algorithm="CRC64NVME",
    recorded=True,
    lock=None,
):
    """Leave an upload behind that has these parts of a file, as a killed run does.

    `content` is what the file held then, `part` the size it was cut into; `recorded` says whether
    that run recorded the upload.
    """
    content = file.read_bytes() if content is None else content
    source = PlannedUpload(SourceFile(file.name, len(content)), KEY)
    info = Provenance("an earlier run", "1.0").info(source, file.stat().st_mtime_ns)
    info = info._replace(lock=lock)
    upload_id = await store.create_multipart(KEY, algorithm=algorithm, info=info)
    for number in numbers:
        body = content[(number - 1) * part : number * part]
        await store.upload_part(KEY, upload_id, number, body, checksum_of(body, algorithm))
    store_now = datetime.now(UTC) + timedelta(seconds=store.clock_offset or 0)
    store.uploads[upload_id].initiated = store_now - age
    if recorded:
        made = fingerprint(store.object_settings(info), algorithm)
        record = UploadRecord(KEY, upload_id, PartLayout(len(content), part), made)
        write_record(store, upload_id, record.encode("an earlier run", datetime.now(UTC)))
    store.calls.clear()
    store.part_bytes = 0
    return upload_id


def write_record(store, upload_id, body):
    store.objects[record_key("_asyncload", upload_id)] = body


def data(store):
    """Return the objects but for manifests and records."""
    return {k: body for k, body in store.objects.items() if not k.startswith("_asyncload/")}


def records(store):
    """Return the records of uploads, parsed."""
    prefix = "_asyncload/uploads/"
    return [json.loads(body) for k, body in store.objects.items() if k.startswith(prefix)]


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **{"manifest": True} | options)
    return report, recorder


async def test_only_the_missing_parts_are_sent(ten_parts, volume):
    """Killed at 90 %: at most 15 % of the bytes go again, and the object is the file."""
    store = MemoryStore()
    await leave_open(store, ten_parts, [1, 2, 3, 4, 5, 6, 7, 8, 10])
    report, recorder = await load(store, volume)
    assert store.part_bytes == PART
    assert report.kept == ten_parts.stat().st_size - PART
    assert sum(e.size for e in recorder.events if isinstance(e, PartKept)) == report.kept
    assert data(store) == {KEY: ten_parts.read_bytes()}
    assert store.uploads == {}
    assert store.calls["create_multipart"] == 0


async def test_an_upload_without_parts_is_resumed_as_well(large, volume):
    """A new one would only leave it behind."""
    store = MemoryStore()
    await leave_open(store, large, [])
    await load(store, volume)
    assert store.calls["create_multipart"] == 0
    assert store.uploads == {}


async def test_each_upload_is_recorded_before_it_is_complete(large, volume):
    """With its key, id, size and cut, the run, and a hash of what it was created with."""

    class Looks(MemoryStore):
        async def complete_multipart(self, key, upload_id, *arguments, **options):
            seen.append((upload_id, records(self)))
            return await super().complete_multipart(key, upload_id, *arguments, **options)

    seen = []
    report, _ = await load(Looks(), volume)
    ((upload_id, (record,)),) = seen
    assert record.pop("fingerprint").isalnum()
    assert datetime.fromisoformat(record.pop("started")).tzinfo is not None
    assert record == {
        "version": 1,
        "key": KEY,
        "upload_id": upload_id,
        "run_id": report.run_id,
        "size": large.stat().st_size,
        "part_size": PART,
    }


async def test_a_resumed_upload_keeps_its_record(large, volume):
    """Its own run wrote it."""
    store = MemoryStore()
    await leave_open(store, large, [1])
    await load(store, volume)
    (record,) = records(store)
    assert record["run_id"] == "an earlier run"


async def test_without_manifest_nothing_is_recorded_and_nothing_resumed(large, volume):
    """The upload that is there stays until its lease is over, and the file goes whole."""
    store = MemoryStore()
    young = await leave_open(store, large, [1, 2])
    stale = await leave_open(store, large, [1, 2], age=2 * LEASE)
    report, recorder = await load(store, volume, manifest=False)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert set(store.uploads) == {young}
    assert StaleUploadAborted(KEY, stale) in recorder.events
    assert report.kept == 0
    assert store.part_bytes == large.stat().st_size
    assert store.calls["read"] == store.calls["put"] == 0


OTHERWISE = {
    "acl": {"ACL": "public-read"},
    "content type": {"ContentType": "text/html"},
    "metadata": {"Metadata": {"owner": "mallory"}},
    "encryption": {"ServerSideEncryption": "aws:kms"},
    "KMS key": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"},
    "storage class": {"StorageClass": "GLACIER_IR"},
    "tags": {"Tagging": "team=lake"},
}


@pytest.mark.parametrize("before", OTHERWISE.values(), ids=OTHERWISE)
@pytest.mark.parametrize("after", [{}, {"ACL": "private"}], ids=["none", "private"])
async def test_an_upload_that_was_created_otherwise_is_not_resumed(large, volume, before, after):
    """The object would get what that run was asked for, not this one."""
    store = MemoryStore()
    store.stored_as = before
    upload_id = await leave_open(store, large, [1, 2])
    store.stored_as = after
    report, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert report.kept == 0
    assert set(store.uploads) == {upload_id}
    assert data(store) == {KEY: large.read_bytes()}


async def test_an_upload_with_another_lock_is_not_resumed(large, volume):
    """Its object would be unlocked too early; a run of the same day locks until the same time."""
    store = MemoryStore()
    store.locks = True
    same = Lock("GOVERNANCE", datetime(2022, 8, 1, tzinfo=UTC))
    other = await leave_open(store, large, [1], lock=same._replace(mode="COMPLIANCE"))
    await leave_open(store, large, [1, 2], lock=same)
    report, _ = await load(store, volume, lock_mode="governance", lock_until="90d")
    assert report.kept == 2 * PART
    assert set(store.uploads) == {other}
    assert (await store.head(KEY)).lock == same


async def test_an_upload_for_another_checksum_is_not_resumed(large, volume):
    """Its parts would be refused, or the object have no checksum of the kind that was asked for."""
    store = MemoryStore()
    upload_id = await leave_open(store, large, [1])
    _, recorder = await load(store, volume, checksum="crc32")
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert data(store) == {KEY: large.read_bytes()}
    assert set(store.uploads) == {upload_id}


@pytest.mark.parametrize("touched", ["mtime", "size"])
async def test_an_upload_of_another_version_of_the_file_is_not_resumed(large, volume, touched):
    """By modification time and size, before a part of it is read; its lease holds."""
    store = MemoryStore()
    upload_id = await leave_open(store, large, [1, 2])
    if touched == "mtime":
        os.utime(large, ns=(0, 1))
    else:
        stat = large.stat()
        with large.open("ab") as file:
            file.write(b"x")
        os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    report, _ = await load(store, volume)
    assert report.kept == 0
    assert set(store.uploads) == {upload_id}
    assert data(store) == {KEY: large.read_bytes()}


async def test_an_upload_of_other_bytes_is_left_to_its_lease(large, volume):
    """Of the same time and size: a part's checksum shows it; another run may be sending them."""
    store = MemoryStore()
    old = large.read_bytes()
    stat = large.stat()
    changed = old[:PART] + bytes([old[PART] ^ 1]) + old[PART + 1 :]
    large.write_bytes(changed)
    os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    upload_id = await leave_open(store, large, [1, 2, 3], content=old)
    report, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert data(store) == {KEY: changed}
    assert set(store.uploads) == {upload_id}
    assert report.exit_code == 0


RECORDS = {
    "none": None,
    "no JSON": b"\xff{",
    "no object": b"[1]",
    "brackets": b"[" * MAX_RECORD,
    "a huge number": b'{"version":1,"size":' + b"9" * 5000 + b"}",
    "another version": {"version": 2},
    "another key": {"key": "Raw/Local/CSV/M/2022/05/02/m.csv"},
    "another upload": {"upload_id": "upload-99"},
    "another fingerprint": {"fingerprint": "0" * 64},
    "no fingerprint": {"fingerprint": None},
    "a true size": {"size": True},
    "a negative size": {"size": -1},
    "a part size of 0": {"part_size": 0},
    "tiny parts": {"part_size": 1},
    "parts over the memory": {"part_size": 1024 * MIB},
    "a text as size": {"part_size": "8"},
    "too long": {"padding": "x" * MAX_RECORD},
}


@pytest.mark.parametrize("found", RECORDS.values(), ids=RECORDS)
async def test_a_record_that_is_not_right_in_every_field_is_not_trusted(large, volume, found):
    """With any record, the file is uploaded again."""
    store = MemoryStore()
    upload_id = await leave_open(store, large, [])
    key = record_key("_asyncload", upload_id)
    if isinstance(found, dict):
        write_record(store, upload_id, json.dumps(json.loads(store.objects[key]) | found).encode())
    elif found is None:
        del store.objects[key]
    else:
        write_record(store, upload_id, found)
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert set(store.uploads) == {upload_id}
    assert data(store) == {KEY: large.read_bytes()}


@pytest.mark.parametrize("error", [AccessDenied, EndpointRefused, RequestRejected, ServerError])
async def test_a_record_that_can_not_be_read_is_not_trusted(large, volume, error):
    """S3 says denied of a missing object, if listing is not allowed."""

    class Denies(MemoryStore):
        async def read(self, key, offset, length):
            raise error("no")

    store = Denies()
    upload_id = await leave_open(store, large, [1])
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert set(store.uploads) == {upload_id}


async def test_of_a_record_only_the_start_is_read(large, volume):
    """A long one would fill the memory."""

    class Measures(MemoryStore):
        async def read(self, key, offset, length):
            asked.append((offset, length))
            return await super().read(key, offset, length)

    asked = []
    store = Measures()
    await leave_open(store, large, [1])
    await load(store, volume)
    assert asked == [(0, MAX_RECORD + 1)]


@pytest.mark.parametrize("error", [AccessDenied, ServerError])
async def test_a_record_that_can_not_be_written_costs_no_file(large, volume, error):
    """One warning for the run says what that means; the upload can't be resumed, that is all."""
    (volume / "m.csv").write_bytes(large.read_bytes())

    class Denies(MemoryStore):
        async def put(self, key, *arguments, **options):
            if key.startswith("_asyncload/uploads/"):
                raise error("denied")
            return await super().put(key, *arguments, **options)

    report, recorder = await load(Denies(), volume)
    assert recorder.statuses == {"l.csv": "uploaded", "m.csv": "uploaded"}
    (warned,) = [event for event in recorder.events if isinstance(event, Warned)]
    assert warned.message.startswith("an upload in progress could not be recorded as _asyncload/up")
    assert "permit s3:PutObject on _asyncload/*" in warned.hint
    assert report.exit_code == 0


def test_a_record_is_read_as_it_was_written():
    """For any key and id."""
    record = UploadRecord("a/\u00e9 \U0001f3ac.csv", "id~", PartLayout(7, 5), "f")
    assert decode_record(record.encode("run", datetime.now(UTC))) == record


def test_a_fingerprint_leaves_out_run_and_version_only():
    """Another run of another version may resume what this one began."""
    settings = {"ContentType": "text/csv", "Metadata": {"asyncload-run": "1", "mtime": "2"}}
    again = {"ContentType": "text/csv", "Metadata": {"asyncload-run": "9", "mtime": "2"}}
    other = {"ContentType": "text/csv", "Metadata": {"asyncload-run": "1", "mtime": "3"}}
    assert fingerprint(settings, "MD5") == fingerprint(again, "MD5")
    assert fingerprint(settings, "MD5") != fingerprint(other, "MD5")
    assert fingerprint(settings, "MD5") != fingerprint(settings, "CRC64NVME")
    assert fingerprint({}, "MD5") == fingerprint({"Metadata": None}, "MD5")


async def test_a_listing_of_parts_may_have_several_pages(large, volume):
    """All of them count; so do those of uploads."""
    store = MemoryStore(page=2)
    for _ in range(2):
        await leave_open(store, large, [], age=timedelta(minutes=1))
    await leave_open(store, large, [1, 2, 3])
    await load(store, volume)
    assert store.part_bytes == 0
    assert len(store.uploads) == 2
    assert data(store) == {KEY: large.read_bytes()}


async def test_a_part_whose_crc_the_store_returns_is_compared_by_it(large, volume):
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
    await leave_open(store, large, [1, 2])
    await load(store, volume)
    assert store.part_bytes == 1000
    assert data(store) == {KEY: large.read_bytes()}


async def test_a_part_that_can_not_be_compared_is_sent_again(large, volume):
    """Never kept by its size alone."""

    class Opaque(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            page = await super().list_parts(key, upload_id, after)
            items = [StoredPart(p.number, p.size, '"?"', None, p.modified) for p in page.items]
            return Page(items, page.next)

    store = Opaque()
    await leave_open(store, large, [1, 2])
    report, _ = await load(store, volume)
    assert store.part_bytes == large.stat().st_size
    assert report.kept == 0
    assert data(store) == {KEY: large.read_bytes()}


@pytest.mark.parametrize(
    ("checksum", "algorithm"), [("auto", "CRC64NVME"), ("crc32", "CRC32"), ("md5", "MD5")]
)
@pytest.mark.parametrize("part", [5 * UNIT, 9 * UNIT])
async def test_an_upload_in_parts_of_another_size_is_resumed_in_these(
    ten_parts, volume, part, checksum, algorithm
):
    """A run that had other memory cut the file otherwise; the rest of it is cut as it did."""
    store = MemoryStore()
    await leave_open(store, ten_parts, [1, 3], part=part, algorithm=algorithm)
    report, _ = await load(store, volume, checksum=checksum)
    assert report.kept == 2 * part
    assert store.part_bytes == ten_parts.stat().st_size - 2 * part
    assert data(store) == {KEY: ten_parts.read_bytes()}
    assert store.uploads == {}


@pytest.mark.parametrize(
    "parts",
    [
        {1: 5 * UNIT, 2: 9 * UNIT},
        {1: 4 * UNIT, 2: 4 * UNIT},
        {10_001: 1},
        {4: 5 * UNIT},
        {1: 0},
    ],
    ids=["two-sizes", "too-small", "too-many", "behind-the-end", "empty"],
)
async def test_parts_that_can_not_be_the_files_are_not_kept(large, volume, parts):
    """That upload is left alone until its lease is over."""
    store = MemoryStore()
    upload_id = await leave_open(store, large, [])
    for number, size in parts.items():
        store.uploads[upload_id].parts[number] = bytes(size)
    report, _ = await load(store, volume)
    assert (report.aborted_uploads, report.kept) == (0, 0)
    assert data(store) == {KEY: large.read_bytes()}
    assert set(store.uploads) == {upload_id}
    store.uploads[upload_id].initiated -= 2 * LEASE
    report, recorder = await load(store, volume)
    assert StaleUploadAborted(KEY, upload_id) in recorder.events
    assert report.aborted_uploads == 1
    assert store.uploads == {}


async def test_of_several_uploads_the_latest_is_resumed(large, volume):
    """One without a new part for an hour is aborted; a younger one may belong to a live run."""
    store = MemoryStore()
    expired = await leave_open(store, large, [1], age=timedelta(hours=2))
    younger = await leave_open(store, large, [1], age=timedelta(minutes=50))
    empty = await leave_open(store, large, [], age=timedelta(minutes=1))
    latest = await leave_open(store, large, [1, 2])
    report, recorder = await load(store, volume)
    assert StaleUploadAborted(KEY, expired) in recorder.events
    assert set(store.uploads) == {younger, empty}
    assert report.kept == 2 * PART
    assert latest not in store.uploads


async def test_stale_uploads_of_a_key_that_has_its_object_are_aborted(large, volume):
    """Of uploads older than an hour; those of other keys are ignored."""
    store = MemoryStore()
    await load(store, volume)
    expired = await leave_open(store, large, [1], age=timedelta(hours=2))
    young = await leave_open(store, large, [1])
    foreign = await store.create_multipart(ObjectKey(f"{PREFIX}/Other/x.csv"))
    store.uploads[foreign].initiated = datetime.now(UTC) - timedelta(days=9)
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "unchanged"}
    assert StaleUploadAborted(KEY, expired) in recorder.events
    assert set(store.uploads) == {young, foreign}


DAY = 86_400


@pytest.mark.parametrize("offset", [-3 * DAY, -7200, 0, 7200, 3 * DAY])
@pytest.mark.parametrize("landed", [True, False])
async def test_ages_are_measured_by_the_stores_clock(large, volume, offset, landed):
    """A machine's clock that is ahead aborts no live upload; one that is behind hides none."""
    store = MemoryStore()
    store.clock_offset = offset
    if landed:
        await load(store, volume)
    live = await leave_open(store, large, [1], age=timedelta(minutes=5), recorded=False)
    stale = await leave_open(store, large, [1], age=timedelta(minutes=61), recorded=False)
    _, recorder = await load(store, volume)
    assert StaleUploadAborted(KEY, stale) in recorder.events
    assert set(store.uploads) == {live}


@pytest.mark.parametrize("silent", ["clock", "upload", "part"])
async def test_an_upload_without_a_time_is_not_aborted(large, volume, silent):
    """Neither where its answers have no date, nor an upload or part without one."""

    class Silent(MemoryStore):
        async def list_uploads(self, prefix, after=None):
            page = await super().list_uploads(prefix, after)
            if silent == "upload":
                return Page([u._replace(initiated=None) for u in page.items], page.next)
            return page

        async def list_parts(self, key, upload_id, after=None):
            page = await super().list_parts(key, upload_id, after)
            if silent == "part":
                return Page([p._replace(modified=None) for p in page.items], page.next)
            return page

    store = Silent()
    if silent == "clock":
        store.clock_offset = None
    upload_id = await leave_open(store, large, [1], age=timedelta(days=9), recorded=False)
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert set(store.uploads) == {upload_id}


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_if_uploads_can_not_be_listed_none_is_resumed(large, volume, error):
    """The file goes whole."""

    class Denies(MemoryStore):
        async def list_uploads(self, prefix, after=None):
            raise error("no")

    store = Denies()
    await leave_open(store, large, [1])
    await load(store, volume)
    assert data(store) == {KEY: large.read_bytes()}
    assert len(store.uploads) == 1


@pytest.mark.parametrize("error", [AccessDenied, NoSuchUpload])
@pytest.mark.parametrize("landed", [True, False])
async def test_if_parts_can_not_be_listed_the_upload_is_not_touched(large, volume, error, landed):
    """It may be gone by now, or not ours to see."""

    class Denies(MemoryStore):
        async def list_parts(self, key, upload_id, after=None):
            raise error("no")

    store = Denies()
    if landed:
        await load(store, volume)
    await leave_open(store, large, [1], age=timedelta(days=1))
    _, recorder = await load(store, volume)
    assert recorder.statuses["l.csv"] in ("uploaded", "unchanged")
    assert data(store) == {KEY: large.read_bytes()}
    assert len(store.uploads) == 1


@pytest.mark.parametrize("error", [NoSuchUpload, UploadBroken])
@pytest.mark.parametrize("step", ["upload_part", "complete_multipart"])
async def test_an_upload_that_the_store_lost_is_started_again_once(large, volume, error, step):
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
    assert data(store) == {KEY: large.read_bytes()}
    assert store.calls["create_multipart"] == 2
    store = Loses()
    store.losses = 1000
    _, recorder = await load(store, volume)
    assert isinstance(recorder.outcomes["l.csv"].error, error)
    assert store.calls["create_multipart"] == 2
    assert (data(store), store.uploads) == ({}, {})


@pytest.mark.parametrize("skip", [True, False])
async def test_an_upload_that_is_gone_because_of_other_bytes_is_a_failure(large, volume, skip):
    """Another program's object has its key."""

    class Overtaken(MemoryStore):
        async def complete_multipart(self, key, *arguments, create_only):
            self.objects[key] = b"theirs"
            self.uploads.clear()
            raise NoSuchUpload("gone", code="NoSuchUpload", status=404)

    _, recorder = await load(Overtaken(), volume, skip_existing=skip)
    assert recorder.statuses == {"l.csv": "skipped" if skip else "failed"}


async def test_a_resumed_upload_that_rejects_parts_is_replaced_by_a_new_one(large, volume):
    """It was created by another run, so the rejection may be due to its settings."""

    class Rejects(MemoryStore):
        async def upload_part(self, key, upload_id, *arguments, **options):
            if upload_id == old:
                raise RequestRejected("no", code="InvalidRequest", status=400)
            return await super().upload_part(key, upload_id, *arguments, **options)

    old, store = "", Rejects()
    old = await leave_open(store, large, [1])
    report = await load_volume(store, volume, manifest=True)
    assert report.counts == {"uploaded": 1}
    assert data(store) == {KEY: large.read_bytes()}
    assert store.uploads == {}


async def test_two_runs_may_resume_the_same_upload(large, volume):
    """Each sends what it finds missing; one completes it, and both are right."""
    store = MemoryStore()
    await leave_open(store, large, [1, 2, 3])
    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(load(store, volume)) for _ in range(2)]
    statuses = [task.result()[1].statuses["l.csv"] for task in runs]
    assert set(statuses) <= {"uploaded", "unchanged"}
    assert data(store) == {KEY: large.read_bytes()}
    assert store.uploads == {}


@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
@pytest.mark.parametrize("times", [1, 2])
async def test_damage_that_the_store_reports_is_sent_once_more(volume, size, times):
    """The object that we made is ours to replace; a second time the file fails."""
    (volume / "l.csv").write_bytes(random_bytes(size))

    class Damages(MemoryStore):
        left = times

        def damage(self, key, result):
            from asyncload.model.values import Checksum
            from asyncload.store.protocol import PutResult

            if not self.left:
                return result
            self.left -= 1
            self.objects[key] = b"damaged"
            return PutResult(result.etag, Checksum("CRC64NVME", "AAAAAAAAAAE="))

        async def put(self, key, *arguments, **options):
            return self.damage(key, await super().put(key, *arguments, **options))

        async def complete_multipart(self, key, *arguments, **options):
            result = await super().complete_multipart(key, *arguments, **options)
            return self.damage(key, result)

    store = Damages()
    _, recorder = await load(store, volume, manifest=False)
    assert recorder.statuses == {"l.csv": "uploaded" if times == 1 else "failed"}
    if times == 1:
        assert data(store) == {KEY: (volume / "l.csv").read_bytes()}
        assert isinstance(
            (await load(store, volume, manifest=False))[1].outcomes["l.csv"], Unchanged
        )
