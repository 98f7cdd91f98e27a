"""A manifest by itself: what has come together is sent, and what failed is not added to."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from asyncload.aio.shielding import Grace
from asyncload.errors import AccessDenied, RequestRejected, ServerError
from asyncload.model.values import (
    FileFinished,
    LoadStarted,
    ObjectKey,
    Skipped,
    UploadLeftOpen,
    Warned,
)
from asyncload.reporting.manifest import Manifest, manifest_key
from asyncload.transfer import TransferPolicy
from tests.support.loads import Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

KEY = manifest_key("_asyncload", "run-1")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr("asyncload.reporting.manifest.PART_SIZE", 500)


def manifest_in(store, policy=None, told=None):
    """A manifest; `told` gets what is told of uploads of it that stay open."""
    told = [] if told is None else told
    policy = policy or TransferPolicy()
    return Manifest(store, KEY, {"id": "run-1"}, policy, lambda: datetime.now(UTC), told.append)


def observe(manifest, *numbers):
    """Tell of files that were skipped, some 150 bytes each."""
    for number in numbers:
        path = f"{number:05}.csv"
        manifest.observe(FileFinished(Skipped(path, ObjectKey(path), 1, "it is there")))


async def turns():
    """Let others do what they can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_part_goes_out_each_time_enough_has_come_together():
    """And nothing before; in the end it is one document."""
    store = MemoryStore(min_part=1)
    manifest = manifest_in(store)
    async with manifest.sent():
        manifest.observe(LoadStarted(9, 9))
        observe(manifest, 1, 2)
        await turns()
        assert store.calls["upload_part"] == 0
        observe(manifest, 3, 4)
        await turns()
        assert store.calls["upload_part"] == 1
        observe(manifest, *range(5, 15))
        await turns()
        assert store.calls["upload_part"] >= 3
    assert await manifest.close({"exit_code": 0}) is None
    document = json.loads(store.objects[KEY])
    assert [entry["path"] for entry in document["files"]] == [f"{n:05}.csv" for n in range(1, 15)]
    assert document["summary"] == {"exit_code": 0}


async def test_once_it_failed_nothing_is_added():
    """Memory stays flat, and the end tells why."""

    class Refuses(MemoryStore):
        async def upload_part(self, *arguments, **options):
            raise RequestRejected("no room")

    store = Refuses(min_part=1)
    manifest = manifest_in(store)
    async with manifest.sent():
        observe(manifest, *range(5))
        await turns()
        observe(manifest, *range(1000))
        assert len(manifest._text) == 0
    warned = await manifest.close({})
    assert "no room" in warned.message
    assert (store.objects, store.uploads) == ({}, {})


class RefusesPartsAndAborts(MemoryStore):
    """Opens uploads, and neither takes their parts nor ends them."""

    async def upload_part(self, *arguments, **options):
        raise RequestRejected("no room")

    async def abort_multipart(self, key, upload_id):
        raise ServerError("not now")


class NeverAborts(RefusesPartsAndAborts):
    async def abort_multipart(self, key, upload_id):
        await asyncio.Event().wait()


@pytest.mark.fault("C15")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [(RefusesPartsAndAborts, "not now"), (NeverAborts, "the abort was not answered in time")],
)
async def test_an_upload_of_the_record_that_can_not_be_aborted_is_reported(kind, reason):
    """As those of the files are: a user or the bucket's lifecycle rule has to abort it."""
    store, told = kind(min_part=1), []
    manifest = manifest_in(store, TransferPolicy(grace=Grace(0.01, minimum=0)), told)
    async with manifest.sent():
        observe(manifest, *range(5))
        await turns()
    assert await manifest.close({"exit_code": 0}) is not None
    (upload_id,) = store.uploads
    assert told == [UploadLeftOpen("", KEY, upload_id, reason)]


class AbortsReluctantly(RefusesPartsAndAborts):
    """Has to be told twice to leave an abort alone."""

    async def abort_multipart(self, key, upload_id):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()


@pytest.mark.fault("C15")
async def test_an_interrupted_abort_is_reported_and_its_caller_is_cancelled():
    """A signal while the record's upload is being aborted."""
    store, told = AbortsReluctantly(min_part=1), []
    manifest = manifest_in(store, TransferPolicy(grace=Grace(0.05, minimum=0)), told)
    async with manifest.sent():
        observe(manifest, *range(5))
        await turns()
    closing = asyncio.create_task(manifest.close({"exit_code": 0}))
    await turns()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert len(told) == 1


async def test_a_record_that_is_complete_when_its_run_is_cancelled_is_kept(volume):
    """The run was failing already; the cancellation comes while the record is being written."""
    writing, go_on = asyncio.Event(), asyncio.Event()

    class Denied(MemoryStore):
        async def put(self, key, *arguments, **options):
            if not key.startswith("_asyncload/"):
                raise AccessDenied("no")
            writing.set()
            await go_on.wait()
            return await super().put(key, *arguments, **options)

    write_files(volume, {"a.csv": b"1"})
    store, recorder = Denied(), Recorder()
    task = asyncio.create_task(load_volume(store, volume, recorder, manifest=True))
    await writing.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(store.objects) == 1
    assert not [event for event in recorder.events if isinstance(event, Warned)]
