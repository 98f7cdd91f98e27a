"""`--checksum`: what is sent along, and what must come back."""

from __future__ import annotations

import pytest

from asyncload.errors import NotVerified
from asyncload.store.protocol import PutResult, RemoteObject
from tests.support.content import random_bytes
from tests.support.loads import UNIT, Recorder, load_volume, write_files
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.usefixtures("small_parts")

SIZES = [0, 1, 20 * UNIT]


class Plain(MemoryStore):
    """A store of the old kind: it knows no checksums, but its ETags are MD5s."""

    async def put(self, *arguments, **options):
        return PutResult((await super().put(*arguments, **options)).etag, None)

    async def upload_part(self, *arguments, **options):
        return PutResult((await super().upload_part(*arguments, **options)).etag, None)

    async def complete_multipart(self, *arguments, **options):
        return PutResult((await super().complete_multipart(*arguments, **options)).etag, None)

    async def head(self, key):
        from asyncload.model.checksums import md5_checksum

        remote = await super().head(key)
        if remote is None:
            return None
        etag = self.of_parts.get(key) or md5_checksum(self.objects[key])
        return RemoteObject(remote.size, {etag.algorithm: etag})

    def _keep(self, key, body, algorithm, info):
        super()._keep(key, body, algorithm, info)
        if len(body) > 16 * UNIT:
            import hashlib

            from asyncload.model.checksums import md5_of_parts

            step = 8 * UNIT
            parts = [body[at : at + step] for at in range(0, len(body), step)]
            self.of_parts[key] = md5_of_parts(hashlib.md5(part).digest() for part in parts)


async def load(store, volume, **options):
    recorder = Recorder()
    report = await load_volume(store, volume, recorder, **options)
    return report, recorder


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("choice", "proof"),
    [("auto", "CRC64NVME"), ("crc64nvme", "CRC64NVME"), ("crc32", "CRC32"), ("md5", "MD5")],
)
async def test_the_algorithm_that_is_asked_for_proves_the_file(volume, size, choice, proof):
    """Of puts, parts and the whole; a later run finds it by any checksum that the store keeps."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store = MemoryStore()
    _, recorder = await load(store, volume, checksum=choice)
    expected = "MD5 of parts" if choice == "md5" and size > 16 * UNIT else proof
    assert recorder.outcomes["a.csv"].checksum.algorithm == expected
    sent = store.body_bytes
    for again in ("auto", choice):
        _, recorder = await load(store, volume, checksum=again)
        assert recorder.statuses == {"a.csv": "unchanged"}
    assert store.body_bytes == sent


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("choice", ["auto", "md5"])
async def test_a_store_without_checksums_proves_by_its_etags(volume, size, choice):
    """`auto` finds out by itself, and says so."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store = Plain()
    report, recorder = await load(store, volume, checksum=choice)
    by = "MD5 of parts" if size > 16 * UNIT else "MD5"
    assert recorder.outcomes["a.csv"].checksum.algorithm == by
    assert report.verified_by == {by: 1}
    sent = store.body_bytes
    _, recorder = await load(store, volume)
    assert recorder.statuses == {"a.csv": "unchanged"}
    assert store.body_bytes == sent


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("choice", ["crc64nvme", "crc32"])
async def test_a_checksum_that_is_not_returned_proves_nothing(volume, size, choice):
    """A requested algorithm is used, or the failure names the option."""
    write_files(volume, {"a.csv": random_bytes(size)})
    _, recorder = await load(Plain(), volume, checksum=choice)
    error = recorder.outcomes["a.csv"].error
    assert isinstance(error, NotVerified)
    assert choice in error.message


@pytest.mark.parametrize("algorithm", ["CRC32C", "SHA256", "MD5", "CRC32"])
@pytest.mark.parametrize("size", [1, 17 * UNIT])
async def test_objects_of_other_programs_are_compared_by_the_stores_checksums(
    volume, algorithm, size
):
    """By any algorithm that S3 knows."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store = MemoryStore()
    await load(store, volume)
    (key,) = store.objects
    store.algorithms[key] = algorithm
    _, recorder = await load(store, volume)
    assert recorder.outcomes["a.csv"].status == "unchanged"
    assert recorder.outcomes["a.csv"].checksum.algorithm == algorithm


@pytest.mark.parametrize("size", [1, 17 * UNIT])
async def test_a_checksum_of_an_unknown_algorithm_proves_nothing(volume, size):
    """The key is taken, by what can't be told."""
    write_files(volume, {"a.csv": random_bytes(size)})
    store = MemoryStore()
    await load(store, volume)

    class Strange(MemoryStore):
        async def head(self, key):
            from asyncload.model.values import Checksum

            remote = await super().head(key)
            return RemoteObject(remote.size, {"XXHASH": Checksum("XXHASH", "AA==")})

    strange = Strange()
    strange.objects = store.objects
    _, recorder = await load(strange, volume)
    assert recorder.statuses == {"a.csv": "failed"}
