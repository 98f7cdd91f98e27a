"""A load with a deadline: it ends in time, keeps what it has, and the next run does the rest."""

from __future__ import annotations

import asyncio
import json

import pytest

from asyncload.aio.deadline import CLEANUP_SECONDS, NOTHING_NEW_SECONDS, Deadline
from asyncload.errors import AccessDenied, DeadlineReached
from asyncload.model.values import UploadLeftOpen
from asyncload.operations.load import load_into
from asyncload.planning.plan import MIB
from asyncload.settings.run import Settings
from tests.faults.virtual_time import InlineExecutor, VirtualTimeLoop
from tests.support.content import random_bytes
from tests.support.loads import AT_ONCE, NOW, PREFIX, Recorder, write_files
from tests.support.memory_store import MemoryStore

KEY = f"{PREFIX}/L/2022/05/02/l.csv"
PART = 8 * MIB


class SlowStore(MemoryStore):
    """Puts and parts take `seconds` each; other requests are answered at once."""

    def __init__(self, seconds, *slow):
        super().__init__()
        self.seconds = seconds
        self.slow = slow or ("put", "upload_part")

    async def _answer(self, call, body=b""):
        await super()._answer(call, body)
        if call in self.slow and bytes(body[:1]) != b"{":
            await asyncio.sleep(self.seconds)


def load(store, volume, **options):
    """Load with a deadline of two minutes, one request at once; return events, error and time."""
    settings = Settings(
        volume=volume, bucket="lake", **{"deadline": "2m", "concurrency": 1} | options
    )
    recorder = Recorder()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loading = load_into(
            store,
            settings,
            observer=recorder,
            now=NOW,
            retries=AT_ONCE._replace(seconds=600),
            executor=InlineExecutor(),
        )
        try:
            runner.run(loading)
            error = None
        except DeadlineReached as reached:
            error = reached
        return recorder, error, runner.get_loop().time()


def manifest_summary(store):
    """The summary in the only manifest."""
    (body,) = (
        body
        for key, body in store.objects.items()
        if key.startswith("_asyncload/2") and not key.endswith("store.json")
    )
    return json.loads(body)["summary"]


def landed(store):
    return {key: body for key, body in store.objects.items() if not key.startswith("_asyncload/")}


@pytest.mark.fault("T1")
def test_nothing_is_started_in_the_last_half_minute(volume):
    """The file under way is finished; the manifest says that files are left, and which error."""
    write_files(volume, {f"{n:02}.csv": b"x" * MIB for n in range(20)})
    store = SlowStore(10)
    recorder, error, seconds = load(store, volume)
    assert error.exit_code == 3
    assert len(landed(store)) == len(recorder.outcomes) == 9
    assert 120 - NOTHING_NEW_SECONDS <= seconds < 120 - CLEANUP_SECONDS
    summary = manifest_summary(store)
    assert (summary["exit_code"], summary["result"]) == (3, "incomplete")
    assert summary["error"]["kind"] == "DeadlineReached"
    assert (summary["uploaded"], summary["failed"], summary["not_reached"]) == (9, 0, 11)


@pytest.mark.fault("T1")
def test_the_next_run_loads_the_rest(volume):
    """What is there is not sent again."""
    files = {f"{n:02}.csv": b"x" * MIB for n in range(20)}
    write_files(volume, files)
    store = SlowStore(10)
    load(store, volume)
    recorder, error, _ = load(store, volume, deadline="1h")
    assert error is None
    assert sorted(recorder.statuses.values()) == ["unchanged"] * 9 + ["uploaded"] * 11
    assert sorted(landed(store).values()) == sorted(files.values())


def test_a_run_that_ends_before_is_not_touched(volume):
    """Nor one whose last file ends in the last half minute."""
    write_files(volume, {f"{n:02}.csv": b"x" * MIB for n in range(9)})
    store = SlowStore(11)
    recorder, error, seconds = load(store, volume)
    assert error is None
    assert len(recorder.outcomes) == 9
    assert 90 < seconds < 110


@pytest.mark.fault("T2")
@pytest.mark.parametrize("records", [True, False])
def test_a_large_file_keeps_its_parts_for_the_next_run(volume, records):
    """If the upload is recorded; without a record it is aborted, for none could resume it."""
    content = random_bytes(12 * PART)
    write_files(volume, {"l.csv": content})
    store = SlowStore(10)
    recorder, error, seconds = load(store, volume, manifest=records)
    assert error is not None
    assert seconds < 120 - CLEANUP_SECONDS
    left = [event for event in recorder.events if isinstance(event, UploadLeftOpen)]
    if not records:
        assert (left, store.uploads) == ([], {})
        return
    (upload,) = store.uploads.values()
    sent = len(upload.parts)
    assert 6 <= sent < 12
    assert [(e.path, e.key, e.reason) for e in left] == [
        ("l.csv", KEY, "the next run resumes it"),
    ]
    _, error, _ = load(store, volume, deadline=None)
    assert error is None
    assert landed(store) == {KEY: content}
    assert store.part_bytes == 12 * PART
    assert store.uploads == {}


def test_a_large_file_that_is_not_begun_stays_for_the_next_run(volume):
    """No upload is opened for it."""
    write_files(volume, {f"{n}.csv": random_bytes(3 * PART) for n in range(9)})
    store = SlowStore(10)
    load(store, volume)
    assert 1 <= store.calls["create_multipart"] < 9
    assert len(store.uploads) <= 1


@pytest.mark.fault("T2", "T3")
def test_a_part_that_hangs_is_cancelled_and_the_others_kept(volume):
    """Seconds before the end, with time to write the manifest."""
    write_files(volume, {"l.csv": random_bytes(3 * PART)})
    store = SlowStore(10)
    # The second part takes for ever.
    store.upload_part = hang_from(store, store.upload_part, 2)
    recorder, error, seconds = load(store, volume)
    assert error is not None
    assert 120 - CLEANUP_SECONDS <= seconds < 120
    (upload,) = store.uploads.values()
    assert [*upload.parts] == [1]
    assert manifest_summary(store)["error"]["kind"] == "DeadlineReached"
    assert [e.reason for e in recorder.events if isinstance(e, UploadLeftOpen)] == [
        "the next run resumes it"
    ]


def hang_from(store, upload_part, number):
    async def upload(key, upload_id, part, *arguments, **options):
        if part >= number:
            await asyncio.sleep(10_000)
        return await upload_part(key, upload_id, part, *arguments, **options)

    return upload


def test_an_upload_that_could_not_be_recorded_is_aborted(volume):
    """No later run could know that it is ours."""

    class NoRecords(SlowStore):
        async def put(self, key, *arguments, **options):
            if "/uploads/" in key:
                raise AccessDenied("no")
            return await super().put(key, *arguments, **options)

    write_files(volume, {"l.csv": random_bytes(12 * PART)})
    store = NoRecords(10)
    recorder, error, _ = load(store, volume)
    assert error is not None
    assert store.uploads == {}
    assert not [e for e in recorder.events if isinstance(e, UploadLeftOpen)]


@pytest.mark.fault("T3")
def test_a_listing_that_hangs_ends_in_time(volume):
    """Any step does; the manifest is written nevertheless."""
    write_files(volume, {"a.csv": b"1"})
    store = SlowStore(10_000, "list_objects", "head")
    _, error, seconds = load(store, volume)
    assert error is not None
    assert 120 - CLEANUP_SECONDS <= seconds < 120
    assert manifest_summary(store)["error"]["kind"] == "DeadlineReached"


async def test_a_process_that_another_one_cut_off_for_its_deadline_knows():
    """Its uploads stay open then, for the next run."""
    deadline = Deadline()
    assert not deadline.expired
    deadline.cut_off()
    assert deadline.expired


async def test_a_time_limit_within_a_run_is_not_its_deadline():
    """A TimeoutError of the body is raised as it is."""
    with pytest.raises(TimeoutError):
        async with Deadline(60).enforced():
            raise TimeoutError
