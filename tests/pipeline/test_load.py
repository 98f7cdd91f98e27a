"""A volume into a store: one outcome for each file, whole objects, bounded use."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager

import pytest

from asyncload.errors import (
    AccessDenied,
    NotVerified,
    ObjectConflict,
    RequestRejected,
    ServerError,
    SourceChanged,
    SourceTooLarge,
    SourceUnreadable,
    StoreUnavailable,
    Throttled,
)
from asyncload.model.values import (
    ConcurrencyChanged,
    ConcurrencySettled,
    Excluded,
    Failed,
    LoadStarted,
    PartSent,
    RequestsMade,
    RunStarted,
)
from asyncload.planning.plan import MIB
from asyncload.source import folders
from asyncload.source.readers import Readers
from asyncload.store.protocol import CSV, PutResult, RemoteObject
from asyncload.store.retries import RetryPolicy
from tests.support.content import random_bytes
from tests.support.loads import AT_ONCE, PREFIX, UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

DAY = "2022/05/02"


@pytest.mark.usefixtures("small_parts")
async def test_every_csv_is_stored_whole_under_its_dated_key(volume):
    """Small and large, empty and nested: the objects are the files."""
    files = {
        "movies.csv": b"id|titulo\n1|A\n",
        "people.csv": b"",
        "ratings/part-0.csv": random_bytes(3 * UNIT),
        "ratings/eu/part-1.CSV": random_bytes(16 * UNIT),
        "reviews/2022/big.csv": random_bytes(35 * UNIT + 7),
        "notes.txt": b"not a CSV",
    }
    write_files(volume, files)
    store, recorder = MemoryStore(), Recorder()
    report = await load_volume(store, volume, recorder)
    assert store.objects == {
        f"{PREFIX}/Movies/{DAY}/movies.csv": files["movies.csv"],
        f"{PREFIX}/People/{DAY}/people.csv": b"",
        f"{PREFIX}/Ratings/{DAY}/part-0.csv": files["ratings/part-0.csv"],
        f"{PREFIX}/Ratings/{DAY}/eu/part-1.CSV": files["ratings/eu/part-1.CSV"],
        f"{PREFIX}/Reviews/{DAY}/2022/big.csv": files["reviews/2022/big.csv"],
    }
    assert set(recorder.statuses.values()) == {"uploaded"}
    assert (report.landed, report.exit_code) == (5, 0)
    assert store.uploads == {}


class FullStore(MemoryStore):
    """Takes the files of `served`; for any other it says that it is full."""

    def __init__(self, served=()):
        super().__init__()
        self.served = served

    async def put(self, key, body, checksum, **options):
        if key.rpartition("/")[2] in self.served:
            return await super().put(key, body, checksum, **options)
        await self._answer("put")
        raise ServerError("full", code="XMinioStorageFull", status=507)


async def test_a_store_that_serves_no_file_ends_the_run(volume):
    """Not each of 500 files after all of its tries: the run ends with the store's words."""
    write_files(volume, {f"d/{n:03}.csv": b"%d" % n for n in range(500)})
    store, recorder = FullStore(), Recorder()
    with pytest.raises(StoreUnavailable, match="full") as caught:
        await load_volume(store, volume, recorder, concurrency=4)
    assert (caught.value.exit_code, caught.value.code) == (6, "XMinioStorageFull")
    assert set(recorder.statuses.values()) == {"failed"}
    # Those that were tried at the same time may fail, too.
    assert 10 <= len(recorder.statuses) <= 13
    assert store.calls["put"] <= AT_ONCE.attempts * 13


async def test_a_store_that_serves_some_files_is_given_all_of_them(volume):
    """Every other one lands: the others fail one by one, and the run goes to its end."""
    write_files(volume, {f"d/{n:03}.csv": b"%d" % n for n in range(50)})
    served = [f"{n:03}.csv" for n in range(0, 50, 2)]
    report = await load_volume(FullStore(served), volume, concurrency=1)
    assert report.counts == {"uploaded": 25, "failed": 25}
    assert report.exit_code == 3


@pytest.mark.usefixtures("small_parts")
async def test_each_file_costs_a_look_at_its_key_and_its_upload(volume):
    """Calls are time and money."""
    write_files(volume, {"s.csv": b"1", "l.csv": bytes(16 * UNIT + 1)})
    store = MemoryStore()
    await load_volume(store, volume)
    assert store.calls == {
        "check_bucket": 1,
        "put": 1,
        # Two keys in partitions of their own are asked for; left-over uploads are listed.
        "head": 2,
        "list_uploads": 1,
        "create_multipart": 1,
        "upload_part": 3,
        "complete_multipart": 1,
    }


@pytest.mark.usefixtures("small_parts")
async def test_a_second_run_finds_everything_unchanged(volume):
    """The same bytes under the same key are success, and are not sent again."""
    write_files(volume, {"s.csv": b"1", "l.csv": random_bytes(17 * UNIT)})
    store, recorder = MemoryStore(), Recorder()
    await load_volume(store, volume)
    sent = store.body_bytes
    report = await load_volume(store, volume, recorder)
    assert recorder.statuses == {"s.csv": "unchanged", "l.csv": "unchanged"}
    assert report.exit_code == 0
    assert store.body_bytes == sent


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [3, 17 * UNIT], ids=["small", "large"])
@pytest.mark.parametrize("same_size", [True, False])
async def test_other_bytes_under_the_key_fail_only_that_file(volume, size, same_size):
    """Nothing is overwritten unasked, and the rest lands."""
    write_files(volume, {"taken.csv": random_bytes(size), "free.csv": b"1"})
    theirs = random_bytes(size if same_size else size + 1)
    store, recorder = MemoryStore(), Recorder()
    store.objects[f"{PREFIX}/Taken/{DAY}/taken.csv"] = theirs
    report = await load_volume(store, volume, recorder)
    assert recorder.statuses == {"taken.csv": "failed", "free.csv": "uploaded"}
    failure = recorder.outcomes["taken.csv"]
    assert isinstance(failure.error, ObjectConflict)
    assert "--overwrite" in failure.error.hint
    assert store.objects[failure.key] == theirs
    assert report.exit_code == 3
    assert store.uploads == {}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [3, 17 * UNIT], ids=["small", "large"])
async def test_overwrite_replaces_other_bytes(volume, size):
    """Asked for, different data is replaced."""
    body = random_bytes(size)
    write_files(volume, {"taken.csv": body})
    store = MemoryStore()
    key = f"{PREFIX}/Taken/{DAY}/taken.csv"
    store.objects[key] = b"theirs"
    report = await load_volume(store, volume, overwrite=True)
    assert store.objects[key] == body
    assert report.exit_code == 0


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("theirs", ["same", "other"])
async def test_an_object_created_during_a_large_upload_is_compared_by_its_bytes(volume, theirs):
    """Another program completed first: the same bytes are success, others a conflict."""
    body = random_bytes(17 * UNIT)
    write_files(volume, {"l.csv": body})
    key = f"{PREFIX}/L/{DAY}/l.csv"

    class Raced(MemoryStore):
        async def upload_part(self, *arguments, digest=None):
            self.objects[key] = body if theirs == "same" else b"other"
            return await super().upload_part(*arguments)

    store, recorder = Raced(), Recorder()
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"l.csv": "unchanged" if theirs == "same" else "failed"}
    assert store.objects[key] == (body if theirs == "same" else b"other")
    assert store.uploads == {}


@pytest.mark.usefixtures("small_parts")
async def test_a_lost_answer_to_complete_is_not_a_failure(volume):
    """Complete was applied, its answer lost, the retry finds no upload: the object is there."""
    body = random_bytes(17 * UNIT)
    write_files(volume, {"l.csv": body})

    class LosesAnswer(MemoryStore):
        async def complete_multipart(self, *arguments, create_only):
            await super().complete_multipart(*arguments, create_only=create_only)
            raise StoreUnavailable("the connection broke")

    store, recorder = LosesAnswer(), Recorder()
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert list(store.objects.values()) == [body]


@pytest.mark.usefixtures("small_parts")
async def test_an_upload_that_is_gone_fails_its_file(volume):
    """If another program aborts the upload, the file fails, and the error says so."""
    write_files(volume, {"l.csv": bytes(17 * UNIT), "s.csv": b"1"})

    class LosesUploads(MemoryStore):
        async def complete_multipart(self, *arguments, create_only):
            self.uploads.clear()
            return await super().complete_multipart(*arguments, create_only=create_only)

    store, recorder = LosesUploads(), Recorder()
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"l.csv": "failed", "s.csv": "uploaded"}
    assert recorder.outcomes["l.csv"].error.code == "NoSuchUpload"


async def test_no_more_requests_are_in_flight_than_asked(volume):
    """`concurrency` bounds puts and parts together."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(200)} | {"l.csv": bytes(40 * MIB)})

    class Slow(MemoryStore):
        async def _answer(self, call, body=b""):
            await super()._answer(call, body)
            await asyncio.sleep(0.001)

    store = Slow()
    await load_volume(store, volume, concurrency=7)
    assert len(store.objects) == 201
    assert store.max_in_flight <= 7


async def test_file_bytes_in_memory_stay_within_the_option(volume, monkeypatch):
    """However many files and however large: the pool is never over `memory`."""
    from asyncload.operations import tools as loading

    pools = []

    class Watched(loading.BufferPool):
        def __init__(self, capacity, **options):
            super().__init__(capacity, **options)
            self.most = 0
            pools.append(self)

        async def acquire(self, size):
            buffer = await super().acquire(size)
            self.most = max(self.most, self.in_use)
            return buffer

    monkeypatch.setattr(loading, "BufferPool", Watched)
    files = {f"m/{n}.csv": bytes(5 * MIB) for n in range(12)}
    write_files(volume, files | {"a.csv": bytes(40 * MIB), "b.csv": bytes(30 * MIB)})
    store = MemoryStore()
    await load_volume(store, volume, memory=16 * MIB)
    assert len(store.objects) == 14
    (pool,) = pools
    assert 8 * MIB <= pool.most <= 16 * MIB
    assert pool.in_use == 0


@pytest.mark.fault("S3")
async def test_a_throttled_request_is_sent_again(volume):
    """503 SlowDown passes: no file fails for it."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(20)} | {"l.csv": bytes(20 * MIB)})

    class Throttles(MemoryStore):
        """Turns each request that carries bytes away once."""

        seen = set()

        def throttle(self, *request):
            if request not in self.seen:
                self.seen.add(request)
                raise Throttled("SlowDown", code="SlowDown", status=503)

        async def put(self, key, *arguments, create_only, digest=None, info=CSV):
            self.throttle(key)
            return await super().put(key, *arguments, create_only=create_only, info=info)

        async def upload_part(self, key, upload_id, number, *arguments, digest=None):
            self.throttle(key, number)
            return await super().upload_part(key, upload_id, number, *arguments)

    store, recorder = Throttles(), Recorder()
    report = await load_volume(store, volume, recorder, concurrency=8)
    assert report.exit_code == 0
    assert len(store.objects) == 21
    assert len(store.seen) == 20 + 3
    changes = [event for event in recorder.events if isinstance(event, ConcurrencyChanged)]
    assert changes[0] == ConcurrencyChanged(4, 8, "throttled")


class Beginning(MemoryStore):
    """Meets the first request with one error after the other, and then answers."""

    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)

    async def check_bucket(self, prefix):
        await super().check_bucket(prefix)
        if self.errors:
            raise self.errors.pop(0)


@pytest.mark.fault("N7", "N8")
@pytest.mark.parametrize("error", [StoreUnavailable("refused"), ServerError("502")])
async def test_a_store_that_is_just_coming_up_is_waited_for(volume, error, monkeypatch):
    """A name that is not known yet, a port without a listener yet."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    store = Beginning(error, error)
    assert (await load_volume(store, volume)).exit_code == 0
    assert store.calls["check_bucket"] == 3


@pytest.mark.fault("N7", "N8")
@pytest.mark.parametrize("error", [StoreUnavailable("refused"), ServerError("502")])
async def test_a_store_that_does_not_come_up_ends_the_run(volume, error, monkeypatch):
    """Before the volume is looked at, with the exit code of a store that is not available."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    store, recorder = Beginning(*[error] * 10), Recorder()
    with pytest.raises(type(error)) as ended:
        await load_volume(store, volume, recorder)
    assert ended.value.exit_code == 6
    assert store.calls == {"check_bucket": AT_ONCE.attempts}
    assert [type(event) for event in recorder.events] == [
        RunStarted,
        RequestsMade,
        ConcurrencySettled,
    ]


async def test_a_store_that_is_busy_from_the_start_is_a_store(volume, monkeypatch):
    """That it throttles the first request says nothing of the set-up; uploads have more time."""
    patience = RetryPolicy(seconds=2, first_wait=20)
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", patience)
    write_files(volume, {"a.csv": b"1"})
    store = Beginning(*[Throttled("SlowDown", code="SlowDown", status=503)] * 100)
    assert (await load_volume(store, volume)).exit_code == 0
    assert store.calls["put"] == 1


async def test_a_store_that_never_answers_ends_the_run(volume, monkeypatch):
    """Within seconds, however long a call may take."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", RetryPolicy(seconds=0.05))
    write_files(volume, {"a.csv": b"1"})

    class Silent(MemoryStore):
        async def check_bucket(self, prefix):
            await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable, match="no answer from the store within 0 s") as ended:
        await load_volume(Silent(), volume)
    assert ended.value.exit_code == 6


@pytest.mark.usefixtures("small_parts")
async def test_a_file_that_the_store_rejects_fails_alone(volume):
    """A fault of one key leaves the others."""
    write_files(volume, {"bad.csv": b"1", "good.csv": b"1", "worse.csv": bytes(17 * UNIT)})

    class Rejects(MemoryStore):
        async def _answer(self, call, body=b""):
            await super()._answer(call, body)

        async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
            if key.endswith("/bad.csv"):
                raise RequestRejected("no", code="InvalidRequest", status=400)
            return await super().put(key, body, checksum, create_only=create_only, info=info)

        async def upload_part(self, key, upload_id, number, body, checksum, *, digest=None):
            if number == 2:
                raise RequestRejected("no", code="InvalidRequest", status=400)
            return await super().upload_part(key, upload_id, number, body, checksum)

    store, recorder = Rejects(), Recorder()
    report = await load_volume(store, volume, recorder)
    assert recorder.statuses == {
        "bad.csv": "failed",
        "good.csv": "uploaded",
        "worse.csv": "failed",
    }
    assert report.exit_code == 3
    assert store.uploads == {}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("error", [AccessDenied("denied"), StoreUnavailable("gone")])
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
async def test_a_fault_of_the_run_ends_it_at_once(volume, error, size):
    """One message, not one per file; nothing is left open."""
    write_files(volume, {f"{n:04}.csv": b"1" for n in range(500)} | {"l.csv": bytes(size)})

    class Refuses(MemoryStore):
        gone = False

        async def head(self, key):
            if self.gone:
                raise error
            return await super().head(key)

        async def put(self, *arguments, create_only, digest=None, info=CSV):
            if size > 1:
                return await super().put(*arguments, create_only=create_only, info=info)
            await self._answer("put")
            self.gone = True
            raise error

        async def upload_part(self, *arguments, digest=None):
            await self._answer("upload_part")
            self.gone = True
            raise error

    store, recorder = Refuses(), Recorder()
    with pytest.raises(type(error)):
        await load_volume(store, volume, recorder, concurrency=4)
    assert "failed" not in recorder.statuses.values()
    assert store.uploads == {}
    assert store.calls["put"] < 500


async def test_a_bug_does_not_count_as_a_failed_file(volume):
    """A bug of our own propagates as it is."""
    write_files(volume, {"a.csv": b"1"})

    class Buggy(MemoryStore):
        async def put(self, *arguments, create_only, digest=None, info=CSV):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await load_volume(Buggy(), volume)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
async def test_a_returned_checksum_that_differs_is_a_failure(volume, size):
    """The store's answer must prove what arrived."""
    write_files(volume, {"a.csv": bytes(size)})

    class Corrupts(MemoryStore):
        async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
            result = await super().put(key, body, checksum, create_only=create_only, info=info)
            return _corrupted(result)

        async def complete_multipart(self, *arguments, create_only):
            result = await super().complete_multipart(*arguments, create_only=create_only)
            return _corrupted(result)

    recorder = Recorder()
    await load_volume(Corrupts(), volume, recorder)
    assert isinstance(recorder.outcomes["a.csv"].error, NotVerified)


@pytest.mark.usefixtures("small_parts")
async def test_a_part_whose_returned_checksum_differs_stops_its_upload(volume):
    """A damaged part is found before the rest is sent for nothing."""
    write_files(volume, {"a.csv": bytes(17 * UNIT)})

    class Corrupts(MemoryStore):
        async def upload_part(self, *arguments, digest=None):
            return _corrupted(await super().upload_part(*arguments))

    store, recorder = Corrupts(), Recorder()
    await load_volume(store, volume, recorder)
    assert isinstance(recorder.outcomes["a.csv"].error, NotVerified)
    assert (store.objects, store.uploads) == ({}, {})


def _corrupted(result):
    from asyncload.model.values import Checksum

    return PutResult(result.etag, Checksum("CRC64NVME", "AAAAAAAAAAE="))


class Silent(MemoryStore):
    """A store that returns no checksum with its answers, nor an ETag that says anything.

    `known` is what head tells.
    """

    known = "CRC64NVME"

    async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
        result = await super().put(key, body, checksum, create_only=create_only, info=info)
        return PutResult(result.etag if self.known == "MD5" else '"opaque"', None)

    async def upload_part(self, *arguments, digest=None):
        return PutResult((await super().upload_part(*arguments)).etag, None)

    async def complete_multipart(self, *arguments, create_only):
        await super().complete_multipart(*arguments, create_only=create_only)
        return PutResult('"opaque"', None)

    async def head(self, key):
        remote = await super().head(key)
        if remote is None or self.known == "CRC64NVME":
            return remote
        from asyncload.model.checksums import by_algorithm, md5_checksum

        known = md5_checksum(self.objects[key]) if self.known == "MD5" else None
        return RemoteObject(remote.size, by_algorithm(known))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
@pytest.mark.parametrize("known", ["CRC64NVME", "MD5"])
async def test_if_an_answer_has_no_checksum_head_is_asked(volume, size, known):
    """If an answer proves nothing, head or an ETag that is the MD5 does, and is named."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store, recorder = Silent(), Recorder()
    store.known = known
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"a.csv": "uploaded"}
    assert recorder.outcomes["a.csv"].checksum.algorithm == known
    again = Recorder()
    await load_volume(store, volume, again)
    assert again.statuses == {"a.csv": "unchanged"}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
async def test_an_upload_that_nothing_proves_is_a_failure(volume, size):
    """Never counted as landed on trust."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store, recorder = Silent(), Recorder()
    store.known = None
    report = await load_volume(store, volume, recorder)
    assert isinstance(recorder.outcomes["a.csv"].error, NotVerified)
    assert report.exit_code == 3


class HeadDenied(Silent):
    """A store where head is denied: neither "there" nor "not there"."""

    async def head(self, key):
        await self._answer("head")
        raise AccessDenied("HTTP 403", status=403)


@pytest.mark.usefixtures("small_parts")
async def test_a_denied_head_is_not_read_as_an_answer(volume):
    """Large files continue, and the conditional Complete tells."""
    write_files(volume, {"a.csv": random_bytes(17 * UNIT)})

    class Answers(HeadDenied):
        complete_multipart = MemoryStore.complete_multipart

    store, recorder = Answers(), Recorder()
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"a.csv": "uploaded"}
    await load_volume(store, volume, taken := Recorder())
    assert isinstance(taken.outcomes["a.csv"].error, ObjectConflict)
    assert store.uploads == {}


async def test_a_silent_store_that_may_not_be_asked_proves_nothing(volume):
    """No checksum and no permission to ask: a failure that names the permission."""
    write_files(volume, {"a.csv": b"1"})
    recorder = Recorder()
    await load_volume(HeadDenied(), volume, recorder)
    error = recorder.outcomes["a.csv"].error
    assert isinstance(error, NotVerified)
    assert "s3:GetObject" in error.hint


async def test_an_object_that_exists_and_then_does_not_is_a_conflict(volume):
    """Something else writes and deletes there: that is said."""
    write_files(volume, {"a.csv": b"1"})

    class Flickers(MemoryStore):
        async def head(self, key):
            return None

    store, recorder = Flickers(), Recorder()
    store.objects[f"{PREFIX}/A/{DAY}/a.csv"] = b"2"
    await load_volume(store, volume, recorder)
    assert isinstance(recorder.outcomes["a.csv"].error, ObjectConflict)


class Disturbed(MemoryStore):
    """Changes the file when a part of it arrives, for the first time or each time."""

    def __init__(self, path, change, *, once):
        super().__init__()
        self._disturb = lambda: disturb(path, change)
        self._once = once
        self._seen = set()

    async def upload_part(self, key, upload_id, number, body, checksum, *, digest=None):
        if upload_id not in self._seen and not (self._once and self._seen):
            self._seen.add(upload_id)
            self._disturb()
        return await super().upload_part(key, upload_id, number, body, checksum)


CHANGES = ["truncate", "append", "rewrite", "replace"]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("change", [*CHANGES, "delete"])
async def test_a_large_file_that_keeps_changing_is_never_completed(volume, change):
    """Each way to change during both attempts fails the file and leaves nothing behind."""
    path = volume / "l.csv"
    path.write_bytes(random_bytes(24 * UNIT))
    store, recorder = Disturbed(path, change, once=False), Recorder()
    await load_volume(store, volume, recorder)
    error = recorder.outcomes["l.csv"].error
    assert isinstance(error, SourceChanged | SourceUnreadable)
    if change not in ("truncate", "delete"):
        assert error.message.count(" -> ") >= 2, "both changes are named"
    assert (store.objects, store.uploads) == ({}, {})


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("change", CHANGES)
async def test_a_large_file_that_changed_once_is_uploaded_in_its_new_version(volume, change):
    """It is tried once more, and nothing of the first version stays."""
    path = volume / "l.csv"
    path.write_bytes(random_bytes(24 * UNIT))
    store, recorder = Disturbed(path, change, once=True), Recorder()
    await load_volume(store, volume, recorder)
    assert recorder.statuses == {"l.csv": "uploaded"}
    assert list(store.objects.values()) == [path.read_bytes()]
    assert store.uploads == {}


def disturb(path, change):
    if change == "truncate":
        os.truncate(path, 1000)
    elif change == "append":
        with path.open("ab") as file:
            file.write(b"more")
    elif change == "rewrite":
        with path.open("r+b") as file:
            file.write(b"other")
    elif change == "replace":
        path.with_suffix(".new").write_bytes(path.read_bytes())
        path.with_suffix(".new").replace(path)
    else:
        path.unlink()


@pytest.mark.usefixtures("small_parts")
async def test_a_file_that_grew_since_the_scan_goes_as_it_is_now(volume):
    """From small to larger, and from small to large: whole, in its present version."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"1"})

    class Grows(MemoryStore):
        pass

    bodies = {"a": random_bytes(2 * UNIT), "b": random_bytes(17 * UNIT)}

    class GrowsAfterScan(Recorder):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, LoadStarted):
                (volume / "a.csv").write_bytes(bodies["a"])
                (volume / "b.csv").write_bytes(bodies["b"])

    store = Grows()
    await load_volume(store, volume, GrowsAfterScan())
    assert sorted(store.objects.values(), key=len) == [bodies["a"], bodies["b"]]


@pytest.mark.usefixtures("small_parts")
async def test_a_file_that_grew_holds_up_no_reader(volume, monkeypatch):
    """It is sent by those who send large files, while others are read."""
    monkeypatch.setattr("asyncload.transfer.pipeline._READERS", 1)
    monkeypatch.setattr("asyncload.transfer.pipeline._BATCH_FILES", 1)
    write_files(volume, {f"{n}.csv": b"1" for n in range(5)})
    others_read = asyncio.Event()

    class Waits(MemoryStore):
        async def create_multipart(self, *arguments, **options):
            await others_read.wait()
            return await super().create_multipart(*arguments, **options)

    class Grows(Recorder):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, LoadStarted):
                (volume / "0.csv").write_bytes(bytes(17 * UNIT))

    store, readers = Waits(), Readers.read_batch

    async def read_batch(self, uploads, *arguments):
        if uploads[0].source.path == "4.csv":
            others_read.set()
        return await readers(self, uploads, *arguments)

    monkeypatch.setattr(Readers, "read_batch", read_batch)
    report = await load_volume(store, volume, Grows())
    assert report.counts == {"uploaded": 5}


@pytest.mark.usefixtures("small_parts")
async def test_a_large_file_that_shrank_since_the_scan_goes_as_it_is_now(volume):
    """Even to nothing."""
    write_files(volume, {"a.csv": bytes(17 * UNIT)})

    class Shrinks(Recorder):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, LoadStarted):
                (volume / "a.csv").write_bytes(b"")

    store = MemoryStore()
    await load_volume(store, volume, Shrinks())
    assert list(store.objects.values()) == [b""]


@pytest.mark.usefixtures("small_parts")
async def test_a_file_deleted_since_the_scan_fails_alone(volume):
    """It can't be read any more; the others land."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"1", "l.csv": bytes(17 * UNIT)})

    class Deletes(Recorder):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, LoadStarted):
                (volume / "a.csv").unlink()
                (volume / "l.csv").unlink()

    recorder = Deletes()
    await load_volume(MemoryStore(), volume, recorder)
    assert recorder.statuses == {"a.csv": "failed", "b.csv": "uploaded", "l.csv": "failed"}


async def test_a_file_beyond_the_memory_for_parts_fails_before_sending(volume):
    """A sparse file whose parts would not fit in `memory` is refused, with the way out."""
    write_files(volume, {"huge.csv": b"", "a.csv": b"1"})
    os.truncate(volume / "huge.csv", 10_000 * 17 * MIB)
    store, recorder = MemoryStore(), Recorder()
    await load_volume(store, volume, recorder, memory=16 * MIB)
    error = recorder.outcomes["huge.csv"].error
    assert isinstance(error, SourceTooLarge)
    assert "--memory 17MiB" in error.hint
    assert recorder.statuses["a.csv"] == "uploaded"
    assert store.calls["create_multipart"] == 0


@pytest.mark.usefixtures("small_parts")
async def test_the_largest_files_go_first(volume):
    """None is left over at the end."""
    write_files(volume, {f"{n}.csv": bytes((17 + n) * UNIT) for n in range(3)})
    recorder = Recorder()
    await load_volume(MemoryStore(), volume, recorder, concurrency=1)
    sent = [event.path for event in recorder.events if isinstance(event, PartSent)]
    assert sent == sorted(sent, reverse=True)


async def test_excluded_entries_and_invalid_keys_are_reported(volume):
    """Every entry that looks like a CSV is accounted for."""
    write_files(volume, {".h.csv": b"", "a.csv": b"1", "bad\nname.csv": b""})
    (volume / "link.csv").symlink_to("a.csv")
    recorder = Recorder()
    report = await load_volume(MemoryStore(), volume, recorder)
    excluded = {e.path: e.reason for e in recorder.events if isinstance(e, Excluded)}
    assert excluded == {".h.csv": "hidden", "link.csv": "symlink"}
    assert isinstance(recorder.outcomes["bad\nname.csv"], Failed)
    assert (report.files, report.landed) == (2, 1)


@pytest.mark.usefixtures("small_parts")
async def test_an_upload_that_can_not_be_aborted_is_named(volume):
    """What is left open is told with its upload id, and the file's own error stays."""
    write_files(volume, {"l.csv": bytes(17 * UNIT)})

    class Stuck(MemoryStore):
        async def upload_part(self, *arguments, digest=None):
            raise RequestRejected("no", code="InvalidRequest", status=400)

        async def abort_multipart(self, key, upload_id):
            raise RequestRejected("no abort", code="MethodNotAllowed", status=405)

    recorder = Recorder()
    report = await load_volume(Stuck(), volume, recorder)
    assert [(u.upload_id, u.reason) for u in report.left_open] == [("upload-1", "no abort")]
    assert str(recorder.outcomes["l.csv"].error) == "no"


@pytest.mark.usefixtures("small_parts")
async def test_a_part_that_the_store_rejects_fails_its_file(volume):
    """It was this run that created the upload: nothing else could have made it unfit."""

    class Rejects(MemoryStore):
        async def upload_part(self, *arguments, **options):
            raise RequestRejected("no", code="InvalidRequest", status=400)

    write_files(volume, {"a.csv": bytes(17 * UNIT)})
    store = Rejects()
    report = await load_volume(store, volume)
    assert report.counts == {"failed": 1}
    assert store.uploads == {}


async def test_a_file_that_is_listed_twice_far_apart_is_stored_once(volume, monkeypatch):
    """It does not collide with itself: the second time it is found to be loaded."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.setattr(folders, "_SLICE", 1)
    listed = os.scandir

    @contextmanager
    def scandir(path):
        with listed(path) as listing:
            entries = list(listing)
            yield iter(entries * 2)

    monkeypatch.setattr(os, "scandir", scandir)
    store = MemoryStore()
    report = await load_volume(store, volume)
    assert (report.exit_code, report.landed) == (0, 2)
    assert store.objects == {f"{PREFIX}/A/{DAY}/a.csv": b"1"}
