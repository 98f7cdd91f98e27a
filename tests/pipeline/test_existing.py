"""What is there already: found by listing, compared by checksum, never sent again, never lost."""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections import Counter

import pytest

from asyncload.bucket.key_index import KeyIndex
from asyncload.errors import AccessDenied, ObjectConflict, RequestRejected, StoreUnavailable
from asyncload.model.checksums import MD5_OF_PARTS, by_algorithm, crc64nvme, crc64nvme_checksum
from asyncload.model.values import Checksum
from asyncload.planning.plan import MIB
from asyncload.source.volume import Volume
from asyncload.store.protocol import ListedObject, ObjectInfo, Page, RemoteObject
from tests.support import documents
from tests.support.content import random_bytes
from tests.support.loads import PREFIX, UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

DAY = "2022/05/02"
FOLDER = f"{PREFIX}/D/{DAY}"


async def load(store, volume, **options):
    """Load, and return report, recorder, and the calls and body bytes it took."""
    calls, sent = store.calls.copy(), store.body_bytes
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **options)
    return report, recorder, store.calls - calls, store.body_bytes - sent


@pytest.mark.parametrize(("files", "listings"), [(50, 1), (101, 2)])
async def test_a_first_run_lists_the_bucket_and_puts_each_file_once(volume, files, listings):
    """No other call: what is not listed is free. Partitions of many files are listed each."""
    write_files(volume, {f"{d}/{n}.csv": b"1" for d in "de" for n in range(files)})
    _, _, calls, _ = await load(MemoryStore(), volume)
    assert calls == {"check_bucket": 1, "list_objects": listings, "put": 2 * files}


async def test_a_second_run_sends_nothing_and_asks_for_no_single_key(volume):
    """250 files in one partition: three pages of listing, whose ETags are the files' MD5s."""
    write_files(volume, {f"d/{n:05}.csv": f"{n}\n".encode() for n in range(250)})
    store = MemoryStore(page=100)
    await load(store, volume)
    report, recorder, calls, sent = await load(store, volume)
    assert calls == {"check_bucket": 1, "list_objects": 3}
    assert sent == 0
    assert report.counts == {"unchanged": 250}
    assert {o.checksum.algorithm for o in recorder.outcomes.values()} == {"MD5"}


async def test_without_md5_etags_head_decides_for_equal_sizes(volume):
    """An ETag of another form is not an MD5; other sizes are asked about again before failing."""

    class Opaque(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            page = await super().list_objects(prefix, after, **where)
            return Page([ListedObject(o.key, o.size, '"opaque"') for o in page.items], page.next)

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(5)})
    store = Opaque()
    await load(store, volume)
    write_files(volume, {"d/new.csv": b"1"})
    report, _, calls, sent = await load(store, volume)
    assert report.counts == {"unchanged": 5, "uploaded": 1}
    assert (calls["head"], calls["put"], sent) == (5, 1, 1)


@pytest.mark.parametrize("files", [1, 2])
async def test_a_partition_of_few_files_is_not_listed(volume, files):
    """Asking for their keys costs no more; a run over it again sends nothing, too."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(files)})
    store = MemoryStore()
    _, _, calls, _ = await load(store, volume)
    assert calls == {"check_bucket": 1, "head": files, "put": files}
    _, _, calls, sent = await load(store, volume)
    assert calls == {"check_bucket": 1, "head": files}
    assert sent == 0


async def test_a_partition_full_of_other_objects_is_not_listed_to_its_end(volume):
    """Three files among thousands of objects: their keys are asked for after a few pages."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = MemoryStore(page=10)
    store.objects |= {f"{FOLDER}/!{n:04}": b"other" for n in range(1000)}
    report, _, calls, _ = await load(store, volume)
    assert report.exit_code == 0
    assert calls == {"check_bucket": 1, "list_objects": 5, "head": 3, "put": 3}


@pytest.mark.parametrize("error", [AccessDenied, RequestRejected])
async def test_a_listing_that_is_denied_says_nothing(volume, error):
    """Neither "there" nor "not there": keys are asked for, one by one."""

    class Denies(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            await self._answer("list_objects")
            raise error("no")

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(5)})
    store = Denies()
    assert (await load(store, volume))[0].counts == {"uploaded": 5}
    report, _, calls, sent = await load(store, volume)
    assert report.counts == {"unchanged": 5}
    assert (calls["head"], sent) == (5, 0)


async def test_if_listing_and_head_are_denied_the_put_decides(volume):
    """The condition on the put protects what is there, and nothing is taken for landed."""

    class DeniesAll(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            raise AccessDenied("no list")

        async def head(self, key):
            raise AccessDenied("no head")

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = DeniesAll()
    assert (await load(store, volume))[0].counts == {"uploaded": 3}
    report, recorder, _, _ = await load(store, volume)
    assert report.counts == {"failed": 3}
    assert "s3:GetObject" in recorder.outcomes["d/0.csv"].error.hint
    assert (await load(store, volume, skip_existing=True))[0].counts == {"skipped": 3}
    assert (await load(store, volume, overwrite=True))[0].counts == {"uploaded": 3}


async def test_a_listed_object_that_can_not_be_compared_is_a_conflict(volume):
    """Unless it is to be replaced or left."""

    class Denies(MemoryStore):
        async def head(self, key):
            raise AccessDenied("no head")

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = Denies()
    store.objects[f"{FOLDER}/0.csv"] = b"2"
    report, recorder, _, _ = await load(store, volume)
    assert report.counts == {"failed": 1, "uploaded": 2}
    assert isinstance(recorder.outcomes["d/0.csv"].error, ObjectConflict)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
@pytest.mark.parametrize("listed", [True, False])
async def test_skip_existing_keeps_existing_objects_and_reports_them(volume, size, listed):
    """The same bytes are unchanged as ever; other bytes stay; the run is a success."""
    write_files(volume, {"d/a.csv": random_bytes(size), "d/b.csv": b"1"})
    if listed:
        write_files(volume, {"d/c.csv": b"1", "d/e.csv": b"1"})
    store = MemoryStore()
    store.objects |= {f"{FOLDER}/a.csv": b"theirs", f"{FOLDER}/b.csv": b"1"}
    report, recorder, _, sent = await load(store, volume, skip_existing=True)
    assert recorder.statuses["d/a.csv"] == "skipped"
    assert "holds an object of 6 bytes" in recorder.outcomes["d/a.csv"].reason
    assert recorder.statuses["d/b.csv"] == "unchanged"
    assert store.objects[f"{FOLDER}/a.csv"] == b"theirs"
    assert report.exit_code == 0
    assert sent == 2 * listed


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [1, 17 * UNIT], ids=["small", "large"])
async def test_overwrite_sends_only_files_that_differ_and_reports_replacements(volume, size):
    """What is the same stays untouched."""
    write_files(volume, {"d/a.csv": random_bytes(size), "d/b.csv": b"1", "d/c.csv": b"new"})
    store = MemoryStore()
    store.objects |= {f"{FOLDER}/a.csv": b"theirs", f"{FOLDER}/b.csv": b"1"}
    report, recorder, _, sent = await load(store, volume, overwrite=True)
    assert report.counts == {"uploaded": 2, "unchanged": 1}
    assert recorder.outcomes["d/a.csv"].replaced
    assert not recorder.outcomes["d/c.csv"].replaced
    assert report.replaced == 1
    assert sent == size + 3
    assert store.objects[f"{FOLDER}/a.csv"] == (volume / "d/a.csv").read_bytes()


async def test_a_wrong_md5_in_a_listing_is_not_believed(volume):
    """An ETag may look like an MD5 and be none: head is asked, and its checksum counts."""

    class Encrypted(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            page = await super().list_objects(prefix, after, **where)
            return Page([ListedObject(o.key, o.size, f'"{"0" * 31}1"') for o in page.items], None)

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = Encrypted()
    await load(store, volume)
    report, recorder, _, sent = await load(store, volume)
    assert (report.counts, sent) == ({"unchanged": 3}, 0)
    assert recorder.outcomes["d/0.csv"].checksum.algorithm == "CRC64NVME"


@pytest.mark.fault("A1")
@pytest.mark.parametrize("same", [True, False])
async def test_checksums_in_an_objects_metadata_prove_nothing(volume, same):
    """Another program may have replaced the bytes and kept the metadata."""

    class Forgets(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            page = await super().list_objects(prefix, after, **where)
            return Page([ListedObject(o.key, o.size, '"opaque"') for o in page.items], None)

        async def head(self, key):
            remote = await super().head(key)
            return remote and RemoteObject(remote.size)

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = Forgets()
    for n in range(3):
        key = f"{FOLDER}/{n}.csv"
        noted = crc64nvme_checksum(crc64nvme(b"1" if same else b"2")).digest
        store.objects[key] = b"1" if same else b"2"
        store.infos[key] = ObjectInfo(metadata={"asyncload-crc64nvme": noted})
    report, *_ = await load(store, volume)
    assert report.counts == {"failed": 3}
    assert "can't be compared: the store has no checksum" in report.failures[0].error.message


async def test_a_file_that_another_run_uploads_meanwhile_is_a_success(volume):
    """The same bytes, between our listing and our put."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})

    class Overtaken(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            page = await super().list_objects(prefix, after, **where)
            self.objects[f"{FOLDER}/0.csv"] = b"1"
            self.objects[f"{FOLDER}/1.csv"] = b"2"
            return page

    report, recorder, _, _ = await load(Overtaken(), volume)
    assert recorder.statuses == {
        "d/0.csv": "unchanged",
        "d/1.csv": "failed",
        "d/2.csv": "uploaded",
    }
    assert report.exit_code == 3


async def test_foreign_objects_and_folder_objects_change_nothing(volume):
    """Other objects under the prefix stay, and are not part of the load."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    store = MemoryStore()
    foreign = {f"{FOLDER}/": b"", f"{FOLDER}/x/": b"", f"{FOLDER}/other.parquet": b"PAR1"}
    store.objects |= foreign
    report, *_ = await load(store, volume)
    assert report.counts == {"uploaded": 3}
    assert store.objects.items() >= foreign.items()


async def test_a_store_that_is_gone_when_partitions_are_listed_ends_the_run(volume):
    """That says nothing about the bucket."""

    class Gone(MemoryStore):
        async def list_objects(self, prefix, after=None, **where):
            raise StoreUnavailable("gone")

    write_files(volume, {f"d/{n}.csv": b"1" for n in range(3)})
    with pytest.raises(StoreUnavailable):
        await load(Gone(), volume)


@pytest.mark.parametrize("computed", [b"1", b"2", None])
async def test_an_etag_that_differs_says_nothing_and_a_checksum_does(volume, computed):
    """It has the form of an MD5, and may be anything."""

    class Encrypted(MemoryStore):
        async def head(self, key):
            await super().head(key)
            crc = crc64nvme_checksum(crc64nvme(computed)) if computed else None
            return RemoteObject(1, by_algorithm(crc, Checksum("MD5", "AAAAAAAAAAAAAAAAAAAAAA==")))

    write_files(volume, {"d/1.csv": b"1"})
    store = Encrypted()
    store.objects[f"{FOLDER}/1.csv"] = b"?"
    report, *_ = await load(store, volume)
    assert report.counts == ({"unchanged": 1} if computed == b"1" else {"failed": 1})


@pytest.mark.parametrize("equal", [True, False])
async def test_a_small_file_that_another_program_sent_in_parts_is_compared(volume, equal):
    """By the MD5 of parts in the ETag, with each of the usual part sizes; nothing is sent."""
    body = random_bytes(6 * MIB)
    digests = b"".join(hashlib.md5(part).digest() for part in (body[: 5 * MIB], body[5 * MIB :]))
    found = f"{hashlib.md5(digests).hexdigest() if equal else '0' * 32}-2"

    class InParts(MemoryStore):
        async def head(self, key):
            await super().head(key)
            return RemoteObject(len(body), by_algorithm(Checksum(MD5_OF_PARTS, found)))

    write_files(volume, {"d/1.csv": body})
    store = InParts()
    store.objects[f"{FOLDER}/1.csv"] = bytes(len(body))
    report, _, calls, _ = await load(store, volume)
    assert report.counts == ({"unchanged": 1} if equal else {"failed": 1})
    assert calls["put"] == 0


def crafted(like, beginning):
    """Bytes of the size and CRC64NVME of `like` that begin otherwise: the rest is solved for."""
    plain = crc64nvme(beginning + bytes(8))
    rows = [(crc64nvme(beginning + (1 << bit).to_bytes(8)) ^ plain, 1 << bit) for bit in range(64)]
    wanted, suffix = crc64nvme(like) ^ plain, 0
    for bit in reversed(range(64)):
        pivot = next(row for row in rows if row[0] >> bit == 1)
        rows = [
            (value ^ pivot[0], bits ^ pivot[1]) if value >> bit & 1 else (value, bits)
            for value, bits in rows
            if (value, bits) != pivot
        ]
        if wanted >> bit & 1:
            wanted, suffix = wanted ^ pivot[0], suffix ^ pivot[1]
    return beginning + suffix.to_bytes(8)


@pytest.mark.fault("A10")
async def test_checksums_are_against_accidents_and_not_against_attackers(volume):
    """A file that was made to have another one's CRC64NVME counts as it: RELIABILITY says so."""
    body = b"id|price\n1|100\n#" + b"." * 8
    other = crafted(body, b"id|price\n1|999\n#")
    assert (len(other), crc64nvme(other)) == (len(body), crc64nvme(body))
    assert other != body
    write_files(volume, {"d/1.csv": body})
    store = MemoryStore()
    store.objects[f"{FOLDER}/1.csv"] = other
    report, *_ = await load(store, volume)
    assert report.counts == {"unchanged": 1}
    assert "against accidents" in documents.section("What can't be guaranteed")


@pytest.mark.fault("A9")
async def test_a_write_through_a_memory_map_can_go_unnoticed(volume):
    """What the system tells of a file need not change, and that is all there is to go by."""
    write_files(volume, {"1.csv": b"a" * 8192})
    with (volume / "1.csv").open("r+b") as file, mmap.mmap(file.fileno(), 8192) as mapped:
        with Volume(volume) as opened:
            mapped[0] = ord("b")
            before = opened.state_of("1.csv")
            mapped[1] = ord("c")
            after = opened.state_of("1.csv")
        assert after._replace(mtime_ns=0, ctime_ns=0) == before._replace(mtime_ns=0, ctime_ns=0)
    assert "through a memory map" in documents.section("What can't be guaranteed")


@pytest.mark.fault("I25")
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", [200_000, 17 * UNIT], ids=["small", "large"])
async def test_failed_files_hold_no_memory(volume, size):
    """The report keeps its error without the frames, in which the file's bytes would lie."""
    write_files(volume, {f"d/{n}.csv": random_bytes(size) for n in range(4)})
    store = MemoryStore()
    store.objects |= {f"{FOLDER}/{n}.csv": bytes(size) for n in range(4)}
    report, _, _, _ = await load(store, volume)
    assert report.counts == {"failed": 4}
    for failed in report.failures:
        error = failed.error
        while error is not None:
            assert error.__traceback__ is None
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize("checksum", ["auto", "md5"])
async def test_the_index_is_asked_once_for_each_file_and_in_no_reader_thread(
    volume, monkeypatch, checksum
):
    """Whether its key is free, or taken by the same bytes."""
    store, asked = MemoryStore(), []
    find = KeyIndex.find

    def record(self, upload):
        asked.append((upload.source.path, threading.current_thread()))
        return find(self, upload)

    monkeypatch.setattr(KeyIndex, "find", record)
    paths = [f"d/{number}.csv" for number in range(40)]
    write_files(volume, dict.fromkeys(paths, b"1"))
    for _ in range(2):
        asked.clear()
        await load_volume(store, volume, checksum=checksum)
        assert Counter(path for path, _ in asked) == dict.fromkeys(paths, 1)
        assert {thread for _, thread in asked} == {threading.main_thread()}
