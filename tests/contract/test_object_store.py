"""What every `ObjectStore` promises: one suite for the fake, moto and SeaweedFS."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager, suppress

import pytest
from botocore.config import Config

from asyncload.errors import (
    BucketNotFound,
    NoSuchUpload,
    PreconditionFailed,
    RequestRejected,
    StoreError,
)
from asyncload.model import checksums
from asyncload.model.checksums import combine_crc64nvme, crc64nvme, crc64nvme_checksum
from asyncload.model.values import ObjectKey
from asyncload.s3 import S3Options, open_store
from asyncload.store.protocol import Part
from tests.conftest import SERVERS
from tests.support.content import random_bytes
from tests.support.memory_store import MemoryStore

PART = 5 * 1024 * 1024


@asynccontextmanager
async def opened_store(request, monkeypatch):
    """Open the store that a fixture's parameter names."""
    if request.param == "memory":
        yield MemoryStore()
        return
    server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    options = S3Options(server.bucket, connections=8, endpoint_url=server.endpoint_url)
    async with open_store(options) as opened:
        yield opened


@pytest.fixture(params=["memory", *SERVERS])
async def store(request, monkeypatch):
    """Each store in turn."""
    async with opened_store(request, monkeypatch) as opened:
        yield opened


@pytest.fixture
def key():
    return ObjectKey(f"contract/{uuid.uuid4().hex}/films.csv")


def checksum_of(body):
    return crc64nvme_checksum(crc64nvme(body))


async def send_parts(store, key, upload_id, bodies):
    parts = []
    for number, body in enumerate(bodies, 1):
        result = await store.upload_part(key, upload_id, number, body, checksum_of(body))
        parts.append(Part(number, result.etag, checksum_of(body)))
    return parts


def whole_checksum(bodies):
    return crc64nvme_checksum(combine_crc64nvme((crc64nvme(b), len(b)) for b in bodies))


async def test_a_put_returns_the_checksum_it_was_sent(store, key):
    """The result of a put proves what arrived."""
    body = b"id|titulo\n1|A\n"
    result = await store.put(key, body, checksum_of(body), create_only=True)
    assert result.checksum == checksum_of(body)


async def test_head_describes_the_stored_object(store, key):
    """Size and full-object checksum come back."""
    body = memoryview(bytearray(b"a|b\n" * 1000))
    await store.put(key, body, checksum_of(body), create_only=True)
    remote = await store.head(key)
    assert (remote.size, remote.checksums["CRC64NVME"]) == (4000, checksum_of(body))


async def test_an_empty_body_is_an_object(store, key):
    """0 bytes are stored by put."""
    await store.put(key, b"", checksum_of(b""), create_only=True)
    assert (await store.head(key)).size == 0


async def test_head_of_a_free_key_is_none(store, key):
    """A missing object is not an error."""
    assert await store.head(key) is None


async def test_an_object_is_read_in_pieces(store, key):
    """As many bytes as are asked for, fewer at its end, none beyond it."""
    await store.put(key, b"0123456789", checksum_of(b"0123456789"), create_only=True)
    assert await store.read(key, 0, 4) == b"0123"
    assert await store.read(key, 8, 4) == b"89"
    assert await store.read(key, 10, 4) == b""
    with pytest.raises(RequestRejected):
        await store.read(ObjectKey(f"{key}.none"), 0, 4)


async def test_create_only_keeps_an_existing_object(store, key):
    """A second create-only put is refused, and changes nothing."""
    await store.put(key, b"first", checksum_of(b"first"), create_only=True)
    with pytest.raises(PreconditionFailed):
        await store.put(key, b"second", checksum_of(b"second"), create_only=True)
    assert (await store.head(key)).checksums["CRC64NVME"] == checksum_of(b"first")


async def test_without_create_only_the_later_put_wins(store, key):
    """Overwriting replaces the object."""
    await store.put(key, b"first", checksum_of(b"first"), create_only=False)
    await store.put(key, b"second!", checksum_of(b"second!"), create_only=False)
    assert (await store.head(key)).checksums["CRC64NVME"] == checksum_of(b"second!")


async def test_parts_become_one_object_with_the_combined_checksum(store, key):
    """Parts may arrive in any order; the full object's checksum is theirs combined."""
    bodies = [random_bytes(PART), random_bytes(PART), b"tail"]
    upload_id = await store.create_multipart(key)
    results = await asyncio.gather(
        *(
            store.upload_part(key, upload_id, n, body, checksum_of(body))
            for n, body in reversed(list(enumerate(bodies, 1)))
        )
    )
    parts = [
        Part(n, result.etag, checksum_of(body))
        for n, (body, result) in enumerate(zip(bodies, reversed(results), strict=True), 1)
    ]
    await store.complete_multipart(key, upload_id, parts, whole_checksum(bodies), create_only=True)
    remote = await store.head(key)
    assert (remote.size, remote.checksums["CRC64NVME"]) == (2 * PART + 4, whole_checksum(bodies))


async def test_a_part_sent_again_replaces_the_earlier_one(store, key):
    """Repeating a part is safe."""
    upload_id = await store.create_multipart(key)
    await send_parts(store, key, upload_id, [b"old"])
    parts = await send_parts(store, key, upload_id, [b"new!"])
    await store.complete_multipart(key, upload_id, parts, checksum_of(b"new!"), create_only=True)
    assert (await store.head(key)).checksums["CRC64NVME"] == checksum_of(b"new!")


async def test_a_create_only_complete_keeps_an_existing_object(store, key):
    """A key that was taken meanwhile keeps its object."""
    upload_id = await store.create_multipart(key)
    parts = await send_parts(store, key, upload_id, [b"mine"])
    await store.put(key, b"theirs", checksum_of(b"theirs"), create_only=True)
    with pytest.raises(PreconditionFailed):
        await store.complete_multipart(
            key, upload_id, parts, checksum_of(b"mine"), create_only=True
        )
    await store.abort_multipart(key, upload_id)
    assert (await store.head(key)).checksums["CRC64NVME"] == checksum_of(b"theirs")


async def test_an_aborted_upload_is_gone(store, key):
    """No object appears, and aborting again is not an error."""
    upload_id = await store.create_multipart(key)
    await send_parts(store, key, upload_id, [b"part"])
    await store.abort_multipart(key, upload_id)
    await store.abort_multipart(key, upload_id)
    assert await store.head(key) is None


async def test_the_stores_clock_is_known_from_its_answers(store):
    """It is this machine's own for a store that runs here; an answer of any kind tells it."""
    with suppress(RequestRejected):
        await store.read(ObjectKey("contract/none"), 0, 1)
    assert -60 < store.clock_offset < 60


async def test_check_bucket_accepts_a_bucket_that_is_there(store):
    """The preflight of a right set-up raises nothing."""
    await store.check_bucket("Raw/Local/CSV/")


@pytest.mark.parametrize(
    "name", ["a b", "50%", "a+b", "#1", "emoji 🎬", "\u00e9", "e\u0301", "~!*'()&=@;:,$?"]
)
async def test_keys_are_byte_exact(store, key, name):
    """What goes in as a key is the key, composed or decomposed, escaped or not."""
    exact = ObjectKey(f"{key}/{name}.csv")
    await store.put(exact, name.encode(), checksum_of(name.encode()), create_only=True)
    assert (await store.head(exact)).checksums["CRC64NVME"] == checksum_of(name.encode())
    assert await store.head(key) is None


async def test_many_calls_at_once_keep_apart(store, key):
    """Concurrent puts of different keys don't mix."""
    bodies = {ObjectKey(f"{key}/{n}"): bytes([n]) * (n * 100) for n in range(50)}
    await asyncio.gather(
        *(store.put(k, b, checksum_of(b), create_only=True) for k, b in bodies.items())
    )
    for k, b in bodies.items():
        assert (await store.head(k)).checksums["CRC64NVME"] == checksum_of(b)


async def test_a_page_may_begin_behind_a_key(store, key):
    """The next page continues there, and holds no more than was asked for."""
    folder = key.rpartition("/")[0]
    keys = [ObjectKey(f"{folder}/{n}/2022/05/02/{n}.csv") for n in range(6)]
    for one in keys:
        await store.put(one, b"1", checksum_of(b"1"), create_only=True)

    async def listed(start, most=0):
        page = await store.list_objects(f"{folder}/", start_after=start, max_keys=most)
        return [item.key for item in page.items], page.next is None

    assert await listed("") == (keys, True)
    assert await listed(f"{folder}/2/2022/05/02/") == (keys[2:], True)
    assert await listed(keys[2]) == (keys[3:], True)
    assert await listed(f"{folder}/2/2022/05/01/zzz", 2) == (keys[2:4], False)
    assert await listed(f"{folder}/25") == (keys[3:], True)
    assert await listed(keys[5]) == ([], True)
    page = await store.list_objects(f"{folder}/", start_after=keys[0], max_keys=2)
    after = await store.list_objects(f"{folder}/", page.next)
    assert [item.key for item in after.items] == keys[3:]


class TestStrictStores:
    """What moto forgives, the fake and SeaweedFS do not."""

    @pytest.fixture(params=["memory", SERVERS[1]])
    async def store(self, request, monkeypatch):
        async with opened_store(request, monkeypatch) as opened:
            yield opened

    async def test_a_body_that_is_not_its_checksum_is_rejected(self, store, key):
        """Damage on the way is noticed, and nothing is stored."""
        with pytest.raises(StoreError) as caught:
            await store.put(key, b"damaged", checksum_of(b"whole"), create_only=True)
        assert caught.value.code in ("BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest")
        assert await store.head(key) is None

    async def test_an_aborted_upload_takes_no_more_parts(self, store, key):
        """A part that comes too late is told so."""
        upload_id = await store.create_multipart(key)
        await store.abort_multipart(key, upload_id)
        with pytest.raises(NoSuchUpload):
            await store.upload_part(key, upload_id, 1, b"part", checksum_of(b"part"))

    async def test_an_object_that_is_not_its_parts_checksum_is_rejected(self, store, key):
        """The full object's checksum is checked at Complete."""
        upload_id = await store.create_multipart(key)
        parts = await send_parts(store, key, upload_id, [b"one"])
        with pytest.raises(StoreError):
            await store.complete_multipart(
                key, upload_id, parts, checksum_of(b"other"), create_only=True
            )
        await store.abort_multipart(key, upload_id)
        assert await store.head(key) is None


@pytest.mark.parametrize("server", SERVERS)
async def test_a_bucket_that_is_not_there_is_named(request, server, monkeypatch):
    """The preflight of a wrong bucket says so."""
    s3 = request.getfixturevalue(server)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    options = S3Options("no-such-lake", connections=1, endpoint_url=s3.endpoint_url)
    async with open_store(options) as store:
        with pytest.raises(BucketNotFound, match=r"'no-such-lake'.*NoSuchBucket"):
            await store.check_bucket("Raw/")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("algorithm", [None, "SHA256", "CRC32"])
async def test_an_object_of_another_program_is_described_by_its_own_checksums(
    request, server, monkeypatch, key, algorithm
):
    """Another checksum than ours, or an ETag that is its MD5."""
    s3 = request.getfixturevalue(server)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    named = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    plain = Config(request_checksum_calculation="when_required")
    s3.client(plain).put_object(Bucket=s3.bucket, Key=key, Body=b"theirs", **named)
    options = S3Options(s3.bucket, connections=1, endpoint_url=s3.endpoint_url)
    async with open_store(options) as store:
        remote = await store.head(key)
    by = algorithm or "MD5"
    assert remote.checksums[by] == checksums.checksum_of(b"theirs", by)
